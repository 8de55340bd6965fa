"""Rules of passes/prescale.py and norms.py on scales that padding or RELU stands behind."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Sym
from edgewise.ir.enums import Activation, Padding
from edgewise.passes.norms import NORMS
from edgewise.passes.pipeline import canonicalize, to_tflite
from edgewise.passes.prescale import PRESCALE
from tests.passes.example import (
    Example,
    Twin,
    declines,
    expression,
    model_of,
    normal,
    same_numbers,
    shows,
)

RULES = [*PRESCALE, *NORMS]
X = (2, 5, 6, 4)
PADS = np.array([[0, 0], [1, 0], [1, 0], [0, 0]], np.int32)
PADDED = "pad({}, {{0, 0, 1, 0, 1, 0, 0, 0}})"
CONV = "conv_2d({}, [6,3,3,4], [6])"
CLOSE = 1e-5
SCALE = ("scale before an offset into the operator after",)
PADDED_SCALE = ("scale before an offset through the pad",)
RELU_NORM = ("scale of a batch norm through RELU into the operator after",)
PADDED_NORM = ("scale of a batch norm through RELU and pad",)
NORM = ("scale of a batch norm into the operator after",)
LAYER = ("gamma and beta into the operators after",)


def conv(b, x, **attributes):
    return b.conv_2d(x, b.constant(normal(6, 3, 3, 4)), b.constant(normal(6)), **attributes)


def pad(b, x):
    return b.pad(x, b.constant(PADS))


def affine(b, x, scale=None, offset=None):
    scale = normal(4) if scale is None else scale
    offset = normal(4) if offset is None else offset
    return b.add(b.mul(x, b.constant(scale)), b.constant(offset))


def norm(b, x, gamma=None):
    gamma = np.abs(normal(4)) + 0.1 if gamma is None else np.array(gamma, np.float32)
    others = [b.constant(a) for a in (normal(4), normal(4), np.abs(normal(4)) + 0.1)]
    return b.batch_norm(x, b.constant(gamma), *others)


def layer_norm(b, x, *, gamma=True, beta=True, **attributes):
    channels = x.shape[-1]
    return b.layer_norm(
        x,
        b.constant(normal(channels)) if gamma else None,
        b.constant(normal(channels)) if beta else None,
        **attributes,
    )


def dense(b, x, outputs=6):
    w = b.constant(normal(outputs, x.shape[-1]))
    return b.fully_connected(x, w, b.constant(normal(outputs)), keep_num_dims=True)


def readers(*functions):
    """One layer norm, read by each of the functions."""

    def build(b):
        y = layer_norm(b, b.input("x", (3, 4)))
        return [function(b, y) for function in functions]

    return build


EXAMPLES = [
    Example(
        lambda b: conv(b, affine(b, b.input("x", X))),
        CONV.format("add(mul(x, [4]), [4])"),
        CONV.format("add(x, [4])"),
        SCALE,
        CLOSE,
    ),
    # Rescaling(1 / 127.5, offset=-1): one number stays one
    Example(
        lambda b: conv(b, affine(b, b.input("x", X), np.float32(1 / 127.5), np.float32(-1))),
        CONV.format("add(mul(x, 0.007843), -1)"),
        CONV.format("add(x, -127.5)"),
        SCALE,
        CLOSE,
    ),
    Example(
        lambda b: conv(b, pad(b, affine(b, b.input("x", X))), padding=Padding.VALID),
        CONV.format(PADDED.format("add(mul(x, [4]), [4])"))[:-1] + ", padding=VALID)",
        CONV.format(PADDED.format("add(x, [4])"))[:-1] + ", padding=VALID)",
        PADDED_SCALE,
        CLOSE,
    ),
    # DenseNet and ResNet V2: the norm comes before the convolution
    Example(
        lambda b: conv(b, b.relu(norm(b, b.input("x", X)))),
        CONV.format("relu(batch_norm(x, [4], [4], [4], [4]))"),
        CONV.format("add(x, [4], RELU)"),
        RELU_NORM,
        CLOSE,
    ),
    Example(
        lambda b: conv(b, pad(b, b.relu(norm(b, b.input("x", X)))), padding=Padding.VALID),
        CONV.format(PADDED.format("relu(batch_norm(x, [4], [4], [4], [4]))"))[:-1]
        + ", padding=VALID)",
        CONV.format(PADDED.format("add(x, [4], RELU)"))[:-1] + ", padding=VALID)",
        PADDED_NORM,
        CLOSE,
    ),
    # without a RELU, scales may be negative
    Example(
        lambda b: conv(b, norm(b, b.input("x", X), [1, -2, 3, -4])),
        CONV.format("batch_norm(x, [4], [4], [4], [4])"),
        CONV.format("add(x, [4])"),
        NORM,
        CLOSE,
    ),
    Example(
        lambda b: dense(b, layer_norm(b, b.input("x", (3, 4)))),
        "fully_connected(layer_norm(x, [4], [4]), [6,4], [6], keep_num_dims=True)",
        "fully_connected(layer_norm(x), [6,4], [6], keep_num_dims=True)",
        LAYER,
        CLOSE,
    ),
    # padding lets a scale pass, if not an offset
    Example(
        lambda b: conv(b, layer_norm(b, b.input("x", X), beta=False)),
        CONV.format("layer_norm(x, [4])"),
        CONV.format("layer_norm(x)"),
        LAYER,
        CLOSE,
    ),
    Example(
        readers(dense, lambda b, y: dense(b, y, 5)),
        "fully_connected(layer_norm(x, [4], [4]), [6,4], [6], keep_num_dims=True); "
        "fully_connected(layer_norm(x, [4], [4]), [5,4], [5], keep_num_dims=True)",
        "fully_connected(layer_norm(x), [6,4], [6], keep_num_dims=True); "
        "fully_connected(layer_norm(x), [5,4], [5], keep_num_dims=True)",
        LAYER,
        CLOSE,
    ),
]


def computed(b, x):
    """A batch norm of computed parameters."""
    return b.batch_norm(x, b.abs(b.input("g", (4,))), *[b.constant(np.ones(4, np.float32))] * 3)


def tied(b):
    """The matrix of the last layer is the table of embeddings, and too large to copy."""
    table = b.constant(normal(3000, 8))
    x = layer_norm(b, b.gather(table, b.input("ids", (5,), DType.INT32)))
    return b.fully_connected(x, table)


TWINS = [
    Twin(tied, LAYER[0], "are also read by gather"),
    Twin(
        lambda b: conv(b, affine(b, b.input("x", X), np.float32([1, 0, 1, 1]))),
        SCALE[0],
        "the scale of a channel is 0",
    ),
    Twin(
        lambda b: conv(b, affine(b, b.input("x", X), offset=normal(5, 6, 4))),
        SCALE[0],
        "is not one number per channel [4]",
    ),
    Twin(
        lambda b: conv(b, affine(b, b.input("x", (1, 1, 6, 4)), offset=normal(1, 5, 1, 1))),
        SCALE[0],
        "is not one number per channel [4]",
    ),
    Twin(
        lambda b: conv(
            b,
            pad(b, affine(b, b.input("x", X), np.float32([1e-38, 1, 1, 1]), normal(4) + 9)),
            padding=Padding.VALID,
        ),
        PADDED_SCALE[0],
        "so small that its offset cannot be divided",
    ),
    Twin(
        lambda b: conv(b, b.relu(norm(b, b.input("x", X), [1, -2, 0, 4]))),
        RELU_NORM[0],
        "2 channels have a scale of 0 or below",
    ),
    Twin(
        lambda b: conv(b, pad(b, b.relu(computed(b, b.input("x", X)))), padding=Padding.VALID),
        PADDED_NORM[0],
        "gamma of",
    ),
    Twin(
        lambda b: conv(b, norm(b, b.input("x", X), [1, -2, 0, 4])),
        NORM[0],
        "the scale of a channel is 0",
    ),
    Twin(readers(dense, lambda b, y: b.exp(y)), LAYER[0], "is also read by exp"),
    Twin(readers(dense, lambda b, y: y), LAYER[0], "is also read by the outputs"),
    Twin(
        lambda b: dense(b, layer_norm(b, b.input("x", (3, 4)), gamma=False, beta=False)),
        LAYER[0],
        "has neither gamma nor beta",
    ),
    Twin(
        lambda b: dense(b, b.layer_norm(b.input("x", (3, 4)), b.input("gamma", (4,)))),
        LAYER[0],
        "'gamma' is no constant",
    ),
    Twin(
        lambda b: dense(b, b.layer_norm(b.input("x", (3, 4)), b.constant(normal(3)), axes=(0,))),
        LAYER[0],
        "normalises more than the channels",
    ),
    Twin(
        lambda b: conv(b, layer_norm(b, b.input("x", X))),
        LAYER[0],
        "pads with zeros, which the offset does not reach",
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.before}-{e.applied[0]}")
def test_rewrites(example):
    shows(example, RULES)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.rule}-{t.reason}")
def test_must_not_match(twin):
    declines(twin, RULES)


def test_norms_stay_whole_until_a_file_is_written():
    def build(b):
        x = b.input("x", (Sym("batch"), 5, 6, 4))
        return conv(b, b.relu(norm(b, x)))

    model = model_of(build)
    canonical = canonicalize(model)
    assert "batch_norm" in expression(canonical.main)
    written = to_tflite(canonical, check_each=True)
    assert expression(written.main) == CONV.format("add(x, [4], RELU)")
    same_numbers(model.main, written.main, CLOSE)


def test_readers_of_one_layer_norm_share_it_afterwards():
    model = model_of(readers(dense, dense))
    written = to_tflite(model, check_each=True)
    assert [node.op.name for node in written.main.nodes].count("rsqrt") == 1
    assert len(written.main) == 7 + 2
    same_numbers(model.main, written.main, CLOSE)


def test_a_fused_activation_after_the_offset_stays():
    """relu(x*s + t) with any s: only norms say that s > 0."""

    def build(b):
        y = b.mul(b.input("x", X), b.constant(normal(4)))
        return conv(b, b.add(y, b.constant(normal(4)), fused_activation_function=Activation.RELU))

    model = model_of(build)
    assert expression(canonicalize(model).main) == expression(model.main)
