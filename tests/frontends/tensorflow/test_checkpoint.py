"""Checkpoints: tables, blocks, checksums, shards, slices, strings."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from edgewise.errors import EdgewiseError, FormatError
from edgewise.frontends.tensorflow.checkpoint import Bundle
from edgewise.frontends.tensorflow.checkpoint.crc32c import crc32c, masked
from edgewise.frontends.tensorflow.checkpoint.slices import _signed, slice_key
from edgewise.frontends.tensorflow.checkpoint.snappy import BadSnappy, uncompress
from edgewise.frontends.tensorflow.checkpoint.table import read_table
from edgewise.frontends.tensorflow.messages_saved import TensorSliceProto
from tests.frontends.tensorflow.saved import (
    NAMES,
    checkpoint,
    entry,
    table,
    unpacked,
    write_bundle,
)
from tests.frontends.wire import message, varint


@pytest.mark.parametrize("name", [name for name in NAMES if checkpoint(name)])
def test_every_tensor_is_tensorflows(name: str, tmp_path: Path):
    bundle = Bundle(unpacked(name, tmp_path) / "variables" / "variables")
    expected = checkpoint(name)
    assert set(bundle.keys()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"} == set(expected)
    for key, array in expected.items():
        found = bundle.tensor(key)
        assert found.shape == array.shape
        assert not found.flags.writeable
        if array.dtype == np.object_:
            assert found.tolist() == array.tolist()
        else:
            assert found.dtype == array.dtype
            assert found.tobytes() == array.tobytes()


def test_fixtures_have_shards_and_slices(tmp_path: Path):
    folder = unpacked("partitioned", tmp_path) / "variables"
    assert len(list(folder.glob("*.data-*-of-00002"))) == 2
    keys = read_table((folder / "variables.index").read_bytes(), "index")
    assert sum(key.startswith(b"\0") for key in keys) == 5


# --- checksums ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_crc32c_of_the_rfc(data: bytes, expected: int):
    assert crc32c(data) == expected


@pytest.mark.parametrize("size", [1, 7, 1000, 16383, 16384, 16385, 100_003, 1 << 20, 3_000_001])
def test_crc32c_is_the_same_in_parts(size: int):
    data = np.random.RandomState(size).bytes(size)
    state = 0
    for start in range(0, size, 8191):  # so short that it goes word by word
        state = crc32c(data[start : start + 8191], state)
    assert crc32c(data) == state
    assert crc32c(data[size // 3 :], crc32c(data[: size // 3])) == state


def test_mask():
    assert masked(0) == 0xA282EAD8
    assert masked(1) == 0xA284EAD8
    assert masked(1 << 15) == 0xA282EAD9


# --- Snappy ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x00", b""),
        (b"\x03\x08abc", b"abc"),
        (b"\x0a\x08abc" + bytes([(7 - 4) << 2 | 1, 3]), b"abcabcabca"),  # one byte of offset
        (b"\x05\x00a" + bytes([(4 - 1) << 2 | 2, 1, 0]), b"aaaaa"),
        (b"\x05\x04ab" + bytes([(3 - 1) << 2 | 3, 2, 0, 0, 0]), b"ababa"),
        (b"\x46\xf0\x45" + b"x" * 70, b"x" * 70),  # a literal with its length in a byte
        (b"\xac\x02\xf4\x2b\x01" + b"y" * 300, b"y" * 300),  # and in two
    ],
)
def test_snappy(data: bytes, expected: bytes):
    assert uncompress(data) == expected


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "ends inside an element"),
        (b"\x03\x08ab", "ends inside a literal"),
        (b"\x03\x04ab", "announces 3 bytes, holds 2"),
        (b"\x02\x08abc", "announces 2 bytes, holds 3"),
        (b"\x05\x00a\x0e\x02\x00", "copies from 2 bytes before, after 1"),
        (b"\x05\x00a\x0e\x00\x00", "copies from 0 bytes before, after 1"),
        (b"\x05\x00a\x01", "ends inside an element"),
        (b"\xff\xff\xff\xff\x0f", "announces 4294967295 bytes, more than 5 can hold"),
        (b"\xff" * 6, "has a length of more than 5 bytes"),
    ],
)
def test_bad_snappy(data: bytes, text: str):
    with pytest.raises(BadSnappy, match=text):
        uncompress(data)


# --- tables ---------------------------------------------------------------------------------

ENTRIES = {f"layer/{i:03d}/{'x' * (i % 5)}".encode(): bytes([i]) * i for i in range(40)}


@pytest.mark.parametrize("snappy", [False, True])
def test_tables(snappy: bool):
    found = read_table(table(ENTRIES, snappy=snappy), "i")
    assert {key: bytes(value) for key, value in found.items()} == ENTRIES


def test_tables_cut_off_or_changed():
    data = table(ENTRIES)
    for end in range(0, len(data), 7):
        with pytest.raises(FormatError):
            read_table(data[:end], "i")
    for at in range(0, len(data) - 48, 5):  # every byte is under a checksum
        with pytest.raises(FormatError, match="checksum"):
            read_table(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], "i")


def test_a_block_of_unknown_compression():
    block = struct.pack("<II", 0, 1) + b"\x02"
    block += struct.pack("<I", masked(crc32c(block)))
    handle = varint(0) + varint(8)
    data = block + (handle + handle).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    with pytest.raises(FormatError) as caught:
        read_table(data, "variables/variables.index")
    assert str(caught.value) == (
        "variables/variables.index at byte 0: a block may be plain (0) or Snappy (1); found"
        " compression 2. Copy or save the checkpoint again."
    )


# --- slices ---------------------------------------------------------------------------------


def test_keys_of_slices():
    assert slice_key("a", TensorSliceProto(), (2,)) is None
    assert [_signed(n) for n in (0, 1, 63, 64, -1, -64, -65, 8191, 8192, 2**62)] == [
        b"\x80", b"\x81", b"\xbf", b"\xc0\x40", b"\x7f", b"\x40", b"\x3f\xbf", b"\xdf\xff",
        b"\xe0\x20\x00", b"\xff\xc0\x40" + bytes(7),
    ]  # fmt: skip


# --- bundles --------------------------------------------------------------------------------

A, B = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([7], np.float32)


def refusal(folder: Path, key: str = "a") -> str:
    with pytest.raises(EdgewiseError) as caught:
        Bundle(folder / "variables").tensor(key)
    return str(caught.value).replace(folder.name, "v")


def write(folder: Path, **changes: bytes) -> bytes:
    """`a` in the first data file, `b` in the second."""
    entries = {b"a": entry(A, 4), b"b": entry(B, 0, shard=1)}
    entries |= {key.encode(): value for key, value in changes.items()}
    write_bundle(folder, entries, bytes(4) + A.tobytes(), B.tobytes(), snappy=True)
    return bytes(4) + A.tobytes()


def test_a_bundle_of_two_shards(tmp_path: Path):
    write(tmp_path)
    bundle = Bundle(tmp_path / "variables")
    assert bundle.keys() == ["a", "b"]
    assert "a" in bundle
    assert "c" not in bundle
    assert bundle.tensor("a").tolist() == A.tolist()
    assert bundle.tensor("b").tolist() == [7]


def test_data_files_are_missing(tmp_path: Path):
    write(tmp_path)
    for path in tmp_path.glob("*.data*"):
        path.unlink()
    assert refusal(tmp_path) == (
        "v/variables.index: 2 of 2 data files are missing:\n"
        "  - variables.data-00000-of-00002\n  - variables.data-00001-of-00002\n"
        "Copy them to where the index is."
    )


def test_a_wrong_checksum(tmp_path: Path):
    data = bytearray(write(tmp_path))
    data[9] ^= 1
    (tmp_path / "variables.data-00000-of-00002").write_bytes(data)
    stored, found = masked(crc32c(A.tobytes())), masked(crc32c(data[4:]))
    assert refusal(tmp_path) == (
        f"v/variables.data-00000-of-00002 at byte 4: tensor 'a' must have checksum {stored:#010x};"
        f" found {found:#010x}. The file is damaged: copy it again."
    )


def test_a_data_file_cut_off(tmp_path: Path):
    data = write(tmp_path)
    (tmp_path / "variables.data-00000-of-00002").write_bytes(data[:20])
    assert refusal(tmp_path) == (
        "v/variables.data-00000-of-00002: tensor 'a' ends at byte 28, but the file has 20;"
        " it is cut off. Copy it again."
    )


def test_an_index_cut_off(tmp_path: Path):
    write(tmp_path)
    index = tmp_path / "variables.index"
    index.write_bytes(index.read_bytes()[:-3])
    size = index.stat().st_size
    assert refusal(tmp_path) == (
        f"v/variables.index at byte {size - 8}: an index ends with LevelDB's number; found another."
        " Copy or save the checkpoint again."
    )


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        (entry(A, 4, dtype=2), "tensor 'a' (float64 [2, 3]) has 48 bytes; found 24"),
        (entry(A, 4, dtype=21), "tensor 'a' has type DT_VARIANT, which is not supported"),
        (entry(A, 4, shard=5), "tensor 'a' lies in data file 5; there is none"),
        (entry(A, 4, dtype=7), "tensor 'a' of 6 strings has 14 bytes, not those of its lengths"),
        (
            message((1, 1), (2, message((2, message((1, 2))))), (7, b"")),
            "a slice of tensor 'a' is missing: malformed",
        ),
    ],
)
def test_bad_entries(tmp_path: Path, changed: bytes, text: str):
    write(tmp_path, a=changed)
    assert refusal(tmp_path) == f"v/variables.index: {text}; the index is damaged"


def sliced(*extents: tuple[int, int]) -> tuple[bytes, list[bytes]]:
    """The entry of a float32 vector of 4 elements in slices, and their keys."""
    parts = [message((1, message((1, start), (2, length)))) for start, length in extents]
    dims = message((2, message((1, 4))))
    keys = [
        b"\x00\x00a"[:1] + b"a\x00\x01\x01\x01" + _signed(start) + _signed(length)
        for start, length in extents
    ]
    return message((1, 1), (2, dims), *((7, part) for part in parts)), keys


@pytest.mark.parametrize(
    ("extents", "text"),
    [
        ([(0, 2), (2, 2)], None),
        ([(2, 2), (0, 2)], None),
        ([(0, 2), (1, 2)], "slices of tensor 'a' overlap"),
        ([(0, 2)], "slices of tensor 'a' have 2 of 4 elements"),
        ([(0, 2), (3, 2)], "a slice of tensor 'a' is missing: malformed"),
    ],
)
def test_slices(tmp_path: Path, extents: list[tuple[int, int]], text: str | None):
    whole, keys = sliced(*extents)
    data = np.array([10, 11, 12, 13, 14], np.float32)
    parts = {key: entry(data[s : s + n], 4 * s) for key, (s, n) in zip(keys, extents, strict=True)}
    write_bundle(tmp_path, {b"a": whole, **parts}, data.tobytes())
    if text is None:
        bundle = Bundle(tmp_path / "variables")
        assert bundle.tensor("a").tolist() == [10, 11, 12, 13]
        assert bundle.keys() == ["a"]
    else:
        assert refusal(tmp_path) == f"v/variables.index: {text}; the index is damaged"
