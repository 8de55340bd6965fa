"""The oldest TensorFlow Lite runtime that has each operator version: `min_runtime_version`.

A converter notes the newest of these over all operators in the metadata entry
`min_runtime_version`, 16 bytes padded with NUL; tools read it, LiteRT itself only looks at the
operator versions.

**Source:** tflite/tools/versioning/runtime_version.cc of LiteRT 2.3.
"""

from __future__ import annotations

from collections.abc import Iterable

METADATA_NAME = "min_runtime_version"
_BYTES = 16

# Operators, and the runtimes that have version 1, 2, ... of them (-: not listed).
_ROWS = """\
AVERAGE_POOL_2D: 1.5.0 1.14.0 2.3.0
BATCH_MATMUL: 2.3.0 2.3.0 2.4.0 2.5.0
BROADCAST_TO: - 2.5.0 2.5.0
CONV_2D: 1.5.0 1.14.0 1.14.0 2.3.0 2.4.0 2.9.0 2.11.0 2.15.0
DEPTHWISE_CONV_2D: 1.5.0 1.12.0 1.14.0 2.2.0 2.3.0 2.3.0 2.11.0
ADD: 1.5.0 1.14.0 2.4.0 2.6.0 2.13.0
ADD_N: 1.14.0
SPACE_TO_BATCH_ND: 1.6.0 1.14.0 2.3.0 2.12.0
BATCH_TO_SPACE_ND: 1.6.0 1.14.0 2.3.0 2.12.0
SUB: 1.6.0 1.14.0 2.3.0 2.4.0 2.4.0
DENSIFY: 2.2.0
DIV: 1.6.0 2.3.0
CAST: 1.5.0 2.7.0 2.8.0 2.9.0 2.12.0 2.15.0 2.17.0
CONCATENATION: 1.5.0 1.14.0 2.3.0 2.14.0
DEPTH_TO_SPACE: 2.1.0 2.5.0
EMBEDDING_LOOKUP: 1.13.0 1.14.0 1.14.0 2.18.0
EMBEDDING_LOOKUP_SPARSE: 1.5.0
FAKE_QUANT: 1.5.0 1.10.0
FULLY_CONNECTED: 1.5.0 1.10.0 1.14.0 1.14.0 2.0.0 2.1.0 2.3.0 2.3.0 2.3.0 2.11.0 2.15.0 2.17.0\
 2.18.0
GATHER: 1.6.0 1.14.0 1.15.0 2.4.0 2.5.0 2.13.0 2.15.0
GATHER_ND: 1.14.0 2.3.0 2.5.0 2.13.0 2.16.0
HASHTABLE_LOOKUP: 1.5.0
SVDF: 1.5.0 1.14.0 2.2.0 2.3.0
L2_NORMALIZATION: 1.5.0 1.14.0
L2_POOL_2D: 1.5.0
LOCAL_RESPONSE_NORMALIZATION: 1.5.0
MAX_POOL_2D: 1.5.0 1.14.0 2.3.0
MAXIMUM, MINIMUM: 1.14.0 1.14.0 2.3.0 2.3.0
MUL: 1.5.0 1.14.0 1.15.0 2.3.0 2.6.0 2.11.0 2.13.0
NON_MAX_SUPPRESSION_V4, NON_MAX_SUPPRESSION_V5: 2.1.0
PAD: 1.5.0 1.14.0 2.4.0 2.6.0
PADV2: 1.9.0 1.14.0 2.4.0 2.6.0
TILE: 1.10.1 2.2.0 2.8.0
RESHAPE: 1.5.0
SOFTMAX: 1.5.0 1.14.0 2.3.0
SPACE_TO_DEPTH: 1.5.0 1.14.0
TRANSPOSE: 1.6.0 1.14.0 1.15.0 2.3.0 2.4.0 2.12.0 2.14.4
LSTM: 1.7.0 1.10.0 1.14.0 2.3.0
UNIDIRECTIONAL_SEQUENCE_LSTM: 1.13.1 1.14.0 2.3.0 2.12.0
BIDIRECTIONAL_SEQUENCE_LSTM: 1.14.0 1.14.0 1.14.0
BIDIRECTIONAL_SEQUENCE_RNN, UNIDIRECTIONAL_SEQUENCE_RNN: 1.14.0 1.14.0 2.3.0
RNN: 1.5.0 1.14.0 2.3.0
MEAN: 1.6.0 1.14.0 2.4.0
SUM: 1.10.0 1.15.0
REDUCE_MAX, REDUCE_MIN: 1.11.0 1.14.0 2.5.0
REDUCE_PROD: 1.11.0 2.6.0
REDUCE_ANY: 1.11.0
REDUCE_ALL: 2.6.0
RELU: 1.5.0 2.1.0 2.5.0
RELU6: 1.5.0 1.14.0 2.5.0
RELU_N1_TO_1: 1.5.0
RELU_0_TO_1: 2.10.0
RESIZE_BILINEAR: 1.7.0 1.14.0 2.2.0 2.5.0
RESIZE_NEAREST_NEIGHBOR: 1.13.1 1.14.0 2.3.0 2.4.0
SKIP_GRAM, LSH_PROJECTION: 1.5.0
SQUEEZE: 1.6.0 2.5.0
SPLIT: 1.5.0 1.14.0 1.14.0 2.3.0
SPLIT_V: 1.13.1 2.3.0
STRIDED_SLICE: 1.6.0 1.14.0 2.1.0 2.2.0 2.5.0 2.6.0 2.14.0 2.14.0
TOPK_V2: 1.7.0 1.14.0 2.13.0
ARG_MAX, ARG_MIN: 1.9.0 1.14.0 2.9.0
TRANSPOSE_CONV: 1.9.0 2.2.0 2.3.0 2.13.0 2.15.0
SPARSE_TO_DENSE: 1.9.0 1.14.0 1.15.0
EXPAND_DIMS, SHAPE: 1.10.0
PACK: 1.11.0 1.14.0 2.3.0 2.13.0
SLICE: 1.14.0 1.14.0 1.14.0 2.4.0 2.5.0 2.14.0
TANH, LOGISTIC: 1.14.0 1.14.0 2.3.0
ONE_HOT: 1.11.0
UNPACK: 1.11.0 1.14.0 2.2.0 2.3.0
LEAKY_RELU: 1.13.1 2.3.0
LOG_SOFTMAX: 1.14.0 1.14.0
SQUARED_DIFFERENCE: 1.13.1 2.5.0
MIRROR_PAD: 1.13.1 2.3.0 2.12.0
UNIQUE, REVERSE_SEQUENCE, MATRIX_DIAG, MATRIX_SET_DIAG, ELU, CEIL, ROUND, COS, RANK: 1.14.0
WHERE: 1.14.0 2.8.0
DEQUANTIZE: 1.13.1 1.14.0 1.15.0 2.2.0 2.7.0 2.18.0
EQUAL: 1.14.0 1.14.0 2.3.0 2.13.0
NOT_EQUAL: 1.14.0 1.14.0 2.3.0
GREATER, LESS_EQUAL: 1.14.0 1.14.0
GREATER_EQUAL, LESS: 1.14.0 1.14.0 2.13.0
SCATTER_ND: 2.1.0
SEGMENT_SUM: 2.2.0
SELECT: 1.14.0 1.14.0 2.12.0 2.12.0
SELECT_V2: 2.2.0 2.12.0
IF, WHILE, HARD_SWISH: 1.15.0
FLOOR_DIV: 1.14.0 1.14.0 2.13.0
FLOOR, SIN, NEG: 1.9.0
QUANTIZE: 1.14.0 1.15.0 2.7.0
PRELU: 1.8.0
EXP: 1.7.0 2.12.0
POW, SQRT: 1.10.0
LOGICAL_OR, LOGICAL_AND, LOGICAL_NOT: 1.11.0
FLOOR_MOD: 1.13.0 2.13.0
RANGE: 1.13.0 2.14.0
LOG: 1.14.0 2.15.0
RSQRT: 1.10.0 2.5.0 2.15.0
SQUARE, ZEROS_LIKE: 1.12.0
ABS: 1.13.0 2.4.0 2.5.0 2.6.0 2.12.0
FILL: 1.13.0 2.3.0 2.5.0 2.12.0
REVERSE_V2: 1.14.0 2.2.0 2.5.0
CUMSUM: 2.4.0
CALL_ONCE, RFFT2D, CONV_3D, IMAG, REAL, COMPLEX_ABS, HASHTABLE, HASHTABLE_FIND: 2.5.0
HASHTABLE_IMPORT, HASHTABLE_SIZE: 2.5.0
CONV_3D_TRANSPOSE, VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, BROADCAST_ARGS: 2.6.0
RANDOM_STANDARD_NORMAL, BUCKETIZE, RANDOM_UNIFORM, MULTINOMIAL: 2.8.0
GELU: 2.9.0 2.9.0
DYNAMIC_UPDATE_SLICE: 2.9.0 2.17.0 2.19.0 2.20.0
UNSORTED_SEGMENT_PROD, UNSORTED_SEGMENT_MAX, UNSORTED_SEGMENT_SUM, ATAN2: 2.10.0
UNSORTED_SEGMENT_MIN: 2.11.0
SIGN: 2.11.0 2.12.0
BITCAST, BITWISE_XOR, RIGHT_SHIFT: 2.13.0
STABLEHLO_SCATTER, DILATE, STABLEHLO_RNG_BIT_GENERATOR, REDUCE_WINDOW: 2.15.0
STABLEHLO_GATHER, STABLEHLO_ADD, STABLEHLO_MULTIPLY, STABLEHLO_REDUCE_WINDOW: 2.16.0
STABLEHLO_MAXIMUM, STABLEHLO_MINIMUM, STABLEHLO_PAD: 2.16.0
STABLEHLO_COMPOSITE, STABLEHLO_AND, STABLEHLO_SHIFT_LEFT, STABLEHLO_CBRT, STABLEHLO_CASE: 2.17.0
"""


def runtime_version(codes: Iterable[tuple[str, int]]) -> bytes:
    """The metadata entry for a model with these (BuiltinOperator name, version) pairs."""
    found = [_NEWEST[code] for code in codes if code in _NEWEST]
    text = ".".join(map(str, max(found, default=(0, 0, 0))))
    return text.encode().ljust(_BYTES, b"\0")


def newest(a: bytes, b: bytes) -> bytes:
    """The newer of two entries; the first where one cannot be read."""
    try:
        return max(a, b, key=_numbers)
    except ValueError:
        return a


def _numbers(entry: bytes) -> tuple[int, ...]:
    return tuple(int(part) for part in entry.rstrip(b"\0").split(b"."))


def _table() -> dict[tuple[str, int], tuple[int, ...]]:
    found = {}
    for row in _ROWS.strip().splitlines():
        names, versions = row.split(": ")
        for number, text in enumerate(versions.split(), 1):
            if text != "-":
                parts = tuple(int(part) for part in text.split("."))
                found.update({(name, number): parts for name in names.split(", ")})
    return found


_NEWEST = _table()
