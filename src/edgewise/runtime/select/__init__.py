"""Which kernel runs an operator: one function per operator, in a table keyed by its name.

A function takes a `Site` and returns the calls (`calls.Selection`); it raises `NotNative` with the
reason where no kernel has the operator's meaning, which then runs as a Host step. The module of a
function is imported when an operator needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

from edgewise.ops.opaque import Opaque
from edgewise.runtime.calls import Alias, NotNative, Selection, Site, require

TABLE = {
    "conv_2d": "conv.conv_2d",
    "fully_connected": "conv.fully_connected",
    "depthwise_conv_2d": "depthwise.depthwise_conv_2d",
    "dense_by_integers": "few_rows.by_integers",
    "transpose_conv": "transpose_conv.transpose_conv",
    "convolution2dtransposebias": "transpose_conv.convolution_2d_transpose_bias",
    "batch_matmul": "matmul.batch_matmul",
    "add": "binary.arithmetic",
    "sub": "binary.arithmetic",
    "mul": "binary.arithmetic",
    "div": "binary.arithmetic",
    "maximum": "binary.arithmetic",
    "minimum": "binary.arithmetic",
    "pow": "binary.arithmetic",
    "squared_difference": "binary.arithmetic",
    "floor_div": "binary.arithmetic",
    "floor_mod": "binary.arithmetic",
    "prelu": "binary.arithmetic",
    "atan2": "binary.arithmetic",
    "add_n": "binary.add_n",
    "equal": "binary.comparison",
    "not_equal": "binary.comparison",
    "less": "binary.comparison",
    "less_equal": "binary.comparison",
    "greater": "binary.comparison",
    "greater_equal": "binary.comparison",
    "logical_and": "binary.logic",
    "logical_or": "binary.logic",
    "bitwise_xor": "binary.logic",
    "right_shift": "binary.logic",
    "logical_not": "binary.logical_not",
    "select": "choose.select",
    "select_v2": "choose.select",
    "average_pool_2d": "pool.average_pool_2d",
    "max_pool_2d": "pool.max_pool_2d",
    "hard_swish": "unary.unary",
    "elu": "unary.unary",
    "logistic": "unary.unary",
    "swish": "unary.unary",
    "tanh": "unary.unary",
    "exp": "unary.unary",
    "log": "unary.unary",
    "sin": "unary.unary",
    "cos": "unary.unary",
    "sqrt": "unary.unary",
    "rsqrt": "unary.unary",
    "abs": "unary.unary",
    "sign": "unary.unary",
    "floor": "unary.unary",
    "ceil": "unary.unary",
    "round": "unary.unary",
    "gelu": "unary.unary",
    "leaky_relu": "unary.unary",
    "neg": "unary.unary",
    "square": "unary.unary",
    "relu": "unary.unary",
    "relu6": "unary.unary",
    "relu_n1_to_1": "unary.unary",
    "relu_0_to_1": "unary.unary",
    "zeros_like": "unary.zeros_like",
    "byte_table": "unary.known_table",
    "fake_quant": "unary.fake_quant",
    "quantize": "convert.quantize",
    "dequantize": "convert.dequantize",
    "cast": "convert.cast",
    "opaque": "custom.custom",
    "bitcast": "move.bitcast",
    "reshape": "move.alias",
    "squeeze": "move.alias",
    "expand_dims": "move.alias",
    "slice": "move.shown",
    "transpose": "move.shown",
    "reverse_v2": "move.shown",
    "strided_slice": "move.strided_slice",
    "dynamic_update_slice": "move.dynamic_update_slice",
    "broadcast_to": "move.broadcast_to",
    "fill": "move.broadcast_to",
    "tile": "move.tile",
    "concatenation": "move.concatenation",
    "pack": "move.pack",
    "unpack": "move.unpack",
    "split": "move.split",
    "split_v": "move.split",
    "space_to_depth": "move.space_to_depth",
    "depth_to_space": "move.depth_to_space",
    "space_to_batch_nd": "move.space_to_batch",
    "batch_to_space_nd": "move.batch_to_space",
    "pad": "pad.pad",
    "padv2": "pad.pad",
    "mirror_pad": "pad.mirror_pad",
    "matrix_diag": "parts.matrix_diag",
    "matrix_set_diag": "parts.matrix_set_diag",
    "real": "parts.real",
    "imag": "parts.imag",
    "mean": "reduce.reduction",
    "sum": "reduce.reduction",
    "reduce_max": "reduce.reduction",
    "reduce_any": "reduce.reduction",
    "reduce_min": "reduce.reduction",
    "reduce_all": "reduce.reduction",
    "reduce_prod": "reduce.reduction",
    "softmax": "softmax.softmax",
    "log_softmax": "softmax.log_softmax",
    "gather": "gather.gather",
    "gather_nd": "gather.gather_nd",
    "embedding_lookup": "gather.embedding_lookup",
    "scatter_nd": "scatter.scatter_nd",
    "segment_sum": "scatter.segments",
    "unsorted_segment_sum": "scatter.segments",
    "unsorted_segment_prod": "scatter.segments",
    "unsorted_segment_max": "scatter.segments",
    "unsorted_segment_min": "scatter.segments",
    "sparse_to_dense": "scatter.sparse_to_dense",
    "one_hot": "scatter.one_hot",
    "hashtable_lookup": "lookup.hashtable_lookup",
    "embedding_lookup_sparse": "lookup.embedding_lookup_sparse",
    "reverse_sequence": "lookup.reverse_sequence",
    "bucketize": "lookup.bucketize",
    "stablehlo_gather": "windows.gather",
    "stablehlo_scatter": "windows.scatter",
    "reduce_window": "windows.reduce_window",
    "stablehlo_reduce_window": "windows.stablehlo_reduce_window",
    "resize_bilinear": "resize.bilinear",
    "resize_nearest_neighbor": "resize.nearest",
    "arg_max": "rank.arg",
    "arg_min": "rank.arg",
    "topk_v2": "rank.topk",
    "cumsum": "rank.cumsum",
    "layer_norm": "norm.layer_norm",
    "l2_normalization": "norm.l2_normalization",
    "local_response_normalization": "norm.local_response",
    "lstm_layer": "recurrent.layer",
    "unidirectional_sequence_lstm": "recurrent.lstm",
    "lstm": "recurrent.lstm",
    "unidirectional_sequence_rnn": "recurrent.rnn",
    "rnn": "recurrent.rnn",
    "bidirectional_sequence_lstm": "recurrent.bidirectional_lstm",
    "bidirectional_sequence_rnn": "recurrent.bidirectional_rnn",
    "rfft2d": "signals.rfft2d",
    "complex_abs": "signals.complex_abs",
    "random_uniform": "signals.random",
    "random_standard_normal": "signals.random",
    "multinomial": "signals.multinomial",
    "stablehlo_rng_bit_generator": "signals.random_bits",
    "lsh_projection": "signals.lsh_projection",
    "maxpoolingwithargmax2d": "argmax_pool.max_pool_argmax",
    "maxunpooling2d": "argmax_pool.max_unpool",
    "non_max_suppression_v4": "boxes.non_max_suppression",
    "non_max_suppression_v5": "boxes.non_max_suppression",
    "tflite_detection_postprocess": "boxes.detection",
    "dilate": "interior.dilate",
    "stablehlo_pad": "interior.stablehlo_pad",
    "stablehlo_add": "stablehlo.combine",
    "stablehlo_multiply": "stablehlo.combine",
    "stablehlo_maximum": "stablehlo.combine",
    "stablehlo_minimum": "stablehlo.combine",
    "stablehlo_and": "stablehlo.bits",
    "stablehlo_shift_left": "stablehlo.shift_left",
    "conv_3d": "conv3d.conv_3d",
    "conv_3d_transpose": "conv3d.conv_3d_transpose",
    "svdf": "svdf.svdf",
    "attention": "attention.attention",
}

# Kernels count scratch memory in 32 bits. Real models need a megabyte; more is what a file asks for
# that declares windows far beyond its maps.
_MOST_SCRATCH = 1 << 28


def select(site: Site) -> Selection:
    """The calls for a node. Raises NotNative."""
    op = site.node.op
    place = TABLE.get("opaque" if isinstance(op, Opaque) else op.name)
    if place is None:
        raise NotNative("the operator has no kernel yet")
    found = function(place)(site)
    if isinstance(found, Alias):
        return found
    # kernels prepare scratch memory before they look at their tiles
    calls = [call for call in found if call.n_tiles > 0]
    scratch = max((call.scratch for call in calls), default=0)
    require(scratch < _MOST_SCRATCH, f"a thread would need {scratch} bytes of scratch memory")
    return calls


@cache
def function(place: str) -> Callable[[Site], Selection]:
    """The function that an entry of the table names."""
    module, name = place.split(".")
    found: Callable[[Site], Selection] = getattr(import_module(f"{__name__}.{module}"), name)
    return found
