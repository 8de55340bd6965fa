"""The wire reader: every kind of field, and bytes that are not what they claim to be."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from edgewise.errors import FormatError
from edgewise.frontends import protobuf
from edgewise.frontends.protobuf import Later, Message, decode
from edgewise.frontends.protobuf_fields import (
    boolean,
    fixed32,
    fixed64,
    float32,
    int64,
    later,
    many,
    mapping,
    nested,
    numbers,
    raw,
    raws,
    text,
    text_mapping,
    texts,
    uint64,
)
from edgewise.frontends.varints import BadVarint, varints
from tests.frontends.wire import field, message, varint


class Everything(Message):
    """One field of each kind."""

    signed: int = int64(1)
    unsigned: int = uint64(2)
    flag: bool = boolean(3)
    single: float = float32(4)
    word: int = fixed32(5)
    long: int = fixed64(6)
    name: str = text(7)
    names: Sequence[str] = texts(8)
    data: memoryview = raw(9)
    chunks: Sequence[memoryview] = raws(10)
    child: Everything | None = nested(11, lambda: Everything)
    children: Sequence[Everything] = many(12, lambda: Everything)
    lazy: Sequence[Later[Everything]] = later(13, lambda: Everything)
    by_name: Mapping[str, Everything] = mapping(14, lambda: Everything)
    labels: Mapping[str, str] = text_mapping(15)
    floats: np.ndarray = numbers(16, "<f4")
    doubles: np.ndarray = numbers(17, "<f8")
    longs: np.ndarray = numbers(18, "<u8")
    integers: np.ndarray = numbers(19, "int64")
    counts: np.ndarray = numbers(20, "uint64")


def read(*fields: tuple[int, int | float | str | bytes]) -> Everything:
    return decode(Everything, message(*fields), file="x.pb")


def refusal(data: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        decode(Everything, data, file="x.pb")
    return str(caught.value)


def test_defaults():
    empty = read()
    assert (empty.signed, empty.unsigned, empty.flag, empty.single) == (0, 0, False, 0.0)
    assert (empty.name, bytes(empty.data), empty.child) == ("", b"", None)
    assert not empty.names
    assert not empty.by_name
    assert empty.floats.shape == (0,)
    assert empty.floats.dtype == np.float32
    assert not empty.has("signed")
    assert read((1, 0)).has("signed")


def test_numbers_of_one_value():
    found = read((1, -3), (2, 2**64 - 1), (3, 1), (4, 0.5))
    assert (found.signed, found.unsigned, found.flag, found.single) == (-3, 2**64 - 1, True, 0.5)
    assert read((1, 5), (1, 6)).signed == 6  # the last one counts
    data = b"\x2d" + struct.pack("<I", 7) + b"\x31" + struct.pack("<Q", 1 << 63)
    found = decode(Everything, data)
    assert (found.word, found.long) == (7, 1 << 63)


def test_text_bytes_and_messages():
    found = read((7, "é"), (8, "a"), (8, ""), (9, b"\xff"), (10, b"1"), (10, b"2"))
    assert found.name == "é"
    assert list(found.names) == ["a", ""]
    assert bytes(found.data) == b"\xff"
    assert [bytes(chunk) for chunk in found.chunks] == [b"1", b"2"]
    found = read((11, message((1, 1))), (12, message((1, 2))), (12, b""), (13, message((1, 4))))
    assert found.child is not None
    assert found.child.signed == 1
    assert [child.signed for child in found.children] == [2, 0]
    assert found.lazy[0].read().signed == 4


def test_maps():
    entry = message((1, "a"), (2, message((1, 1))))
    found = read(
        (14, entry), (14, message((2, message((1, 2))))), (15, message((1, "k"), (2, "v")))
    )
    assert {key: value.signed for key, value in found.by_name.items()} == {"a": 1, "": 2}
    assert found.labels == {"k": "v"}
    assert read((14, message((1, "a")))).by_name["a"].signed == 0
    # the value first, and a field that no entry has
    assert read((15, message((2, "v"), (9, 1), (1, "k")))).labels == {"k": "v"}


def test_repeated_numbers_packed_or_not():
    packed = read((16, struct.pack("<3f", 1, 2, 3)), (19, varint(1) + varint(-1) + varint(300)))
    assert packed.floats.tolist() == [1, 2, 3]
    assert packed.integers.tolist() == [1, -1, 300]
    mixed = read((16, 1.0), (16, struct.pack("<2f", 2, 3)), (16, 4.0), (19, -5), (20, 2**64 - 1))
    assert mixed.floats.tolist() == [1, 2, 3, 4]
    assert mixed.floats.dtype == np.float32
    assert mixed.integers.tolist() == [-5]
    assert mixed.counts.tolist() == [2**64 - 1]
    assert read((17, struct.pack("<d", 0.1))).doubles.tolist() == [0.1]
    assert read((18, struct.pack("<Q", 1 << 63))).longs.tolist() == [1 << 63]
    assert read((16, b"")).floats.tolist() == []


def test_what_is_large_is_not_copied():
    data = message((9, bytes(100)), (16, bytes(400)))
    found = decode(Everything, data)
    whole = np.frombuffer(data, np.uint8)
    assert np.shares_memory(np.frombuffer(found.data, np.uint8), whole)
    assert np.shares_memory(found.floats, whole)
    assert not found.floats.flags.writeable


def test_unknown_fields_are_skipped():
    group = varint(30 << 3 | 3) + field(1, 5) + varint(31 << 3 | 3) + varint(31 << 3 | 4)
    group += varint(30 << 3 | 4)
    wide = varint(33 << 3 | 1) + bytes(8) + varint(34 << 3 | 5) + bytes(4)
    data = message((32, "x"), (35, 7)) + group + wide + message((1, 2))
    assert decode(Everything, data).signed == 2
    # a known number with a wire type that it does not have
    assert decode(Everything, message((1, "x"), (7, 3))).name == ""


def test_varints():
    random = np.random.RandomState(1)
    values = [int(v) >> i % 62 for i, v in enumerate(random.randint(0, 2**62, 500))]
    values += [0, 127, 128, 2**63, 2**64 - 1]
    found = varints(np.frombuffer(b"".join(varint(v) for v in values), np.uint8))
    assert found.tolist() == values
    assert varints(np.empty(0, np.uint8)).shape == (0,)
    with pytest.raises(BadVarint, match="ends inside a number"):
        varints(np.array([1, 128], np.uint8))
    with pytest.raises(BadVarint, match="more than 10 bytes"):
        varints(np.array([128] * 10 + [1], np.uint8))


def test_cut_off_at_every_byte():
    child = message((1, 300), (7, "name"), (16, struct.pack("<2f", 1, 2)))
    data = message((11, child), (14, message((1, "k"), (2, child))), (19, varint(300)))
    for end in range(len(data)):
        with contextlib.suppress(FormatError):
            decode(Everything, data[:end])


@pytest.mark.parametrize(
    ("data", "byte", "rule"),
    [
        (b"\x08", 1, "Everything ends inside a number"),
        (b"\x3a\x05ab", 1, "Everything.name ends at byte 7, beyond its message"),
        (b"\x3a\x01\xff", 2, "Everything.name is text in UTF-8; these bytes are not"),
        (b"\x25\x00\x00", 1, "Everything.single ends at byte 5, beyond its message"),
        (b"\x08" + b"\xff" * 11, 1, "a number has at most 10 bytes"),
        (b"\x00\x00", 1, "no field has this tag"),
        (b"\x0f", 1, "no field has wire type 7"),
        (b"\x0c", 1, "no field has this tag"),
        (b"\x0b", 1, "a group ends beyond its message"),
        (message((11, b""), (11, b"")), 3, "Everything.child appears twice"),
        (message((16, b"123")), 2, "Everything.floats has elements of 4 bytes"),
        (message((19, b"\x80")), 3, "Everything.integers ends inside a number"),
        (message((11, b"\x08\xff")) + b"\x01", 2, "a field of Everything ends beyond it"),
    ],
)
def test_bad_bytes(data: bytes, byte: int, rule: str):
    end = f"the file ({len(data)} bytes) is truncated or corrupt"
    assert refusal(data) == f"x.pb at byte {byte}: {rule}; {end}"


def test_depth_and_number_of_messages_are_bounded(monkeypatch: pytest.MonkeyPatch):
    data = b""
    for _ in range(protobuf.MAX_DEPTH):
        data = message((11, data))
    assert "messages are at most 100 deep" in refusal(data)
    assert "more messages than in any model" in refusal(message(*[(12, b"")] * 10_000))
    monkeypatch.setattr(protobuf, "MAX_MESSAGES", 100)
    assert "more messages than in any model" in refusal(message(*[(12, b"")] * 100))


def test_groups_do_not_recurse():
    assert "a group ends beyond" in refusal(b"\xf3\x01" * 100_000)
