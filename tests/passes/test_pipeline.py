"""passes/pipeline.py: whole models. What the single rules promise must hold of all together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgewise.api  # noqa: F401  (models learn to save themselves)
from edgewise.ir import Builder, Model, Signature, Sym, Value
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.evaluate import evaluate
from edgewise.ir.infer import infer_graph
from edgewise.ir.text import print_model
from edgewise.passes import PipelineReport, canonicalize, to_tflite
from edgewise.passes.activation import ACTIVATIONS
from edgewise.passes.affine import AFFINE
from edgewise.passes.batch_norm import RECTIFIED_NORMS
from edgewise.passes.dense import DENSE
from edgewise.passes.lookups import LOOKUPS
from edgewise.passes.lower import LOWER
from edgewise.passes.norms import NORMS
from edgewise.passes.padding import PADDING
from edgewise.passes.parallel import PARALLEL
from edgewise.passes.pipeline import SIMPLIFY, WHOLE
from edgewise.passes.powers import OFFSETS
from edgewise.passes.prescale import PRESCALE
from tests.passes import (
    test_activation,
    test_affine,
    test_arithmetic,
    test_batch_norm,
    test_broadcasts,
    test_choices,
    test_dilation,
    test_joins,
    test_layer_norm,
    test_lookups,
    test_lower,
    test_padding,
    test_parallel,
    test_powers,
    test_prescale,
    test_quantized,
    test_recompose,
    test_reshaping,
    test_resizing,
    test_slices,
    test_transposing,
    test_transposing_axes,
    test_transposing_parts,
)
from tests.passes.example import expression, ints, model_of, normal, same_numbers

RULES = [
    *(*SIMPLIFY, *WHOLE, *DENSE, *LOOKUPS, *AFFINE, *PRESCALE),
    *(*PARALLEL, *RECTIFIED_NORMS, *NORMS, *ACTIVATIONS, *PADDING, *OFFSETS, *LOWER),
]
TABLES = [
    *(test_activation, test_affine, test_arithmetic, test_batch_norm, test_broadcasts),
    *(test_choices, test_dilation, test_resizing),
    *(
        test_joins,
        test_layer_norm,
        test_lower,
        test_padding,
        test_powers,
        test_prescale,
        test_parallel,
    ),
    *(test_lookups, test_quantized, test_recompose, test_reshaping, test_slices),
    *(test_transposing, test_transposing_axes, test_transposing_parts),
]
# Rules whose pattern alone decides.
UNCONDITIONAL = {
    "batch norm as scale and offset",
    "layer norm in builtin operators",
    "erf in builtin operators",
    "concatenation of one",
    "sum of one",
    "choice by a negation",
    "not of not",
    "logic with itself",
}
# Applied to every integer in tests of their own.
TRIED = {"hard_swish of integers"}


def test_every_rule_has_an_example_and_a_twin():
    shown = {rule for table in TABLES for example in table.EXAMPLES for rule in example.applied}
    declined = {t.rule for table in TABLES for t in getattr(table, "TWINS", ())}
    names = {rule.name for rule in RULES}
    assert names - shown - TRIED == set()
    assert names - declined - UNCONDITIONAL == set()


def test_every_rule_has_a_phrase():
    assert [rule.name for rule in RULES if not rule.phrase] == []


def norm(b, x):
    channels = x.shape[-1]
    p = [b.constant(normal(channels)) for _ in range(3)]
    return b.batch_norm(x, *p, b.constant(np.abs(normal(channels)) + 0.1))


def conv(b, x, filters, kernel=3, stride=1, padding=Padding.SAME):
    w = b.constant(normal(filters, kernel, kernel, x.shape[-1]))
    strides = {"stride_h": stride, "stride_w": stride}
    return b.conv_2d(x, w, padding=padding, **strides)


def depthwise(b, x, stride=1, padding=Padding.SAME):
    w = b.constant(normal(1, 3, 3, x.shape[-1]))
    strides = {"stride_h": stride, "stride_w": stride}
    return b.depthwise_conv_2d(x, w, padding=padding, **strides)


def inverted_residual(b, x):
    """MobileNetV2's block as Keras writes it."""
    y = b.relu6(norm(b, conv(b, x, 12, 1)))
    y = b.relu6(norm(b, depthwise(b, y)))
    return b.add(x, norm(b, conv(b, y, x.shape[-1], 1)))


def mobilenet(b):
    x = b.input("image", (1, 16, 16, 3))
    y = b.sub(b.mul(x, b.constant(1 / 127.5)), b.constant(1.0))
    y = b.relu6(norm(b, conv(b, y, 4, 3, 2)))
    y = inverted_residual(b, y)
    y = b.pad(y, b.constant(np.array([[0, 0], [0, 1], [0, 1], [0, 0]], np.int32)))
    y = b.relu6(norm(b, depthwise(b, y, 2, Padding.VALID)))
    y = b.mean(y, b.constant(ints(1, 2)))
    y = b.add(b.fully_connected(y, b.constant(normal(5, 4))), b.constant(normal(5)))
    return b.softmax(y, label="scores")


def squeeze_excite(b):
    """MobileNetV3's block: hard swish written out, a hard sigmoid gate, a dynamic batch."""
    x = b.input("image", (Sym("n", 1), 8, 8, 4))
    y = norm(b, conv(b, x, 6))
    y = b.mul(y, b.div(b.relu6(b.add(y, b.constant(3.0))), b.constant(6.0)))
    g = b.mean(y, b.constant(ints(1, 2)))
    g = b.reshape(g, b.constant(ints(-1, 1, 1, 6)))
    g = b.relu(conv(b, g, 2, 1))
    g = b.mul(b.relu6(b.add(conv(b, g, 6, 1), b.constant(3.0))), b.constant(1 / 6))
    return norm(b, conv(b, b.mul(y, g), 4, 1))


def attention(b):
    """One transformer head: dense layers as matrix products with constants, 4-D reshapes."""
    x = b.input("tokens", (1, 6, 8))
    x = b.layer_norm(x, b.constant(normal(8)), b.constant(normal(8)))

    def project(t):
        y = b.add(b.batch_matmul(t, b.constant(normal(8, 8))), b.constant(normal(8)))
        y = b.reshape(y, b.constant(ints(1, 6, 2, 4)))
        return b.transpose(y, b.constant(ints(0, 2, 1, 3)))

    q, k, v = (project(x) for _ in range(3))
    scores = b.batch_matmul(b.mul(q, b.constant(0.5)), b.transpose(k, b.constant(ints(0, 1, 3, 2))))
    y = b.batch_matmul(b.softmax(scores), v)
    y = b.reshape(b.transpose(y, b.constant(ints(0, 2, 1, 3))), b.constant(ints(1, 6, 8)))
    return b.batch_matmul(y, b.constant(normal(8, 8)))


MODELS = {
    mobilenet: "add conv_2d conv_2d depthwise_conv_2d conv_2d add depthwise_conv_2d mean "
    "fully_connected softmax",
    squeeze_excite: "conv_2d hard_swish mean conv_2d conv_2d mul conv_2d",
}


def operators(model):
    return " ".join(node.op.name for node in model.main.nodes)


@pytest.mark.parametrize("build", [*MODELS, attention], ids=lambda f: f.__name__)
def test_pipelines_keep_the_numbers(build):
    model = model_of(build)
    before = print_model(model)
    canonical = canonicalize(model, check_each=True)
    lowered = to_tflite(canonical, check_each=True)
    assert print_model(model) == before
    same_numbers(model.main, canonical.main, 3e-6)
    same_numbers(model.main, lowered.main, 3e-6)
    assert canonical.main.outputs[0].name == model.main.outputs[0].name


def test_offsets_of_a_sum_are_biases_where_they_can_be():
    """A shortcut and its block, both normalised in pieces, as in the SavedModel of a ResNet: put
    together first, the two offsets cost an ADD."""

    def build(b):
        x = b.input("x", (1, 6, 6, 4))
        y = [
            b.add(b.mul(conv(b, x, 5), b.constant(normal(5))), b.constant(normal(5)))
            for _ in range(2)
        ]
        return b.relu(b.add(*y))

    model = model_of(build)
    canonical = canonicalize(model, check_each=True)
    assert operators(canonical) == "conv_2d conv_2d add"
    same_numbers(model.main, canonical.main, 3e-6)


@pytest.mark.parametrize("build", MODELS, ids=lambda f: f.__name__)
def test_the_operators_left(build):
    assert operators(canonicalize(model_of(build))) == MODELS[build]


def test_attention_has_no_more_operators_than_tensorflow_gives():
    """TensorFlow: MEAN, NEG, SQUARED_DIFFERENCE, MEAN, ADD, RSQRT, 3 MUL, ADD for the layer norm;
    4 FULLY_CONNECTED, 4 RESHAPE, 4 TRANSPOSE, 2 BATCH_MATMUL, MUL, SOFTMAX for the head. Here gamma
    and beta are in the weights of the three readers."""
    lowered = to_tflite(canonicalize(model_of(attention)))
    names = operators(lowered).split()
    assert names.count("fully_connected") == 4
    assert names.count("batch_matmul") == 2
    assert names.count("reshape") == 4
    assert names.count("transpose") == 4
    assert len(names) == 7 + 4 + 2 + 4 + 4 + 1


def test_the_report_counts_and_explains():
    report = PipelineReport()
    canonicalize(model_of(mobilenet), report=report)
    text = str(report)
    assert report.before > report.after == len(MODELS[mobilenet].split())
    assert text.startswith(f"{report.before} operators became {report.after}")
    assert "batch norms folded into the operator before" in text
    assert report.counts()["pad into SAME"] == 1
    reasons = [str(miss) for miss in report.misses()]
    assert any("'offset into the bias of the operator after': " in reason for reason in reasons)


def test_the_report_leaves_out_what_is_no_near_miss():
    def build(b):
        x = b.input("x", (2, 6))
        return b.mul(b.reshape(x, b.constant([3, 4])), b.constant(np.ones((2, 3, 4), np.float32)))

    report = PipelineReport()
    canonicalize(model_of(build), report=report)
    assert {miss.rule for stage in report.stages for miss in stage.misses} == {
        "reshape to the same shape",
        "multiply by one",
        "constant of one number",
    }
    assert {miss.rule for miss in report.misses()} == {"multiply by one"}


def test_signatures_and_bodies_are_carried_along():
    model = model_of(mobilenet)
    body = Builder("body")
    x = body.input("x", (2,))
    model.add(body.finish(body.neg(body.neg(body.exp(x)))))
    model.signatures.append(Signature("serving_default", "main", {"image": 0}, {"scores": 0}))
    canonical = canonicalize(model)
    assert canonical.signatures == model.signatures
    assert expression(canonical.graphs["body"]) == "exp(x)"


def test_an_unchanged_model_keeps_its_names_and_tensors():
    model = model_of(lambda b: b.exp(b.input("x", (2,))))
    model.main.tensors = list(model.main.values())
    assert len(canonicalize(model).main.tensors) == 2
    assert print_model(canonicalize(model)) == print_model(model)


# -- properties --------------------------------------------------------------------------------


def _step(draw, b: Builder, x: Value) -> Value:
    """One random operator on an image [1, H, W, C]."""
    c = x.shape[-1]
    kind = draw(st.sampled_from(STEPS))
    if kind == "conv":
        padding_ = draw(st.sampled_from(list(Padding)))
        return conv(b, x, draw(st.integers(1, 4)), draw(st.integers(1, 2)), 1, padding_)
    if kind == "depthwise":
        return depthwise(b, x)
    if kind == "norm":
        return norm(b, x)
    if kind == "pad":
        pads = [[0, 0], *[[draw(st.integers(0, 1)) for _ in range(2)] for _ in range(2)], [0, 0]]
        return b.pad(x, b.constant(np.array(pads, np.int32)))
    if kind in ("add", "mul", "sub", "div"):
        shape = draw(st.sampled_from([(), (c,), (1, 1, 1, c)]))
        act = draw(st.sampled_from([Activation.NONE, Activation.RELU]))
        constant = b.constant(np.abs(normal(*shape)) + np.float32(0.5))
        return getattr(b, kind)(x, constant, fused_activation_function=act)
    if kind == "gate":
        return b.mul(x, b.mul(b.relu6(b.add(x, b.constant(3.0))), b.constant(1 / 6)))
    if kind == "residual":
        return b.add(x, b.logistic(x))
    if kind == "reshape":
        n, h, w, c = x.shape
        return b.reshape(b.reshape(x, b.constant(ints(h * w, c))), b.constant(ints(n, w, h, c)))
    if kind == "transpose":
        return b.transpose(x, b.constant(ints(0, 2, 1, 3)))
    if kind == "dense":
        y = b.fully_connected(x, b.constant(normal(3, c)))
        return b.reshape(y, b.constant(ints(*[int(d) for d in x.shape[:-1]], 3)))
    if kind in ("maximum", "minimum"):
        return getattr(b, kind)(x, b.constant(0.0 if kind == "maximum" else 6.0))
    return getattr(b, kind)(x)


STEPS = [
    *("conv", "depthwise", "norm", "pad", "add", "mul", "sub", "div", "gate", "residual"),
    *("reshape", "transpose", "dense", "maximum", "minimum", "relu", "relu6", "neg"),
]


@st.composite
def models(draw) -> Model:
    """Chains of operators with skip connections, one or two outputs."""
    b = Builder()
    x = b.input("x", (1, draw(st.integers(2, 5)), draw(st.integers(2, 5)), draw(st.integers(1, 3))))
    values = [x]
    for _ in range(draw(st.integers(1, 10))):
        values.append(_step(draw, b, values[-1]))
        last = values[-1]
        twins = [v for v in values[:-1] if v.type == last.type]
        if twins and draw(st.booleans()):
            values.append(b.add(last, draw(st.sampled_from(twins))))
    outputs = [values[-1], *([values[len(values) // 2]] if draw(st.booleans()) else [])]
    model = Model()
    model.add(b.finish(*dict.fromkeys(outputs)))
    return model


@pytest.mark.ci
@settings(max_examples=60, deadline=None)
@given(models())
def test_canonical_is_a_fixed_point_with_the_same_numbers(model):
    before = print_model(model)
    once = canonicalize(model, check_each=True)
    assert print_model(model) == before
    assert print_model(canonicalize(once)) == print_model(once)
    assert len(once.main) <= len(model.main)
    lowered = to_tflite(once, check_each=True)
    x = normal(*[int(d) for d in model.main.inputs[0].shape])
    wanted = evaluate(model.main, [x])
    for graph in (once.main, lowered.main):
        for a, c in zip(wanted, evaluate(graph, [x]), strict=True):
            scale = max(float(np.abs(a).max(initial=0)), 1.0)
            np.testing.assert_allclose(c, a, rtol=0, atol=1e-3 * scale)


def test_values_of_unknown_rank_are_left_alone(tmp_path):
    b = Builder()
    x = b.input("x", (1, 4, 4, 2))
    y = b.conv_2d(x, b.constant(np.ones((2, 1, 1, 2), np.float32)))
    y = b.mean(b.transpose(y, b.constant([0, 3, 1, 2])), b.constant([2]))
    model = Model()
    model.add(b.finish(y))
    x.type = x.type.with_shape(None)
    infer_graph(model.main)
    done = canonicalize(model)
    assert len(done.main) == 3
    assert done.save(tmp_path / "m.tflite")  # versions of operators are found without a rank
