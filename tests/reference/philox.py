"""Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers, SC 2011) in NumPy."""

from __future__ import annotations

import numpy as np

Array = np.ndarray

MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
WEYL = (0x9E3779B9, 0xBB67AE85)
MASK = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def philox(counter: Array, key: tuple[int, int], rounds: int = 10) -> Array:
    """Blocks of four 32-bit words for counters (blocks, 4), as uint64."""
    c0, c1, c2, c3 = (np.asarray(counter[:, word], np.uint64) for word in range(4))
    k0, k1 = key
    for _ in range(rounds):
        left, right = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (right >> HALF) ^ c1 ^ np.uint64(k0),
            right & MASK,
            (left >> HALF) ^ c3 ^ np.uint64(k1),
            left & MASK,
        )
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1)


def words(seed: int, stream: int, step: int, count: int, half: int) -> Array:
    """One 32-bit word for each of `count` elements of a stream."""
    blocks = np.arange(-(-count // 4), dtype=np.uint64)
    counter = np.zeros((len(blocks), 4), np.uint64)
    counter[:, 0] = blocks & MASK
    counter[:, 1] = stream
    counter[:, 2] = step & 0xFFFFFFFF
    counter[:, 3] = (blocks >> HALF) | np.uint64((step >> 32) << 16) | np.uint64(half << 31)
    return philox(counter, (seed & 0xFFFFFFFF, seed >> 32)).ravel()[:count]


def random_uniform(seed: int, stream: int, step: int, count: int, dtype: str) -> Array:
    """Uniform in [0, 1): the upper 24 bits of a word, or 53 bits of two."""
    upper = words(seed, stream, step, count, half=0)
    if dtype == "float32":
        return (upper >> np.uint64(8)).astype(np.float64) * 2.0**-24
    lower = words(seed, stream, step, count, half=1)
    return ((upper << np.uint64(21)) | (lower >> np.uint64(11))).astype(np.float64) * 2.0**-53


def positive(seed: int, stream: int, step: int, count: int, dtype: str) -> Array:
    """Uniform in (0, 1], with all the bits that small numbers can have."""
    if dtype == "float64":
        return random_uniform(seed, stream, step, count, dtype) + 2.0**-54
    upper = (words(seed, stream, step, count, half=0) >> np.uint64(1)).astype(np.float32)
    return (upper.astype(np.float64) * 2.0**-31 + 2.0**-32).astype(np.float32).astype(np.float64)


def random_normal(seed: int, stream: int, step: int, count: int, dtype: str) -> Array:
    """Box and Muller: a pair of elements is a radius, from its first word, times cos and sin."""
    whole = -(-count // 2) * 2
    radius = np.sqrt(-2.0 * np.log(positive(seed, stream, step, whole, dtype)[0::2]))
    angle = 2.0 * np.pi * random_uniform(seed, stream, step, whole, dtype)[1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()[:count]


RANDOM = {"random_uniform": random_uniform, "random_normal": random_normal}
