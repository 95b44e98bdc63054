"""Seeded streams of randomness, one per concern, and the few draws that the world shares."""

import zlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bools", "Floats", "Ints", "choose", "sigmoid", "stream"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def stream(seed: int, concern: str, part: int = 0) -> np.random.Generator:
    """A generator that depends on the seed, the concern's name and the part alone.

    >>> stream(1, "deals").random() == stream(1, "deals").random()
    True
    """
    key = (zlib.crc32(concern.encode()), part)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def sigmoid(z: Floats) -> Floats:
    """The probability of log-odds z."""
    return 1.0 / (1.0 + np.exp(-z))


def choose(rng: np.random.Generator, weights: tuple[float, ...] | Floats, size: int) -> Ints:
    """Indices drawn with the given weights, shape (size,)."""
    edges = np.cumsum(np.asarray(weights, dtype=float))
    return np.searchsorted(edges / edges[-1], rng.random(size), side="right").astype(np.int64)
