"""Reading constants: packed, string, boolean and sparse ones, and what they may not claim."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import FormatError
from edgewise.format import load, write
from edgewise.format.constants import decode_elements, encode_elements
from edgewise.format.container import model_chunks, read_model
from edgewise.format.record import Record
from edgewise.ir.enums import DimensionType
from tests.format.models import constant, ints, make, one_tensor

PACKED = [
    (DType.INT4, ml_dtypes.int4, [-8, 7, -1, 0, 3], [0x78, 0x0F, 0x03]),
    (DType.UINT4, ml_dtypes.uint4, [15, 0, 1, 2, 3], [0x0F, 0x21, 0x03]),
    (DType.INT2, ml_dtypes.int2, [-2, -1, 0, 1, 1], [0b01001110, 0b01]),
]


@pytest.mark.parametrize(("dtype", "numpy", "values", "stored"), PACKED)
def test_types_narrower_than_a_byte(
    dtype: DType, numpy: type, values: list[int], stored: list[int]
) -> None:
    """First element in the lowest bits; a byte each in memory."""
    array = np.array(values).astype(numpy)
    assert encode_elements(array, dtype).tolist() == stored
    record = one_tensor(shape=ints(5), type=dtype, buffer=1)
    record.buffers[1].data = np.array(stored, np.uint8)
    found = constant(record)
    assert found.dtype == numpy
    assert found.astype(int).tolist() == values


def test_strings() -> None:
    """count, offsets from the start, bytes; any bytes, empty ones too."""
    items = np.array([b"one", b"", "zwölf".encode(), b"\0\xff"], object).reshape(2, 2)
    stored = encode_elements(items, DType.STRING)
    assert stored[:24].view("<i4").tolist() == [4, 24, 27, 27, 33, 35]
    record = one_tensor(shape=ints(2, 2), type=DType.STRING, buffer=1)
    record.buffers[1].data = stored
    assert constant(record).tolist() == items.tolist()
    for at, value in ((0, 5), (4, 0), (8, 1), (20, 99)):
        broken = stored.copy()
        broken[at : at + 4].view("<i4")[0] = value
        with pytest.raises(ValueError, match="string"):
            decode_elements(broken, DType.STRING, (2, 2))


def test_bools_are_true_for_any_other_byte() -> None:
    data = np.array([0, 1, 2, 255], np.uint8)
    assert decode_elements(data, DType.BOOL, (4,)).tolist() == [False, True, True, True]


def _sparse(levels: list[Record], order: np.ndarray, block_map: np.ndarray | None = None) -> Record:
    return make(
        "SparsityParameters", traversal_order=order, block_map=block_map, dim_metadata=levels
    )


def _dense(size: int) -> Record:
    return make("DimensionMetadata", dense_size=size)


def _csr(segments: list[int], indices: list[int], table: str, dtype: type) -> Record:
    return make(
        "DimensionMetadata",
        format=DimensionType.SPARSE_CSR,
        array_segments=make(table, values=np.array(segments, dtype)),
        array_indices=make(table, values=np.array(indices, dtype)),
    )


VECTORS = [("Int32Vector", np.int32), ("Uint16Vector", np.uint16), ("Uint8Vector", np.uint8)]


@pytest.mark.parametrize(("table", "dtype"), VECTORS)
def test_sparse_rows(table: str, dtype: type) -> None:
    record = one_tensor(shape=ints(3, 4), type=DType.FLOAT32, buffer=1)
    levels = [_dense(3), _csr([0, 1, 1, 3], [2, 0, 3], table, dtype)]
    record.subgraphs[0].tensors[0].sparsity = _sparse(levels, ints(0, 1))
    record.buffers[1].data = np.array([1, 2, 3], np.float32).view(np.uint8)
    assert constant(record).tolist() == [[0, 0, 1, 0], [0, 0, 0, 0], [2, 0, 0, 3]]
    model = load(b"".join(model_chunks(record)))
    details = model.main.tensors[0].extras["sparsity_parameters"]
    assert isinstance(details, dict)
    assert details["dim_metadata"][0] == {"format": 0, "dense_size": 3}
    assert details["dim_metadata"][1]["array_indices"].tolist() == [2, 0, 3]
    again = read_model(b"".join(write(model)))
    assert again.subgraphs[0].tensors[0].sparsity == record.subgraphs[0].tensors[0].sparsity
    assert again.buffers[1].data.tobytes() == record.buffers[1].data.tobytes()


def test_sparse_blocks_and_columns_first() -> None:
    """4 x 4 in blocks of 2 x 2, stored column by column of blocks."""
    record = one_tensor(shape=ints(4, 4), type=DType.INT8, buffer=1)
    levels = [_dense(2), _csr([0, 1, 2], [1, 0], "Uint8Vector", np.uint8), _dense(2), _dense(2)]
    sparsity = _sparse(levels, ints(1, 0, 2, 3), ints(0, 1))
    record.subgraphs[0].tensors[0].sparsity = sparsity
    record.buffers[1].data = np.arange(1, 9, dtype=np.uint8)
    assert constant(record).tolist() == [[0, 0, 5, 6], [0, 0, 7, 8], [1, 2, 0, 0], [3, 4, 0, 0]]


@pytest.mark.parametrize(
    ("levels", "order", "message"),
    [
        ([_dense(3)], ints(0, 1), "needs 2 levels"),
        ([_dense(3), _dense(4)], ints(0, 0), "each dimension once"),
        ([_dense(5), _dense(4)], ints(0, 1), "5 entries, not 3"),
        ([_dense(3), _dense(4)], ints(0, 1), "more nodes than are stored"),
        ([_dense(3), _csr([0, 1], [0], *VECTORS[0])], ints(0, 1), "3 segments must cover"),
        ([_dense(3), _csr([0, 2, 1, 3], [0, 1, 2], *VECTORS[0])], ints(0, 1), "must ascend"),
        ([_dense(3), _csr([0, 1, 2, 3], [0, 1, 4], *VECTORS[0])], ints(0, 1), r"in \[0, 4\)"),
        ([_dense(3), _csr([0, 1, 2, 2], [0, 1], *VECTORS[0])], ints(0, 1), "2 values .* 3 are"),
    ],
)
def test_sparse_rules(levels: list[Record], order: np.ndarray, message: str) -> None:
    record = one_tensor(shape=ints(3, 4), type=DType.FLOAT32, buffer=1)
    record.subgraphs[0].tensors[0].sparsity = _sparse(levels, order)
    record.buffers[1].data = np.ones(3, np.float32).view(np.uint8)
    with pytest.raises(FormatError, match=message):
        load(b"".join(model_chunks(record)))


def test_a_small_file_cannot_stand_for_a_huge_array() -> None:
    record = one_tensor(shape=ints(1 << 20, 1 << 20), type=DType.FLOAT32, buffer=1)
    levels = [_csr([0, 1], [5], *VECTORS[0]), _csr([0, 1], [7], *VECTORS[0])]
    record.subgraphs[0].tensors[0].sparsity = _sparse(levels, ints(0, 1))
    record.buffers[1].data = np.ones(1, np.float32).view(np.uint8)
    with pytest.raises(FormatError, match="more memory than any honest file"):
        load(b"".join(model_chunks(record)))
