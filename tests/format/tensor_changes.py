"""Changes of tensors: constants, shapes, types, scales, sparsity, buffers."""

from __future__ import annotations

import math
import random
from enum import Enum

import numpy as np

from edgewise.dtypes import DType
from edgewise.format.record import Record, record_type
from edgewise.format.schema_enums import ENUMS

from .record_picks import (
    FLOATS,
    changed_vector,
    near,
    some_constant,
    some_graph,
    some_tensor,
    tensors_of,
)

COMMON = (DType.FLOAT32, DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.INT64, DType.BOOL)


def data_bits(model: Record, generator: random.Random) -> bool:
    """A few bytes of a constant."""
    found = some_constant(model, generator)
    if found is None:
        return False
    _, buffer = found
    changed = bytearray(buffer.data.tobytes())
    for _ in range(generator.choice((1, 1, 4, 16))):
        at = generator.randrange(min(len(changed), 1 << 20))
        changed[at] = generator.choice((0, 1, 127, 128, 255, generator.randrange(256)))
    buffer.data = np.frombuffer(bytes(changed), np.uint8)
    return True


def data_value(model: Record, generator: random.Random) -> bool:
    """An element of a constant, or all of them, at an edge of what its type can say."""
    found = some_constant(model, generator)
    if found is None:
        return False
    tensor, buffer = found
    dtype = tensor.type.numpy if tensor.type in COMMON else np.dtype(np.uint8)
    if buffer.data.size % dtype.itemsize:
        return False
    values = np.frombuffer(buffer.data.tobytes(), dtype).copy()
    place = slice(None) if generator.random() < 0.1 else generator.randrange(values.size)
    if dtype.kind == "f":
        values[place] = generator.choice(FLOATS)
    elif dtype.kind == "b":
        values[place] = generator.random() < 0.5
    else:
        info = np.iinfo(dtype)
        old = int(values[0 if isinstance(place, slice) else place])
        values[place] = min(max(near(old, generator, far=0.1), int(info.min)), int(info.max))
    buffer.data = values.view(np.uint8)
    return True


def data_size(model: Record, generator: random.Random) -> bool:
    """A constant with fewer or more elements; its shape mostly follows."""
    found = some_constant(model, generator)
    if found is None:
        return False
    tensor, buffer = found
    shape = [] if tensor.shape is None else tensor.shape.tolist()
    data = buffer.data.tobytes()
    if generator.random() < 0.15 or not shape or min(shape) < 1:
        size = generator.choice((0, 1, len(data) - 1, len(data) // 2, len(data) + 4))
        buffer.data = np.frombuffer((data + bytes(8))[: max(size, 0)], np.uint8)
        return True
    axis = generator.randrange(len(shape))
    width, rest = divmod(len(data), math.prod(shape))
    if rest or not width:
        return False
    old = shape[axis]
    shape[axis] = max(0, generator.choice((old - 1, old + 1, 1, 2, old * 2)))
    wanted = math.prod(shape) * width
    if wanted > 1 << 22:
        return False
    buffer.data = np.frombuffer((data * (wanted // len(data) + 1))[:wanted], np.uint8)
    tensor.shape = np.array(shape, np.int32)
    return True


def shape(model: Record, generator: random.Random) -> bool:
    """The shape of a tensor; of an input mostly."""
    graph = some_graph(model, generator)
    tensor = some_tensor(model, generator)
    if graph is not None and generator.random() < 0.7:
        tensor = generator.choice(tensors_of(graph, graph.inputs) or [tensor])
    if tensor is None:
        return False
    old = np.empty(0, np.int32) if tensor.shape is None else tensor.shape
    tensor.shape = changed_vector(old, generator, far=0.08)
    if generator.random() < 0.9:
        tensor.shape = np.maximum(tensor.shape, 0)
    if generator.random() < 0.3:
        signature = tensor.shape.copy()
        if signature.size:
            signature[generator.randrange(signature.size)] = -1
        tensor.shape_signature = signature
    elif tensor.shape_signature is not None and generator.random() < 0.9:
        tensor.shape_signature = None
    return True


def regroup(model: Record, generator: random.Random) -> bool:
    """A constant's elements in another shape of as many."""
    found = some_constant(model, generator)
    if found is None or found[0].shape is None:
        return False
    tensor, _ = found
    dims = tensor.shape.tolist()
    match generator.randrange(4):
        case 0:
            dims = [1, *dims]
        case 1 if len(dims) > 1:
            dims = [dims[0] * dims[1], *dims[2:]]
        case 2:
            dims = [d for d in dims if d != 1]
        case _:
            generator.shuffle(dims)
    tensor.shape = np.array(dims, np.int32)
    return True


def rank_unknown(model: Record, generator: random.Random) -> bool:
    """Whether a tensor claims to have a rank; whether it is a variable."""
    tensor = some_tensor(model, generator)
    if tensor is None:
        return False
    if generator.random() < 0.5:
        tensor.has_rank = not tensor.has_rank
    else:
        tensor.is_variable = not tensor.is_variable
    return True


def element_type(model: Record, generator: random.Random) -> bool:
    """A tensor of another type; or all of the operator's tensors that had this one."""
    graph = some_graph(model, generator)
    if graph is None:
        return False
    op = generator.choice(graph.operators)
    around = tensors_of(graph, op.inputs) + tensors_of(graph, op.outputs)
    if not around:
        return False
    chosen = generator.choice(around)
    old = chosen.type
    new = generator.choice(COMMON if generator.random() < 0.9 else list(DType))
    for tensor in around if generator.random() < 0.6 else [chosen]:
        if tensor.type is old:
            tensor.type = new
    return True


def scale(model: Record, generator: random.Random) -> bool:
    """The quantization of a tensor."""
    graph = some_graph(model, generator)
    if graph is None:
        return False
    quantized = [t for t in graph.tensors or () if t.quantization is not None]
    if not quantized or generator.random() < 0.1:
        tensor = some_tensor(model, generator)
        if tensor is None:
            return False
        tensor.quantization = generator.choice(quantized).quantization if quantized else None
        return bool(quantized)
    parameters = generator.choice(quantized).quantization
    match generator.randrange(8):
        case 0 | 1 | 2 if parameters.scale is not None and parameters.scale.size:
            scales = parameters.scale.copy()
            at = generator.randrange(scales.size)
            factor = generator.choice((0.5, 2, 1.001, 1e-3, 1e3, 1e-9, 1e9, 0.999))
            with np.errstate(all="ignore"):
                scales[at] *= np.float32(factor)
            if generator.random() < 0.2:
                scales[at] = generator.choice(FLOATS)
            parameters.scale = scales
        case 3 | 4 | 5 if parameters.zero_point is not None and parameters.zero_point.size:
            points = parameters.zero_point.copy()
            points[generator.randrange(points.size)] = generator.choice(
                (0, 1, -1, 127, -128, 128, 255, 32767, generator.randrange(-128, 128))
                if generator.random() < 0.95
                else (1 << 40, -(1 << 63), (1 << 31) - 1)
            )
            parameters.zero_point = points
        case 6:
            parameters.quantized_dimension = near(parameters.quantized_dimension, generator)
        case _:
            for name in ("scale", "zero_point"):
                vector = getattr(parameters, name)
                if vector is not None:
                    setattr(parameters, name, generator.choice((vector[:1], vector[:-1], None)))
    return True


def sparse(model: Record, generator: random.Random) -> bool:
    """How a sparse constant is stored; or a dense one becomes sparse."""
    graph = some_graph(model, generator)
    if graph is None:
        return False
    found = [t for t in graph.tensors or () if t.sparsity is not None]
    if not found:
        constant = some_constant(model, generator)
        if constant is None or generator.random() < 0.7:
            return False
        _make_sparse(constant[0])
        return True
    parameters = generator.choice(found).sparsity
    name = generator.choice(("traversal_order", "block_map", "dim_metadata"))
    dimensions = parameters.dim_metadata or []
    if name != "dim_metadata" or not dimensions:
        vector = getattr(parameters, name if name != "dim_metadata" else "traversal_order")
        if vector is not None:
            setattr(parameters, name, changed_vector(vector, generator))
        return vector is not None
    dimension = generator.choice(dimensions)
    part = generator.choice(("format", "dense_size", "array_segments", "array_indices"))
    value = getattr(dimension, part)
    if isinstance(value, Enum):
        dimension.format = generator.choice(list(ENUMS["DimensionType"].members.values()))
    elif isinstance(value, int):
        dimension.dense_size = near(value, generator)
    elif value is not None and value.values is not None:
        value.values = changed_vector(value.values, generator)
    return True


def _make_sparse(tensor: Record) -> None:
    """Every dimension is listed as dense, which says the same in another way."""
    dims = [] if tensor.shape is None else tensor.shape.tolist()
    dense = next(iter(ENUMS["DimensionType"].members.values()))
    make = record_type("DimensionMetadata")
    tensor.sparsity = record_type("SparsityParameters")(
        traversal_order=np.arange(len(dims), dtype=np.int32),
        dim_metadata=[make(format=dense, dense_size=d) for d in dims],
    )


def buffer_index(model: Record, generator: random.Random) -> bool:
    """A tensor has another buffer; or the file's list of buffers is another."""
    tensor = some_tensor(model, generator)
    if tensor is None:
        return False
    count = len(model.buffers or ())
    chance = generator.random()
    if chance < 0.1:
        tensor.buffer = generator.choice((count, 1 << 31))
    else:
        tensor.buffer = generator.randrange(count) if count and chance < 0.8 else 0
    return True
