"""Random streams by name: a new draw in one shifts no other."""

from __future__ import annotations

from hashlib import blake2b

from numpy.random import PCG64, Generator, SeedSequence


def stream(seed: int, name: str) -> Generator:
    """Return the generator that `seed` (0 or above) and `name` stand for, the same on every machine."""
    digest = blake2b(name.encode(), digest_size=16).digest()
    words = (int.from_bytes(digest[at : at + 4], "little") for at in range(0, len(digest), 4))
    return Generator(PCG64(SeedSequence(seed, spawn_key=tuple(words))))
