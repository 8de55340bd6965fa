"""Where LiteRT and Edgewise differ, or LiteRT refuses, on the operator cases; and why.

The one place for it: `test_litert.py` holds both tables to what is observed (an entry that no
case needs any more fails), `tools/numerics.py` prints them into docs/numerics.md. A case that
LiteRT cannot be compared on at all says so itself (`Case.no_litert`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch


@dataclass(frozen=True, slots=True)
class Difference:
    """Cases whose id starts with `cases` differ from LiteRT's default by at most `steps` integer
    steps (floats: no bound), because of `cause`."""

    cases: str
    cause: str
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """LiteRT refuses cases of an operator with a text that contains `text`, because of `cause`."""

    operator: str
    text: str
    cause: str


DIFFERENCES = (
    Difference(
        "fully_connected-int8-computed",
        "LiteRT's delegate wants constant weights; its own kernel scales with a 32-bit multiplier",
        steps=1,
    ),
    Difference(
        "gelu-float32-erfone",
        "XNNPACK's exact GELU is -0 from -5.98 on; the value is -6.6e-9 (x = -5.982264), which "
        "LiteRT's reference gives too",
    ),
    Difference(
        "sqrt-float32-edges",
        "XNNPACK's square root of 3e38 is 2.6e19 (it is 1.73e19) and of 1e-38 zero; LiteRT's "
        "reference is right",
    ),
    Difference(
        "rsqrt-float32-edges",
        "XNNPACK gives NaN for 0, -0 and 1e-38, and 50 % too much at 3e38; LiteRT's reference is "
        "right",
    ),
    Difference(
        "log-float32-edges",
        "XNNPACK gives -inf for 1e-38 and 88.38 for 3e38 and infinity; LiteRT's reference is right",
    ),
    Difference(
        "quantize-float32-int8-edges",
        "NaN becomes the lowest integer here, the highest in XNNPACK; all other values are equal",
        255,
    ),
    Difference(
        "quantize-float32-edges-to-channels",
        "NaN becomes the lowest integer here, the highest in LiteRT's kernel; all other values are "
        "equal",
        255,
    ),
    Difference(
        "quantize-int8-to-int8",
        "XNNPACK requantizes 8 bits by a multiplier of 8 fractional bits and is one step from "
        "LiteRT's reference, to which we are equal",
        1,
    ),
    Difference(
        "quantize-uint8-to-uint8",
        "as int8: XNNPACK's multiplier has 8 fractional bits; we are equal to LiteRT's reference",
        1,
    ),
    Difference(
        "resize_bilinear-int16",
        "LiteRT's coordinates have 10 fractional bits, an error of up to 11 % of the range at "
        "scale 7; ours are float32 and within one step of the exact value",
        8000,
    ),
)

REFUSALS = (
    Refusal("add_n", "num_inputs >= 2", "LiteRT adds at least two operands"),
    Refusal("atan2", "NumDimensions", "LiteRT's ATAN2 does not broadcast"),
    Refusal("dequantize", "INT4 input", "its Python interface cannot feed an int4 input"),
    Refusal("fake_quant", "narrow_range", "LiteRT runs FAKE_QUANT without narrow_range only"),
    Refusal("range", "Invalid tensor size", "its Python interface cannot read an empty output"),
    Refusal("reverse_sequence", "'INT8' is not supported", "LiteRT has no int8 kernel"),
    Refusal("segment_sum", "delta == 0", "LiteRT wants every segment; an absent one is zero here"),
    Refusal("shape", "Invalid tensor size", "its Python interface cannot read an empty output"),
    Refusal("unique", "Invalid tensor size", "its Python interface cannot read an empty output"),
    Refusal("where", "Invalid tensor size", "its Python interface cannot read an empty output"),
)

# What LiteRT's reference kernels get wrong, measured on the cases of tools/numerics_cases.py.
WRONG_REFERENCES = {
    "sum": "its int8 and int16 results are unrelated to the sum; the default is right",
    "resize_bilinear": "its coordinates have 10 fractional bits: up to 30 steps off in int8",
    "softmax": "its int8 kernel aborts on bench/mobilenet_v3_small (1000 classes, scale 0.0034)",
}


def known_difference(case_id: str) -> Difference | None:
    """The entry for a case, None where it has to agree."""
    return next((d for d in DIFFERENCES if case_id.startswith(d.cases)), None)


def known_wide(case_id: str) -> Difference | None:
    """The entry for a case of wide.py, None where it has to agree."""
    return next((d for d in WIDE if fnmatch(case_id, d.cases)), known_difference(case_id))


def known_refusal(operator: str, text: str) -> Refusal | None:
    """The entry for a refusal, None where LiteRT has to run the case."""
    return next((r for r in REFUSALS if r.operator == operator and r.text in text), None)


_INT32 = "LiteRT reads int32 whatever the type says: other sizes give numbers that are not there"
_NO_SCALE = "integers without a scale: LiteRT computes with a scale of 0, ours with the integers"
_HYBRID = (
    "bidirectional_sequence_lstm bidirectional_sequence_rnn conv_2d depthwise_conv_2d "
    "fully_connected lstm rnn svdf transpose_conv unidirectional_sequence_lstm "
    "unidirectional_sequence_rnn"
)


def _each(operators: str, patterns: str, cause: str) -> tuple[Difference, ...]:
    """An entry for each operator and pattern of what follows it in a case's name."""
    pairs = ((name, p) for name in operators.split() for p in patterns.split())
    return tuple(Difference(f"{name}-{pattern}", cause) for name, pattern in pairs)


# Of the cases of wide.py: names with wildcards, refusals among them.
WIDE = (
    *_each(
        "batch_matmul div exp elu leaky_relu max_pool_2d mean mul prelu relu relu6 relu_0_to_1 "
        "relu_n1_to_1 sum tanh hard_swish average_pool_2d",
        "*-data-int8-????????",
        _NO_SCALE,
    ),
    *_each(
        "div hard_swish leaky_relu max_pool_2d mean mul prelu relu relu6 relu_0_to_1 sum tanh "
        "average_pool_2d",
        "*-data-uint8-????????",
        _NO_SCALE,
    ),
    *_each(
        "batch_matmul div exp leaky_relu max_pool_2d mean prelu relu relu6 sum not_equal "
        "average_pool_2d",
        "*-data-int16-????????",
        _NO_SCALE,
    ),
    *_each("quantize", "*-data-int32-*", _NO_SCALE),
    *_each(_HYBRID, "*-hybrid-int[48]/q-*", "LiteRT quantizes the activations on the fly"),
    *_each(
        "bidirectional_sequence_lstm bidirectional_sequence_rnn conv_2d embedding_lookup "
        "fully_connected lstm rnn svdf unidirectional_sequence_lstm unidirectional_sequence_rnn",
        "*-hybrid-uint8/q-*",
        "LiteRT reads them as int8",
    ),
    *_each(
        "average_pool_2d conv_2d conv_3d conv_3d_transpose depthwise_conv_2d fully_connected "
        "l2_pool_2d max_pool_2d transpose_conv",
        "*-fused_activation_function-tanh-*",
        "LiteRT leaves a fused TANH out, or refuses it",
    ),
    *_each(
        "concatenation",
        "*-fused_activation_function-*",
        "LiteRT leaves the activation of a concatenation of floats out, or refuses it",
    ),
    *_each(
        "bidirectional_sequence_lstm lstm unidirectional_sequence_lstm",
        "*-fused_activation_function-none-*",
        "without an activation LiteRT multiplies the output gate with memory it has not written",
    ),
    *_each(
        "matrix_diag matrix_set_diag",
        "*-data-bool-* *-data-float16-* *-data-bfloat16-* *-data-float64-* *-data-uint16-* "
        "*-data-uint64-* *-data-complex64-*",
        "LiteRT writes nothing for types that its kernel does not know, and reports no error",
    ),
    *_each("fake_quant", "*-data-*", "LiteRT reads float32 whatever the type says"),
    *_each("*", "*-data-int4-* *-data-int4/q-*", "its Python interface cannot feed an int4 input"),
    *_each("matrix_diag", "*-data-string-*", "LiteRT dies"),
    *_each(
        "equal not_equal fill expand_dims",
        "*-data-string-*",
        "its Python interface stores an address where a string is a scalar",
    ),
    *_each("embedding_lookup", "*-data-string-*", "LiteRT copies strings as numbers and dies"),
    *_each("gather", "*-data-string-*", "LiteRT gathers strings of rank 1 only"),
    *_each("embedding_lookup", "*-hybrid-int4/q-*", "LiteRT begins every row at a whole byte"),
    *_each("prelu", "int16-*-q-*", "LiteRT reads int16 slopes as int8"),
    *_each(
        "resize_bilinear",
        "*-data-int8-???????? *-data-uint8-????????",
        "without a scale XNNPACK leaves it to LiteRT's kernel, whose coordinates have 10 bits",
    ),
    *_each("log", "float16-edges-*", "XNNPACK gives -inf for numbers below the normal ones"),
    *_each("batch_to_space_nd space_to_batch_nd", "*-int64-????????", _INT32),
    *_each("slice", "*-begin-int64-* *-size-int64-*", "LiteRT takes both or none as int64"),
    *_each("transpose", "*-perm-int64-*", "LiteRT's reference reads int32; its default refuses"),
    *_each(
        "strided_slice",
        "*-offset-true-*",
        "with an offset LiteRT reads beyond the operand where a bound is out of range or masked",
    ),
    *_each(
        "conv_2d depthwise_conv_2d",
        "*-padding-valid-*",
        "its Python interface cannot read an empty output",
    ),
    *_each(
        "neg",
        "*-q-*",
        "LiteRT negates the stored integers, whatever their zero point and scale",
    ),
    *_each(
        "div",
        "*-data-*/q-*",
        "LiteRT shifts by more than 31 bits where the quotient is small, or refuses the divisor",
    ),
    *_each("mul", "*-data-complex64-*", "LiteRT refuses an activation of complex numbers"),
    *_each("mul", "uint32-relu*-data-uint32-*", "LiteRT clamps to bounds of signed integers"),
)


@dataclass(frozen=True, slots=True)
class Gap:
    """Types in which LiteRT's kernels run an operator and ours does not, because of `cause`.

    `operators` and `slots` are names (`retyped.slots`) or `*`, `kinds` the types."""

    operators: str
    slots: str
    kinds: str
    cause: str


GAPS = (
    Gap(
        "batch_to_space_nd space_to_batch_nd",
        "block, crops, paddings, parameters",
        "bool int4 int8 uint8 int16 uint16 uint32 uint64",
        _INT32,
    ),
    Gap("split split_v", "axis", "bool int4 int8 uint8 int16 uint16 uint32 uint64", _INT32),
    Gap("one_hot", "depth", "bool int4 int8 uint8 int16 uint16 uint32 uint64", _INT32),
    Gap("transpose", "perm", "uint32 uint64", "LiteRT reads signed integers of this size"),
    Gap("pad padv2", "paddings", "bool", "LiteRT reads them as int8"),
    Gap("fake_quant", "data", "*", "LiteRT reads float32 whatever the type says"),
    Gap(
        "dequantize quantize relu_n1_to_1 softmax",
        "*",
        "*",
        "integers without a scale: LiteRT computes with a scale of 0, and divides by it",
    ),
    Gap("bitcast", "x, result y", "int4 int4/q", "LiteRT counts an int4 as a whole byte"),
    Gap("lsh_projection", "seeds", "*", "LiteRT reads float32 whatever the type says"),
    Gap("lsh_projection", "data", "string int4 int4/q", "bytes in memory are no numbers there"),
    Gap("conv_2d embedding_lookup", "hybrid", "int16/q", "LiteRT reads the weights as int8"),
)


def known_gap(operator: str, slot: str, kind: str) -> Gap | None:
    """The entry for a type that an operator of ours does not take, None where it has to."""
    return next(
        (
            g
            for g in GAPS
            if (g.operators == "*" or operator in g.operators.split())
            and (g.slots == "*" or slot in g.slots.split(", "))
            and (g.kinds == "*" or kind in g.kinds.split())
        ),
        None,
    )
