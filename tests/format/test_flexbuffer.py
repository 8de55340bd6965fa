"""FlexBuffers read and written: bytes of the official builder, and what is no FlexBuffer.

The bytes were made by `flatbuffers.flexbuffers` 25 (`Dumps`, `Builder`) for the values beside them.
"""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from edgewise.format.flexbuffer import read, write

OFFICIAL = [
    ("070401", 7),
    ("d4fe0502", -300),
    ("0000003f0e04", 0.5),
    ("02c3a900031401", "é"),
    ("000001", None),
    ("0201006868042801", [True, False]),
    (
        "610062006300000101040204042828010c010101092801150101010724011e0101010724022401",
        {"a": {"b": {"c": [[], [1]]}}},
    ),
    (
        (
            "660000000000c03f6900f770000102036b000000020000000000c03f0000204004211a1319040104241f"
            "121e2218364c082401"
        ),
        {"f": 1.5, "i": -9, "p": [1, 2, 3], "k": [1.5, 2.5]},
    ),
    (
        (
            "616c70686100636f756e740069735f66617374006e616d6500056c65616b79006c69737400017800030000"
            "0001000000000020400e000000060e14696e7473000400010002000300900105050505626c6f6200020001"
            "656d70747900000001000861145d0e2a5a47540000000b00000001000000080000000000803e2800000070"
            "110100240000004600000001000000640000007a0000000e640624296a2a14282601"
        ),
        {
            "alpha": 0.25,
            "count": 70000,
            "is_fast": True,
            "name": "leaky",
            "list": [1, 2.5, "x"],
            "ints": [1, 2, 3, 400],
            "blob": b"\0\1",
            "empty": {},
        },
    ),
]


@pytest.mark.parametrize(("text", "value"), OFFICIAL, ids=range(len(OFFICIAL)))
def test_reads_what_the_official_builder_writes(text: str, value: object) -> None:
    assert read(bytes.fromhex(text)) == value


@pytest.mark.parametrize(
    "entries",
    [
        {},
        {"b": True, "a": -1, "text": "é", "x": 0.1, "empty": ""},
        {f"key{i}": i for i in range(300)},
    ],
    ids=["empty", "kinds", "many"],
)
def test_writes_what_it_reads(entries: dict[str, bool | int | float | str]) -> None:
    assert read(write(entries)) == entries


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "at least 3 bytes"),
        (b"\0\0\3", "the root must be 1, 2, 4 or 8 bytes wide; got 3"),
        (b"\7\x5c\1", "lie outside"),
        (b"\7\xfc\1", "there is no type 63"),
        # a vector whose element is itself
        (bytes([1, 0, 40, 2, 40, 1]), "inside each other"),
    ],
    ids=["empty", "width", "outside", "type", "circle"],
)
def test_refuses(data: bytes, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        read(data)


def test_doubling_vectors_are_bounded() -> None:
    """Twenty vectors, each of the one before it twice, are 2**20 values in 104 bytes."""
    data = bytearray([0])
    place = 1  # of the empty vector
    for _ in range(20):
        start = len(data) + 1
        data += bytes([2, start - place, start + 1 - place, 40, 40])
        place = start
    data += bytes([len(data) - place, 40, 1])
    with pytest.raises(ValueError, match="more values than bytes"):
        read(bytes(data))


@pytest.mark.ci
def test_mutants_are_read_or_refused() -> None:
    rng = np.random.default_rng(7)
    refused = 0
    for text, _ in OFFICIAL:
        good = bytes.fromhex(text)
        for end in range(len(good)):
            with contextlib.suppress(ValueError):
                read(good[:end])
        for _ in range(2000):
            data = bytearray(good)
            for place in rng.integers(0, len(data), 2):
                data[place] = rng.integers(0, 256)
            try:
                read(bytes(data))
            except ValueError:
                refused += 1
    assert refused > 1000
