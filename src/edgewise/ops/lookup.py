"""Tables that are operands: HASHTABLE_LOOKUP, EMBEDDING_LOOKUP_SPARSE."""

from __future__ import annotations

from math import prod

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.contents import dims
from edgewise.ir.dim import Shape, same_dim, unknown_dim
from edgewise.ir.enums import CombinerType
from edgewise.ir.op import In, NotQuantized, Op, Operand, Out, Role, require
from edgewise.ops.axes import require_sizes, shown, unknown_shape
from edgewise.ops.gather import check_range


class HashtableLookup(Op, builtin="HASHTABLE_LOOKUP"):
    """y[i] = values[j] with keys[j] = lookup[i], and hits[i] = 1; zeros (empty strings) and 0
    where no key is equal.

    Shapes: lookup [N], keys [K] with K >= 1, values [K, ...] (strings [K]), y [N, ...], hits [N]
    uint8. Keys ascend; they are found by halving, so that one out of order may be missed, as in
    LiteRT.
    **Source:** TensorFlow Lite kernels/hashtable_lookup.cc.
    """

    operands = (
        In("lookup", {DType.INT32}, Role.PARAMETER),
        In("keys", {DType.INT32}, Role.PARAMETER),
        In("values"),
    )
    results = (Out("y", like="values"), Out("hits", dtype=DType.UINT8))

    def infer(self, lookup: Operand, keys: Operand, values: Operand) -> tuple[Shape, Shape]:
        require(
            len(lookup.shape) == 1 and len(keys.shape) == 1,
            f"lookup and keys must be vectors; got {shown(lookup.shape)} and {shown(keys.shape)}",
        )
        most = 1 if values.dtype is DType.STRING else len(values.shape)
        require(
            1 <= len(values.shape) <= most
            and same_dim(keys.shape[0], values.shape[0]) is not False
            and keys.shape[0] != 0,
            f"values must be [{keys.shape[0]}, ...], strings a vector, and one at least; "
            f"got {shown(values.shape)}",
        )
        return (*lookup.shape, *values.shape[1:]), lookup.shape

    def reference(
        self, lookup: np.ndarray, keys: np.ndarray, values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        low, high = np.zeros(lookup.size, np.intp), np.full(lookup.size, keys.size, np.intp)
        hits = np.zeros(lookup.size, bool)
        while (open_ := (low < high) & ~hits).any():
            middle = (low + high) // 2
            key = keys[np.minimum(middle, keys.size - 1)]
            hits |= open_ & (key == lookup)
            high = np.where(open_ & (lookup < key), middle, high)
            low = np.where(open_ & (lookup > key), middle + 1, low)
        found = values[np.where(hits, (low + high) // 2, 0)]
        found[~hits] = b"" if values.dtype == object else 0
        return found, hits.astype(np.uint8)


class EmbeddingLookupSparse(
    Op, builtin="EMBEDDING_LOOKUP_SPARSE", options="EmbeddingLookupSparseOptions"
):
    """Rows of a table, weighted and summed: y[b] = sum of weights[i] * table[ids[i]] over the i
    with indices[i, :-1] = b; MEAN divides by the sum of the weights, SQRTN by the root of the sum
    of their squares. Where nothing is looked up y is 0.

    Shapes: ids [N], indices [N, R], shape [R], weights [N], table [V, ...] of rank 2 or more,
    y [shape[:-1], ...]. Indices of one b follow each other: if they do not, MEAN and SQRTN divide
    what is there each time, as in LiteRT. Sums are float32, in order.
    **Source:** TensorFlow Lite kernels/embedding_lookup_sparse.cc.
    """

    combiner: CombinerType = CombinerType.SUM

    operands = (
        In("ids", {DType.INT32}, Role.PARAMETER),
        In("indices", {DType.INT32}, Role.PARAMETER),
        In("shape", {DType.INT32}, Role.PARAMETER),
        In("weights", {DType.FLOAT32}),
        In("table", {DType.FLOAT32}),
    )
    results = (Out("y", like="table"),)
    quantization = NotQuantized()
    tolerance = 1e-6

    def infer(
        self, ids: Operand, indices: Operand, shape: Operand, weights: Operand, table: Operand
    ) -> Shape | None:
        ranks = [len(x.shape) for x in (ids, indices, shape, weights)]
        require(
            ranks == [1, 2, 1, 1] and len(table.shape) >= 2,
            "ids, indices, shape and weights must be of ranks 1, 2, 1, 1, the table of 2 or more; "
            f"got {ranks} and {len(table.shape)}",
        )
        count = indices.shape[0]
        require(
            all(same_dim(count, x.shape[0]) is not False for x in (ids, weights))
            and same_dim(indices.shape[1], shape.shape[0]) is not False,
            "ids and weights must be as many as indices, which have a column for each dimension; "
            f"got {shown(ids.shape)}, {shown(weights.shape)}, {shown(indices.shape)} and "
            f"{shown(shape.shape)}",
        )
        sizes = dims(shape) or unknown_shape(shape.shape[0])
        if sizes is None:
            return None
        require_sizes(sizes[:-1], "shape")
        outer = [d if isinstance(d, int) or shape.data is None else unknown_dim() for d in sizes]
        return *outer[:-1], *table.shape[1:]

    def reference(
        self,
        ids: np.ndarray,
        indices: np.ndarray,
        shape: np.ndarray,
        weights: np.ndarray,
        table: np.ndarray,
    ) -> np.ndarray:
        check_range(ids, table.shape[0])
        sizes = [int(d) for d in shape[:-1]]
        outer = indices[:, :-1].astype(np.intp)
        inside = bool(np.all((outer >= 0) & (outer < np.array(sizes, np.intp))))
        require(inside, f"indices must lie inside {sizes}")
        strides = np.array([prod(sizes[i + 1 :]) for i in range(len(sizes))], np.intp)
        buckets = outer @ strides
        y = np.zeros((prod(sizes), *table.shape[1:]), np.float32)
        ends = np.flatnonzero(np.diff(buckets)) + 1
        runs = np.split(np.arange(ids.size), ends) if ids.size else []
        with np.errstate(all="ignore"):
            for run in runs:
                row, w = y[buckets[run[0]]], weights[run]
                for i in run:
                    row += table[ids[i]] * weights[i]
                row /= self._divisor(w)
        return y.reshape(*sizes, *table.shape[1:])

    def _divisor(self, weights: np.ndarray) -> np.float32:
        if self.combiner is CombinerType.SUM:
            return np.float32(1)
        is_mean = self.combiner is CombinerType.MEAN
        total = np.cumsum(weights if is_mean else weights * weights, dtype=np.float32)[-1]
        return np.float32(total if is_mean else np.sqrt(total))
