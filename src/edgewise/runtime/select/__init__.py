"""Which kernel runs an operator: one function per operator, in a table keyed by its class. A
family's module may hold its part of the table.

A function takes a `Site` and returns the calls (`calls.Selection`); it raises `NotNative` with the
reason where no kernel has the operator's meaning, which then runs as a Host step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgewise.ir.op import Op
from edgewise.ops.activation import Prelu
from edgewise.ops.arithmetic import Add, AddN, Div, Mul, Sub
from edgewise.ops.batch_matmul import BatchMatMul
from edgewise.ops.binary import Atan2, FloorDiv, FloorMod, Maximum, Minimum, Pow, SquaredDifference
from edgewise.ops.byte_table import ByteTable
from edgewise.ops.choose import Select, SelectV2
from edgewise.ops.compare import (
    BitwiseXor,
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    LogicalAnd,
    LogicalNot,
    LogicalOr,
    NotEqual,
    RightShift,
)
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.convert import Cast, Dequantize, FakeQuant, Quantize
from edgewise.ops.dense_by_integers import DenseByIntegers
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.mediapipe import Convolution2DTransposeBias
from edgewise.ops.opaque import Opaque
from edgewise.ops.pool import AveragePool2D, MaxPool2D
from edgewise.ops.svdf import SVDF
from edgewise.ops.transpose_conv import TransposeConv
from edgewise.ops.unary import ZerosLike
from edgewise.runtime.calls import Alias, NotNative, Selection, Site, require
from edgewise.runtime.select import (
    argmax_pool,
    attention,
    binary,
    boxes,
    choose,
    conv,
    conv3d,
    convert,
    custom,
    depthwise,
    few_rows,
    gather,
    interior,
    lookup,
    matmul,
    move,
    norm,
    pad,
    parts,
    pool,
    rank,
    recurrent,
    reduce,
    resize,
    scatter,
    signals,
    softmax,
    stablehlo,
    svdf,
    transpose_conv,
    unary,
    windows,
)

TABLE: Mapping[type[Op], Callable[[Site], Selection]] = {
    Conv2D: conv.conv_2d,
    DepthwiseConv2D: depthwise.depthwise_conv_2d,
    FullyConnected: conv.fully_connected,
    DenseByIntegers: few_rows.by_integers,
    TransposeConv: transpose_conv.transpose_conv,
    Convolution2DTransposeBias: transpose_conv.convolution_2d_transpose_bias,
    BatchMatMul: matmul.batch_matmul,
    Add: binary.arithmetic,
    Sub: binary.arithmetic,
    Mul: binary.arithmetic,
    Div: binary.arithmetic,
    Maximum: binary.arithmetic,
    Minimum: binary.arithmetic,
    Pow: binary.arithmetic,
    SquaredDifference: binary.arithmetic,
    FloorDiv: binary.arithmetic,
    FloorMod: binary.arithmetic,
    Prelu: binary.arithmetic,
    AddN: binary.add_n,
    Equal: binary.comparison,
    NotEqual: binary.comparison,
    Less: binary.comparison,
    LessEqual: binary.comparison,
    Greater: binary.comparison,
    GreaterEqual: binary.comparison,
    LogicalAnd: binary.logic,
    LogicalOr: binary.logic,
    BitwiseXor: binary.logic,
    RightShift: binary.logic,
    LogicalNot: binary.logical_not,
    Select: choose.select,
    SelectV2: choose.select,
    AveragePool2D: pool.average_pool_2d,
    MaxPool2D: pool.max_pool_2d,
    **dict.fromkeys(unary.OPERATORS, unary.unary),
    ZerosLike: unary.zeros_like,
    ByteTable: unary.known_table,
    FakeQuant: unary.fake_quant,
    Quantize: convert.quantize,
    Opaque: custom.custom,
    Dequantize: convert.dequantize,
    Cast: convert.cast,
    **move.TABLE,
    **pad.TABLE,
    **parts.TABLE,
    **reduce.TABLE,
    **softmax.TABLE,
    **gather.TABLE,
    **scatter.TABLE,
    **lookup.TABLE,
    **windows.TABLE,
    Atan2: binary.arithmetic,
    **resize.TABLE,
    **rank.TABLE,
    **norm.TABLE,
    **recurrent.TABLE,
    **signals.TABLE,
    **argmax_pool.TABLE,
    **boxes.TABLE,
    **interior.TABLE,
    **stablehlo.TABLE,
    **conv3d.TABLE,
    SVDF: svdf.svdf,
    **attention.TABLE,
}

# Kernels count scratch memory in 32 bits. Real models need a megabyte; more is what a file asks for
# that declares windows far beyond its maps.
_MOST_SCRATCH = 1 << 28


def select(site: Site) -> Selection:
    """The calls for a node. Raises NotNative."""
    function = TABLE.get(type(site.node.op))
    if function is None:
        raise NotNative("the operator has no kernel yet")
    found = function(site)
    if isinstance(found, Alias):
        return found
    # kernels prepare scratch memory before they look at their tiles
    calls = [call for call in found if call.n_tiles > 0]
    scratch = max((call.scratch for call in calls), default=0)
    require(scratch < _MOST_SCRATCH, f"a thread would need {scratch} bytes of scratch memory")
    return calls
