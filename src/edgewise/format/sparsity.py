"""Sparse constants: the stored values of a sparse tensor to a dense array, and LiteRT's details.

A sparse tensor of rank R with B block dimensions is stored as a tree with R + B levels. Level l
holds dimension `traversal_order[l]`: below R the original dimensions (counted in blocks), from R
on the dimension inside a block of the original dimension `block_map[d - R]`. A DENSE level has
every index, a SPARSE_CSR level the `array_indices` between two `array_segments` of its parent.
The leaves, in order, are the values in the buffer.

The expansion keeps the coordinates of all nodes of one level as arrays, so it costs one pass per
level. No level has more nodes than the values or segments that the file holds.

**Source:** schema.fbs of LiteRT 2.3, SparsityParameters; TensorFlow Lite format_converter.h.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.format.constants import decode_elements
from edgewise.format.record import Record
from edgewise.ir.enums import DimensionType


def expand(data: np.ndarray, dtype: DType, shape: Sequence[int], sparsity: Record) -> np.ndarray:
    """The dense array [shape] of a sparse tensor, zero where nothing is stored; read-only.

    Args:
        data: uint8 [bytes], the stored values.

    Raises:
        ValueError: the encoding contradicts itself, the shape or the bytes.
    """
    rank = len(shape)
    order, block_map = _ints(sparsity.traversal_order), _ints(sparsity.block_map)
    levels = sparsity.dim_metadata or []
    depth = rank + len(block_map)
    if sorted(order) != list(range(depth)) or len(levels) != depth:
        raise ValueError(
            f"a sparse tensor of rank {rank} with {len(block_map)} block dimensions needs "
            f"{depth} levels, each dimension once; got the order {order} and {len(levels)} levels"
        )
    if any(not 0 <= d < rank for d in block_map) or len(set(block_map)) != len(block_map):
        raise ValueError(f"block dimensions must be different dimensions; got {block_map}")
    stored = data.size * 8 // dtype.bits if dtype.bits else 0
    sizes = _sizes(shape, order, block_map, levels)
    at = _coordinates(order, sizes, levels, stored)
    count = at[0].size if depth else 1
    values = decode_elements(data[: dtype.nbytes(count)], dtype, (count,))
    if dtype.nbytes(count) != data.size:
        raise ValueError(f"{count} values are described, {stored} are stored")
    index = at[:rank]
    for k, d in enumerate(block_map):
        index[d] = index[d] * sizes[rank + k] + at[rank + k]
    dense = np.zeros(tuple(shape), dtype.numpy)
    dense[tuple(index)] = values if rank else values[0]
    dense.flags.writeable = False
    return dense


def details(sparsity: Record) -> dict[str, Any]:
    """The `sparsity_parameters` of LiteRT's tensor details."""
    found: dict[str, Any] = {}
    for name in ("traversal_order", "block_map"):
        values = getattr(sparsity, name)
        if values is not None and len(values):
            found[name] = np.array(values, np.int32)
    found["dim_metadata"] = [_level_details(level) for level in sparsity.dim_metadata or []]
    return found


def _level_details(level: Record) -> dict[str, Any]:
    if level.format is DimensionType.DENSE:
        return {"format": 0, "dense_size": level.dense_size}
    return {
        "format": 1,
        "array_segments": np.array(_ints(level.array_segments), np.int32),
        "array_indices": np.array(_ints(level.array_indices), np.int32),
    }


def _sizes(
    shape: Sequence[int], order: list[int], block_map: list[int], levels: list[Record]
) -> list[int]:
    """Size of every dimension, the original ones counted in blocks."""
    sizes = [*shape, *[0] * len(block_map)]
    for k, d in enumerate(block_map):
        level = levels[order.index(len(shape) + k)]
        block = level.dense_size
        if level.format is not DimensionType.DENSE or block <= 0 or shape[d] % block:
            raise ValueError(f"blocks of {block} must be dense and divide dimension {d}: {shape}")
        sizes[len(shape) + k] = block
        sizes[d] = shape[d] // block
    return sizes


def _coordinates(
    order: list[int], sizes: list[int], levels: list[Record], stored: int
) -> list[np.ndarray]:
    """For each dimension its index at every leaf: int64 [leaves]."""
    limit = max([stored, *(len(_ints(level.array_segments)) for level in levels)])
    at: dict[int, np.ndarray] = {}
    nodes = 1
    for d, level in zip(order, levels, strict=True):
        if level.format is DimensionType.DENSE:
            if level.dense_size != sizes[d]:
                raise ValueError(f"a dense level has {level.dense_size} entries, not {sizes[d]}")
            if nodes * sizes[d] > limit:
                raise ValueError(f"a level has more nodes than are stored ({limit})")
            parents = np.repeat(np.arange(nodes), sizes[d])
            index = np.tile(np.arange(sizes[d]), nodes)
        else:
            parents, index = _csr(level, nodes, sizes[d])
        at = {k: v[parents] for k, v in at.items()}
        at[d] = index
        nodes = index.size
    return [at[d] for d in range(len(sizes))]


def _csr(level: Record, nodes: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    segments = np.array(_ints(level.array_segments), np.int64)
    index = np.array(_ints(level.array_indices), np.int64)
    if segments.size != nodes + 1 or segments[0] != 0 or segments[-1] != index.size:
        raise ValueError(f"{nodes} segments must cover {index.size} indices; got {segments.size}")
    counts = np.diff(segments)
    if (counts < 0).any() or (index < 0).any() or (index >= size).any():
        raise ValueError(f"segments must ascend and indices lie in [0, {size})")
    return np.repeat(np.arange(nodes), counts), index


def _ints(value: Any) -> list[int]:
    """The integers of an optional vector, or of one of the SparseIndexVector tables."""
    if isinstance(value, Record):
        value = value.values
    return [] if value is None else value.tolist()
