"""Protocol buffers changed by somebody who knows the format: fields, not bytes.

Lengths around a changed field are written anew, so that readers get to the change.
"""

from __future__ import annotations

import random

from tests.format.mutants import mutate
from tests.frontends.wire import varint

EDGES = (0, 1, 2, 127, 128, 255, 2**31 - 1, 2**31, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1)
TEXTS = (b"", b"\0", b"\xff\xfe", b"^x", b"x:0", b"x:y:1", b"a:b:c:d", b"../../x", b"/", b"x" * 300)
Field = tuple[int, bytes]  # the tag, and the value with its length


def fields(data: bytes) -> list[tuple[int, bytes]] | None:
    """Tags and payloads of a message; None: these bytes are none."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        tag, at = _number(data, at)
        if tag is None or tag < 8:
            return None
        start = at
        match tag & 7:
            case 0:
                value, at = _number(data, at)
                if value is None:
                    return None
                found.append((tag, data[start:at]))
                continue
            case 1:
                at += 8
            case 5:
                at += 4
            case 2:
                size, start = _number(data, at)
                if size is None:
                    return None
                at = start + size
            case _:
                return None
        if at > len(data):
            return None
        found.append((tag, data[start:at]))
    return found


def _number(data: bytes, at: int) -> tuple[int | None, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    return None, at


def joined(parts: list[tuple[int, bytes]]) -> bytes:
    """The message of these fields."""
    out = bytearray()
    for tag, payload in parts:
        out += varint(tag) + (varint(len(payload)) if tag & 7 == 2 else b"") + payload
    return bytes(out)


def mutate_message(data: bytes, generator: random.Random) -> bytes:
    """One field, at any depth, becomes another one."""
    parts = fields(data)
    if not parts:
        return _payload(data, generator)
    i = generator.randrange(len(parts))
    tag, payload = parts[i]
    if tag & 7 == 2 and payload and generator.random() < 0.9 and fields(payload):
        parts[i] = tag, mutate_message(payload, generator)
        return joined(parts)
    match generator.randrange(8):
        case 0:
            del parts[i]
        case 1:
            parts.insert(generator.randrange(len(parts) + 1), parts[i])
        case 2:
            other = parts[generator.randrange(len(parts))]
            parts[i] = (tag, other[1]) if other[0] & 7 == tag & 7 else other
        case 3:
            parts[i] = generator.randrange(1, 12) << 3 | tag & 7, payload
        case 4 if tag & 7 == 2:
            parts[i] = tag, payload * generator.choice((2, 10, 200)) if len(payload) < 999 else b""
        case _:
            parts[i] = tag, _value(tag, payload, generator)
    return joined(parts)


def _value(tag: int, payload: bytes, generator: random.Random) -> bytes:
    if tag & 7 == 0:
        return varint(
            generator.choice((*EDGES, generator.getrandbits(6), generator.getrandbits(64)))
        )
    if tag & 7 == 2:
        return _payload(payload, generator)
    return generator.randbytes(len(payload))


def _payload(data: bytes, generator: random.Random) -> bytes:
    match generator.randrange(4):
        case 0:
            return generator.choice(TEXTS)
        case 1:
            return data[: generator.randrange(len(data) + 1)]
        case 2 if data:
            return mutate(data.ljust(4, b"\0"), generator)[: len(data)]
        case _:
            return generator.randbytes(generator.choice((1, 2, 8)))
