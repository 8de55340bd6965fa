"""Bytes of a file changed at random, as chance and as an attacker would change them."""

from __future__ import annotations

import random

EDGES = (0, 1, 2, 3, 4, 5, 127, 128, 255)
WORDS = (0, 1, 2, 3, 8, -1, 2**31 - 1, -(2**31))


def mutate(data: bytes, generator: random.Random) -> bytes:
    """A few bytes or aligned words become others: edges of their range, small or random numbers."""
    changed = bytearray(data)
    for _ in range(generator.choice((1, 1, 2, 4, 8))):
        at = generator.randrange(len(changed))
        if generator.random() < 0.5:
            changed[at] = generator.choice((*EDGES, generator.randrange(256)))
        else:
            at &= ~3
            word = generator.choice((*WORDS, generator.randrange(100), generator.getrandbits(31)))
            changed[at : at + 4] = (word & 0xFFFFFFFF).to_bytes(4, "little")
    return bytes(changed)
