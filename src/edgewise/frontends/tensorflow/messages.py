"""What a graph is made of: tables of the messages in GraphDef, those fields that matter here.

Enumerations stay numbers. **Source:** tensorflow/core/framework/{graph,node_def,attr_value,tensor,
tensor_shape,function,op_def,graph_debug_info}.proto, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgewise.frontends.protobuf import Later, Message
from edgewise.frontends.protobuf_fields import (
    boolean,
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


class Dim(Message):
    """One dimension; -1: unknown."""

    size: int = int64(1)


class TensorShapeProto(Message):
    """A shape; `unknown_rank` says that there are no dimensions to be known."""

    dim: Sequence[Dim] = many(2, lambda: Dim)
    unknown_rank: bool = boolean(3)


class ResourceHandleProto(Message):
    """What a tensor of resources holds."""

    container: str = text(2)
    name: str = text(3)


class TensorProto(Message):
    """A tensor: the bytes of its elements, or its elements as numbers of the field for the type."""

    dtype: int = uint64(1)
    tensor_shape: TensorShapeProto | None = nested(2, lambda: TensorShapeProto)
    tensor_content: memoryview = raw(4)
    half_val: np.ndarray = numbers(13, "int64")
    float_val: np.ndarray = numbers(5, "<f4")
    double_val: np.ndarray = numbers(6, "<f8")
    int_val: np.ndarray = numbers(7, "int64")
    string_val: Sequence[memoryview] = raws(8)
    scomplex_val: np.ndarray = numbers(9, "<f4")
    int64_val: np.ndarray = numbers(10, "int64")
    bool_val: np.ndarray = numbers(11, "uint64")
    dcomplex_val: np.ndarray = numbers(12, "<f8")
    resource_handle_val: Sequence[ResourceHandleProto] = many(14, lambda: ResourceHandleProto)
    uint32_val: np.ndarray = numbers(16, "uint64")
    uint64_val: np.ndarray = numbers(17, "uint64")
    float8_val: memoryview = raw(18)


class ListValue(Message):
    """An attribute that is a list: one of these fields, or none where it is empty."""

    s: Sequence[memoryview] = raws(2)
    i: np.ndarray = numbers(3, "int64")
    f: np.ndarray = numbers(4, "<f4")
    b: np.ndarray = numbers(5, "uint64")
    type: np.ndarray = numbers(6, "uint64")
    shape: Sequence[TensorShapeProto] = many(7, lambda: TensorShapeProto)
    tensor: Sequence[TensorProto] = many(8, lambda: TensorProto)
    func: Sequence[NameAttrList] = many(9, lambda: NameAttrList)


class AttrValue(Message):
    """An attribute: exactly one of these fields."""

    list: ListValue | None = nested(1, lambda: ListValue)
    s: memoryview = raw(2)
    i: int = int64(3)
    f: float = float32(4)
    b: bool = boolean(5)
    type: int = uint64(6)
    shape: TensorShapeProto | None = nested(7, lambda: TensorShapeProto)
    tensor: TensorProto | None = nested(8, lambda: TensorProto)
    placeholder: str = text(9)
    func: NameAttrList | None = nested(10, lambda: NameAttrList)


class NameAttrList(Message):
    """The name of a function, and attributes for it."""

    name: str = text(1)
    attr: Mapping[str, AttrValue] = mapping(2, lambda: AttrValue)


class NodeDebugInfo(Message):
    """The nodes, in the functions named beside them, that this node was made from."""

    original_node_names: Sequence[str] = texts(1)
    original_func_names: Sequence[str] = texts(2)


class NodeDef(Message):
    """One operation. An input is `name`, `name:index`, `name:argument:index` or `^name`."""

    name: str = text(1)
    op: str = text(2)
    input: Sequence[str] = texts(3)
    attr: Mapping[str, AttrValue] = mapping(5, lambda: AttrValue)
    experimental_debug_info: NodeDebugInfo | None = nested(6, lambda: NodeDebugInfo)


class ArgDef(Message):
    """An argument or result of an operation or function."""

    name: str = text(1)
    type: int = uint64(3)
    type_attr: str = text(4)
    number_attr: str = text(5)
    type_list_attr: str = text(6)


class AttrDef(Message):
    """An attribute that an operation may have."""

    name: str = text(1)
    default_value: AttrValue | None = nested(3, lambda: AttrValue)


class OpDef(Message):
    """What an operation takes and gives."""

    name: str = text(1)
    input_arg: Sequence[ArgDef] = many(2, lambda: ArgDef)
    output_arg: Sequence[ArgDef] = many(3, lambda: ArgDef)
    attr: Sequence[AttrDef] = many(4, lambda: AttrDef)


class OpList(Message):
    """Operations that a file describes, because a graph in it has them."""

    op: Sequence[Later[OpDef]] = later(1, lambda: OpDef)


class ArgAttrs(Message):
    """Attributes of one argument: `_output_shapes`, `_user_specified_name`."""

    attr: Mapping[str, AttrValue] = mapping(1, lambda: AttrValue)


class ArgAttrEntry(Message):
    """An entry of a map from an argument's position."""

    key: int = uint64(1)
    value: ArgAttrs | None = nested(2, lambda: ArgAttrs)


class FunctionDef(Message):
    """A function: its signature, its nodes, and which outputs of nodes are its results."""

    signature: OpDef | None = nested(1, lambda: OpDef)
    node_def: Sequence[NodeDef] = many(3, lambda: NodeDef)
    ret: Mapping[str, str] = text_mapping(4)
    attr: Mapping[str, AttrValue] = mapping(5, lambda: AttrValue)
    control_ret: Mapping[str, str] = text_mapping(6)
    arg_attr: Sequence[ArgAttrEntry] = many(7, lambda: ArgAttrEntry)


class OpName(Message):
    """The name of an OpDef alone."""

    name: str = text(1)


class FunctionHead(Message):
    """The name of a FunctionDef alone: files have many functions that no signature calls."""

    signature: OpName | None = nested(1, lambda: OpName)


class FunctionDefLibrary(Message):
    """All functions of a graph."""

    function: Sequence[Later[FunctionDef]] = later(1, lambda: FunctionDef)


class VersionDef(Message):
    """Which generation of TensorFlow's graphs wrote this."""

    producer: int = int64(1)
    min_consumer: int = int64(2)


class GraphDef(Message):
    """A graph and the functions that its nodes call."""

    node: Sequence[NodeDef] = many(1, lambda: NodeDef)
    library: FunctionDefLibrary | None = nested(2, lambda: FunctionDefLibrary)
    versions: VersionDef | None = nested(4, lambda: VersionDef)
    debug_info: GraphDebugInfo | None = nested(5, lambda: GraphDebugInfo)


class FileLineCol(Message):
    """A line of somebody's program."""

    file_index: int = int64(1)
    line: int = int64(2)


class StackTrace(Message):
    """The lines that led to a node, the innermost first; older writers give them in place."""

    file_line_cols: Sequence[FileLineCol] = many(1, lambda: FileLineCol)
    frame_id: np.ndarray = numbers(2, "<u8")


class FrameEntry(Message):
    """An entry of a map from a frame's number."""

    key: int = fixed64(1)
    value: FileLineCol | None = nested(2, lambda: FileLineCol)


class TraceEntry(Message):
    """An entry of a map from a trace's number."""

    key: int = fixed64(1)
    value: StackTrace | None = nested(2, lambda: StackTrace)


class NameEntry(Message):
    """An entry of a map from a node's name (`node@function`) to its trace's number."""

    key: str = text(1)
    value: int = fixed64(2)


class GraphDebugInfo(Message):
    """Where in a program nodes were made. `traces` is the older way to say `name_to_trace_id`."""

    files: Sequence[str] = texts(1)
    traces: Mapping[str, StackTrace] = mapping(2, lambda: StackTrace)
    frames_by_id: Sequence[FrameEntry] = many(4, lambda: FrameEntry)
    name_to_trace_id: Sequence[NameEntry] = many(5, lambda: NameEntry)
    traces_by_id: Sequence[TraceEntry] = many(6, lambda: TraceEntry)
