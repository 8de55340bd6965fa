"""Enumerations that operators carry as attributes, with the schema's members and values.

An `IntEnum` member equals its `.tflite` integer, so it goes into a file and a C parameter
structure unchanged.

Source: schema.fbs of LiteRT 2.3 (Apache-2.0).
"""

from __future__ import annotations

from enum import IntEnum


class Padding(IntEnum):
    """How a window operator pads: SAME keeps ceil(size / stride), VALID pads nothing."""

    SAME = 0
    VALID = 1


class Activation(IntEnum):
    """Activation fused into an operator (`ActivationFunctionType` in the schema)."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3
    TANH = 4
    SIGN_BIT = 5


class MirrorPadMode(IntEnum):
    """REFLECT leaves the border out of the reflection, SYMMETRIC includes it."""

    REFLECT = 0
    SYMMETRIC = 1


class FullyConnectedWeightsFormat(IntEnum):
    """Weight layout of a fully connected operator (`FullyConnectedOptionsWeightsFormat`)."""

    DEFAULT = 0
    SHUFFLED4x16INT8 = 1


class LSTMKernelType(IntEnum):
    """FULL supports peephole and projection; BASIC is TensorFlow's BasicLSTMCell."""

    FULL = 0
    BASIC = 1


class LSHProjectionType(IntEnum):
    """Output of a locality sensitive hash: one id per hash (SPARSE) or its bits (DENSE)."""

    UNKNOWN = 0
    SPARSE = 1
    DENSE = 2


class CombinerType(IntEnum):
    """How looked-up embedding rows are combined."""

    SUM = 0
    MEAN = 1
    SQRTN = 2


class DimensionType(IntEnum):
    """Storage of one dimension of a sparse tensor."""

    DENSE = 0
    SPARSE_CSR = 1


class RngAlgorithm(IntEnum):
    """Bit generator of a random operator."""

    DEFAULT = 0
    PHILOX = 1
    THREEFRY = 2


class ReduceWindowFunction(IntEnum):
    """Reduction of the deprecated REDUCE_WINDOW operator."""

    UNSUPPORTED = 0
    ADD = 1
    MUL = 2
    MINIMUM = 3
    MAXIMUM = 4
    ALL = 5
    ANY = 6


class CustomOptionsFormat(IntEnum):
    """Encoding of the free-form options of a custom or composite operator."""

    FLEXBUFFERS = 0


class StablehloPrecisionConfig(IntEnum):
    """Precision of one operand of a StableHLO dot or convolution."""

    DEFAULT = 0
    HIGH = 1
    HIGHEST = 2


class StablehloComparisonDirection(IntEnum):
    """Relation that a StableHLO compare tests."""

    STABLEHLO_COMPARISON_DIRECTION_EQ = 0
    STABLEHLO_COMPARISON_DIRECTION_NE = 1
    STABLEHLO_COMPARISON_DIRECTION_GE = 2
    STABLEHLO_COMPARISON_DIRECTION_GT = 3
    STABLEHLO_COMPARISON_DIRECTION_LE = 4
    STABLEHLO_COMPARISON_DIRECTION_LT = 5


class StablehloComparisonType(IntEnum):
    """Ordering that a StableHLO compare uses."""

    STABLEHLO_COMPARISON_TYPE_NOTYPE = 0
    STABLEHLO_COMPARISON_TYPE_FLOAT = 1
    STABLEHLO_COMPARISON_TYPE_FLOAT_TOTAL_ORDER = 2
    STABLEHLO_COMPARISON_TYPE_SIGNED = 3
    STABLEHLO_COMPARISON_TYPE_UNSIGNED = 4
