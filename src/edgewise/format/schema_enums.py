"""Enumerations of the TFLite schema: storage type and members by code.

Those that operators have as attributes live in `edgewise.ir.enums` and element types in
`edgewise.dtypes`; here is the table that names them all as the schema does. What an operator is
called is `Op.builtin`, so that its code is a place in the list of these names, and no member of an
enumeration, which would take 4 ms to make.

Source: schema.fbs of LiteRT 2.3 (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from edgewise.dtypes import DType
from edgewise.ir import enums
from edgewise.values import dataclass

_BUILTIN_OPERATORS = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1
RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM
CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND
SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE
BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM
CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE
SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE
POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT
UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE
RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL
REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE
MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5
SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM
CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND
HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE
ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU
DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX
UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT
STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM
STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM
STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS
STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG
STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER
STABLEHLO_RSQRT STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER
STABLEHLO_COMPARE STABLEHLO_CONVERT STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE
STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT
STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR
REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE
"""
BUILTIN_OPERATORS: tuple[str, ...] = tuple(_BUILTIN_OPERATORS.split())  # by code


@dataclass(frozen=True, slots=True)
class EnumType:
    """How an enumeration is stored: scalar type, and members by code in both directions."""

    scalar: str
    members: Mapping[int, Enum]
    codes: Mapping[Enum, int]


def stored_as(scalar: str, members: Iterable[Enum]) -> EnumType:
    """An enumeration whose values are its codes; element types have theirs beside."""
    by_code = {m.code if isinstance(m, DType) else int(m.value): m for m in members}
    return EnumType(scalar, by_code, {m: code for code, m in by_code.items()})


ENUMS: dict[str, EnumType] = {
    "TensorType": stored_as("byte", DType),
    "Padding": stored_as("byte", enums.Padding),
    "ActivationFunctionType": stored_as("byte", enums.Activation),
    "MirrorPadMode": stored_as("byte", enums.MirrorPadMode),
    "FullyConnectedOptionsWeightsFormat": stored_as("byte", enums.FullyConnectedWeightsFormat),
    "LSTMKernelType": stored_as("byte", enums.LSTMKernelType),
    "LSHProjectionType": stored_as("byte", enums.LSHProjectionType),
    "CombinerType": stored_as("byte", enums.CombinerType),
    "DimensionType": stored_as("byte", enums.DimensionType),
    "RngAlgorithm": stored_as("byte", enums.RngAlgorithm),
    "ReduceWindowFunction": stored_as("int", enums.ReduceWindowFunction),
    "CustomOptionsFormat": stored_as("byte", enums.CustomOptionsFormat),
    "StablehloPrecisionConfig": stored_as("uint", enums.StablehloPrecisionConfig),
    "StablehloComparisonDirection": stored_as("uint", enums.StablehloComparisonDirection),
    "StablehloComparisonType": stored_as("uint", enums.StablehloComparisonType),
}
