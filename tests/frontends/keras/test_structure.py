"""HDF5 files that made libhdf5 end the process, take all memory or never come back."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator

import h5py
import numpy as np
import pytest

from edgewise.errors import FormatError
from edgewise.frontends.keras import read_keras
from edgewise.frontends.keras.hdf5 import Hdf5
from tests.frontends.keras.test_bad_input import plain

_HEADER = re.compile(rb"\x01\x00[\x01-\x20]\x00\x01\x00\x00\x00")


def put(data: bytearray, at: int, number: int) -> None:
    data[at : at + 8] = number.to_bytes(8, "little")


def messages(data: bytearray, kind: int) -> Iterator[tuple[int, int]]:
    """Where the messages of this kind lie in headers of version 1, and their headers."""
    for match in _HEADER.finditer(bytes(data)):
        at = match.start() + 16
        end = at + int.from_bytes(data[at - 8 : at - 4], "little")
        while at + 8 <= end:
            if data[at] == kind:
                yield at, match.start()
            at += 8 + int.from_bytes(data[at + 2 : at + 4], "little")


def heap(data: bytearray) -> None:
    at = data.index(b"HEAP")
    put(data, at + 16, 8)
    put(data, int.from_bytes(data[at + 24 : at + 32], "little") + 8, 8)


def group(data: bytearray) -> None:
    at = data.index(b"TREE")
    data[at + 5] = 1
    put(data, at + 32, at)


def chunks(data: bytearray) -> None:
    at = data.index(b"TREE\x01")
    data[at + 5] = 1
    put(data, at + 24 + 24, at)


def datatype(data: bytearray) -> None:
    for at, header in list(messages(data, 3)):
        data[at + 4] |= 2
        data[at + 8 : at + 10] = b"\2\0"
        put(data, at + 10, header)


def continuation(data: bytearray) -> None:
    at = next(m.start() for m in _HEADER.finditer(bytes(data)))
    data[at + 16 : at + 18] = b"\x10\0"
    put(data, at + 24, at + 16)
    put(data, at + 32, int.from_bytes(data[at + 8 : at + 12], "little"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (heap, "the free blocks of a heap must not form a circle"),
        (group, "a B-tree node has two parents"),
        (chunks, "a B-tree node has two parents"),
        (datatype, "a message must be stored in its own object header"),
        (continuation, "an object header has too many blocks"),
    ],
)
def test_circles_are_refused(change: Callable[[bytearray], None], says: str) -> None:
    buffer = io.BytesIO(plain("convolution.h5.gz"))
    with h5py.File(buffer, "r+") as file:
        name = file["model_weights/conv"].attrs["weight_names"][0]
        del file["model_weights/conv"][name]
        file["model_weights/conv"].create_dataset(name, data=np.zeros(9, "f4"), chunks=(3,))
    read = bytearray(buffer.getvalue())
    change(read)
    with pytest.raises(FormatError, match=says):
        read_keras(bytes(read))


def test_trees_of_several_levels_are_read() -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for i in range(2000):
            file.create_group(f"g{i}")
        file.create_dataset("a", data=np.arange(5000), chunks=(4,), compression="gzip")
    store = Hdf5(buffer.getvalue())
    assert len(store.keys("")) == 2001
    np.testing.assert_array_equal(store.array("a"), np.arange(5000))
    store.close()


def latest(edit: Callable[[h5py.File], None]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="latest") as file:
        edit(file)
    return buffer.getvalue()


def arrays(data: bytes) -> list[str]:
    store = Hdf5(data)
    try:
        return store.arrays("")
    finally:
        store.close()


def many_links(file: h5py.File) -> None:
    for i in range(20):
        file.create_group(f"g/g{i}")


def many_attributes(file: h5py.File) -> None:
    for i in range(20):
        file.attrs[f"a{i}"] = "x" * 20


def new_chunks(file: h5py.File) -> None:
    file.create_dataset("g/a", data=np.zeros(20), chunks=(2,))


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (many_links, "links and attributes must be in headers; save the file again"),
        (many_attributes, "links and attributes must be in headers"),
        (new_chunks, "chunks must have a B-tree of version 1"),
    ],
)
def test_structures_in_which_libhdf5_divides_by_zero_are_refused(
    edit: Callable[[h5py.File], None], says: str
) -> None:
    with pytest.raises(FormatError, match=says):
        arrays(latest(edit))


@pytest.mark.parametrize("name", [b".\0yers", b"lay/rs"])
def test_names_that_are_no_step_of_a_path_are_refused(name: bytes) -> None:
    """An empty one, which only headers of version 2 can have, led to the same group without end."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_group("layers")
    with pytest.raises(FormatError, match="must be one step of a path"):
        arrays(buffer.getvalue().replace(b"layers", name))


def test_headers_of_version_2_are_read() -> None:
    def edit(file: h5py.File) -> None:
        file["g/a"] = np.arange(5)
        file["g"].attrs["name"] = "x"

    store = Hdf5(latest(edit))
    np.testing.assert_array_equal(store.array("g/a"), np.arange(5))
    assert store.text("g", "name") == "x"
    store.close()


def test_a_superblock_of_another_version_is_refused() -> None:
    data = bytearray(plain("convolution.h5.gz"))
    data[8] = 9
    with pytest.raises(FormatError, match="superblock of version 0 to 3"):
        read_keras(bytes(data))
