"""Joules by account, and how they came to be known."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class EnergyMethod(StrEnum):
    """How a figure in joules was obtained. A modelled or declared joule is never shown as measured."""

    MEASURED = "measured"
    MODELLED = "modelled"
    DECLARED = "declared"


class Energy(Struct, frozen=True, kw_only=True, gc=False):
    """Transmission, inference above idle, and idle, in joules. Adds up."""

    transmit_j: float = 0.0
    infer_j: float = 0.0
    idle_j: float = 0.0

    def __add__(self, other: Energy) -> Energy:
        return Energy(
            transmit_j=self.transmit_j + other.transmit_j,
            infer_j=self.infer_j + other.infer_j,
            idle_j=self.idle_j + other.idle_j,
        )

    @property
    def total_j(self) -> float:
        return self.transmit_j + self.infer_j + self.idle_j
