"""Prints what src/random.rs must draw, from an independent implementation: SHA-256 for the seed, xoshiro256++ after it.

Run by hand: python tests/golden/draws.py (standard library only). The numbers stand in the tests of src/random.rs.
"""

import hashlib
import struct

MASK = (1 << 64) - 1


def rotl(x, k):
    return ((x << k) | (x >> (64 - k))) & MASK


def stream(seed, step, name):
    """xoshiro256++ (Blackman and Vigna 2019), its state the digest of (seed, step, name) as little-endian words."""
    key = struct.pack("<QQ", seed, step) + name.encode()
    s = list(struct.unpack("<4Q", hashlib.sha256(key).digest()))
    while True:
        yield (rotl((s[0] + s[3]) & MASK, 23) + s[0]) & MASK
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 45)


def below(draws, n):
    """Lemire's unbiased bounded integer from the upper 32 bits of each draw."""
    while True:
        wide = (next(draws) >> 32) * n
        if wide & 0xFFFFFFFF >= (2**32 - n) % n:
            return wide >> 32


def permutation(draws, n):
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = below(draws, i + 1)
        order[i], order[j] = order[j], order[i]
    return order


if __name__ == "__main__":
    draws = stream(7, 11, "z")
    print("first two draws of (7, 11, z):", next(draws), next(draws))
    print("permutation of 8 by (7, 11, p):", permutation(stream(7, 11, "p"), 8))
