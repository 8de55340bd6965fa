"""The rule of passes/batch_norm.py: what exporters write of a norm before a RELU is whole again."""

import numpy as np
import pytest

from edgewise.ir.enums import Activation
from edgewise.passes.batch_norm import RECTIFIED_NORMS
from edgewise.passes.pipeline import canonicalize, to_tflite
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

X = (2, 5, 6, 4)
NAME = "batch norm before RELU"
NORM = "relu(batch_norm(x, [4], [4], [4], [4], epsilon=0.0))"


def scaled(b, scale=None, offset=None, **attributes):
    scale = normal(4) if scale is None else scale
    offset = normal(4) if offset is None else offset
    return b.add(b.mul(b.input("x", X), b.constant(scale)), b.constant(offset), **attributes)


EXAMPLES = [
    Example(
        lambda b: b.relu(scaled(b)),
        "relu(add(mul(x, [4]), [4]))",
        NORM,
        (NAME,),
    ),
    # center=False leaves one offset for all channels now and then; [1, 1, 1, C] is a vector, too
    Example(
        lambda b: b.relu(scaled(b, normal(1, 1, 1, 4), np.float32(-0.5))),
        "relu(add(mul(x, [1,1,1,4]), -0.5))",
        NORM,
        (NAME,),
    ),
]

TWINS = [
    Twin(
        lambda b: b.relu(scaled(b, np.float32(2), np.float32(-1))),
        NAME,
        "scale and offset are one number each",
    ),
    Twin(
        lambda b: b.relu(scaled(b, normal(6, 1))),
        NAME,
        "is not one number per channel [4]",
    ),
    Twin(
        lambda b: b.relu(scaled(b, offset=normal(3, 1, 1, 1, 4))),
        NAME,
        "the shape changes",
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, RECTIFIED_NORMS)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: t.reason)
def test_must_not_match(twin):
    declines(twin, RECTIFIED_NORMS)


def test_its_scale_goes_into_the_operator_after():
    """As that of a batch norm in a Keras file, and like that only when a file is written."""

    def build(b):
        y = b.relu(scaled(b, np.abs(normal(4)) + 0.1))
        return b.conv_2d(y, b.constant(normal(6, 3, 3, 4)), b.constant(normal(6)))

    model = model_of(build)
    canonical = canonicalize(model, check_each=True)
    assert "batch_norm" in expression(canonical.main)
    written = to_tflite(canonical, check_each=True)
    assert expression(written.main) == "conv_2d(add(x, [4], RELU), [6,3,3,4], [6])"
    same_numbers(model.main, written.main, 1e-5)


def test_a_norm_that_stays_is_written_as_it_was():
    model = model_of(lambda b: b.relu(scaled(b)))
    written = to_tflite(canonicalize(model), check_each=True)
    assert expression(written.main) == "add(mul(x, [4]), [4], RELU)"
    same_numbers(model.main, written.main, 0)


def test_files_keep_their_fused_activations():
    model = model_of(lambda b: scaled(b, fused_activation_function=Activation.RELU))
    assert expression(canonicalize(model).main) == "add(mul(x, [4]), [4], RELU)"
