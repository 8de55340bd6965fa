"""Random models for property tests: graphs of shape-keeping operators, constants, quantization."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

import edgewise.ops  # noqa: F401  (defines the operators)
from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph, Location, Model, Quant, Signature, Source, Sym, TensorType
from edgewise.ir.dim import dim_max
from edgewise.ir.graph import Value
from edgewise.ops.join import Concatenation, Split
from edgewise.ops.pad import Pad
from edgewise.ops.reshape import Reshape, Transpose

NAMES = st.text(max_size=6) | st.sampled_from(["x", "x.1", "_", "block1/conv", 'a"b', "%", "max"])
NUMPY = [
    np.float32,
    np.float16,
    np.float64,
    np.int8,
    np.uint8,
    np.int16,
    np.int32,
    np.int64,
    np.uint64,
    np.bool_,
    np.complex64,
    ml_dtypes.bfloat16,
    ml_dtypes.int4,
    ml_dtypes.float8_e4m3fn,
]


@st.composite
def graphs(draw: st.DrawFn, name: str = "main", nodes: int = 8) -> Graph:
    """A graph on one symbolic input [N, 6] whose values all keep that shape."""
    b = Builder(name)
    batch = Sym("N", 1, draw(st.none() | st.integers(1, 64)))
    values = [b.input(draw(NAMES), (batch, 6)), b.input(draw(NAMES), (batch, 6))]
    for _ in range(draw(st.integers(0, nodes))):
        pick = st.sampled_from(values)
        kind = draw(st.sampled_from(["reshape", "concat", "pad", "transpose", "split"]))
        b.location = draw(st.none() | st.builds(Location, NAMES, NAMES, st.integers(0, 99)))
        if kind == "reshape":
            shape = b.constant([-1, 6], name=draw(NAMES))
            values += b.node(Reshape(), draw(pick), shape).outputs
        elif kind == "concat":
            both = b.node(Concatenation(axis=1), draw(pick), draw(pick)).output
            values += b.node(Split(num_splits=2), b.constant(1), both).outputs
        elif kind == "pad":
            values += b.node(Pad(), draw(pick), b.constant(np.zeros((2, 2), np.int32))).outputs
        elif kind == "transpose":
            values += b.node(Transpose(), draw(pick), b.constant([0, 1])).outputs
        else:
            parts = b.node(Split(num_splits=1), b.constant(0), draw(pick))
            values += parts.outputs
    b.graph.set_outputs(draw(st.lists(st.sampled_from(values), min_size=1, max_size=3)))
    for value in b.graph.values():
        if draw(st.booleans()):
            value.name = draw(NAMES)
    return b.graph


@st.composite
def quants(draw: st.DrawFn, shape: tuple[int, ...]) -> Quant:
    """Per tensor, per channel or per block."""
    scales = st.floats(2.0**-100, 2.0**100, width=32)
    kind = draw(st.sampled_from(["tensor", "channel", "block"]))
    if kind == "tensor" or not shape or 0 in shape:
        return Quant(draw(scales), draw(st.integers(-128, 127)))
    axis = draw(st.integers(0, len(shape) - 1))
    size = shape if kind == "block" else (shape[axis],)
    if kind == "block":
        size = (*shape[:axis], 1, *shape[axis + 1 :])
    count = int(np.prod(size))
    scale = draw(st.lists(scales, min_size=count, max_size=count))
    point = draw(st.lists(st.integers(-128, 127), min_size=count, max_size=count))
    block = shape[axis] if kind == "block" else None
    return Quant(
        np.array(scale, np.float32).reshape(size), np.array(point).reshape(size), axis, block
    )


@st.composite
def constants(draw: st.DrawFn) -> np.ndarray:
    """An array of any dtype and any bits; strings too."""
    shape = tuple(draw(st.lists(st.integers(0, 5), max_size=3)))
    if draw(st.integers(0, 9)) == 0:
        array = np.empty(shape, object)
        for index in np.ndindex(*shape):
            array[index] = draw(st.binary(max_size=5))
        return array
    dtype = np.dtype(draw(st.sampled_from(NUMPY)))
    count = int(np.prod(shape, dtype=int))
    if dtype == np.bool_:
        return np.array(
            draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool
        ).reshape(shape)
    if dtype == ml_dtypes.int4:
        numbers = draw(st.lists(st.integers(-8, 7), min_size=count, max_size=count))
        return np.array(numbers, np.int8).astype(dtype).reshape(shape)
    data = draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize))
    return np.frombuffer(data, dtype).reshape(shape)


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Graphs, odd constants, variables, dimensions, signatures, metadata."""
    model = Model(file=draw(NAMES), description=draw(NAMES))
    for name in draw(st.lists(NAMES, min_size=1, max_size=2, unique=True)):
        graph = draw(graphs(name))
        extra = []
        for array in draw(st.lists(constants(), max_size=3)):
            quant = draw(st.none() | quants(array.shape)) if array.dtype.kind == "i" else None
            extra.append(Value(TensorType.of(array, quant), draw(NAMES), array))
        n, m = Sym("N", 1, 9), Sym(draw(NAMES), 0)
        dims = [n * m + 3, (n * 5 - m) // 2, dim_max(m - 1, 0) * 2, n, m, m * m - n * 2]
        shape = draw(st.none() | st.lists(st.sampled_from(dims), max_size=3).map(tuple))
        extra.append(
            Value(TensorType(shape, DType.INT8, draw(quants((3,)))), draw(NAMES), is_variable=True)
        )
        extra[-1].source = Source(0, draw(st.integers(0, 9)), draw(NAMES))
        graph.set_outputs([*graph.outputs, *extra])
        if draw(st.booleans()):
            graph.tensors = [*graph.values(), Value(TensorType((1,), DType.INT8), "unread")]
        model.add(graph)
        model.signatures.append(Signature(draw(NAMES), name, {draw(NAMES): 0}, {draw(NAMES): 0}))
    model.metadata = draw(st.dictionaries(NAMES, st.binary(max_size=9), max_size=2))
    return model
