"""Every random number that ablate draws on the host, drawn anew from its published keys by an own ChaCha8: a draw is a
function of (seed, stream, k).
"""

import math

import blake3
import numpy as np


def words(seed, stream, k, count):
    """The first 64-bit numbers of a draw: ChaCha8, keyed by (seed, stream), stream number k."""
    material = seed.to_bytes(8, "little") + stream.encode()
    key = np.frombuffer(blake3.blake3(material, derive_key_context="ablate random stream v1").digest(), "<u4")
    blocks = -(-count // 8)
    state = np.zeros((16, blocks), dtype=np.uint32)
    state[:4] = np.frombuffer(b"expand 32-byte k", "<u4")[:, None]
    state[4:12] = key[:, None]
    state[12] = np.arange(blocks)
    state[14], state[15] = k & 0xFFFFFFFF, k >> 32
    mixed = state.copy()

    def turn(word, by):
        return (word << np.uint32(by)) | (word >> np.uint32(32 - by))

    def quarter(a, b, c, d):
        for first, second, third, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            mixed[first] += mixed[second]
            mixed[third] = turn(mixed[third] ^ mixed[first], by)

    for _ in range(4):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    mixed += state
    stream_of_words = mixed.T.reshape(-1).astype(np.uint64)
    return (stream_of_words[0::2] | (stream_of_words[1::2] << np.uint64(32)))[:count]


def normals(seed, stream, k, count):
    """Box and Muller, in 32 bits."""
    bits = words(seed, stream, k, -(-count // 2))
    unit = (((bits >> np.uint64(32)).astype(np.float64) + 0.5) / 2**32).astype(np.float32)
    angle = ((bits & np.uint64(0xFFFFFFFF)) >> np.uint64(8)).astype(np.float32) * np.float32(math.tau / 2**24)
    radius = np.sqrt(np.float32(-2) * np.log(unit))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)[:count]


def normals_after(seed, stream, k, skipped, count):
    """Normals of a draw from which some 64-bit numbers were taken before."""
    return normals(seed, stream, k, 2 * skipped + count)[2 * skipped :]


def uniform(seed, stream, k):
    """The first number of a draw in [0, 1), a multiple of 2^-53."""
    return (int(words(seed, stream, k, 1)[0]) >> 11) / 2**53


class Integers:
    """Integers without bias out of one draw (Lemire 2019, algorithm 5), one after the other."""

    def __init__(self, seed, stream, k, expected):
        # A number is refused once in 2^64 / n tries.
        self.words = iter(int(word) for word in words(seed, stream, k, expected + 8))

    def below(self, n):
        while True:
            product = next(self.words) * n
            if product % 2**64 >= 2**64 % n:
                return product >> 64


def order(seed, epoch, images):
    """The order of an epoch: Fisher and Yates' shuffle of 0, 1, ..."""
    places, integers = list(range(images)), Integers(seed, "order", epoch, images)
    for i in range(images - 1, 0, -1):
        j = integers.below(i + 1)
        places[i], places[j] = places[j], places[i]
    return places
