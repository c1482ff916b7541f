"""The paper's time slots: what arrives within one is decided at its end."""

from __future__ import annotations

from math import floor


def slot_end_s(slot_s: float, arrived_at_s: float, now_s: float) -> float | None:
    """Return when the slot ends in which a request arrived, or None if it has or there are no slots.

    Slots begin at instant 0. Who finds no room at the end of its slot goes once there is some.
    """
    if slot_s <= 0.0:
        return None
    end_s = (floor(arrived_at_s / slot_s) + 1) * slot_s
    return end_s if now_s < end_s else None
