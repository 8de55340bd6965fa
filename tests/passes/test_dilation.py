"""Rules of passes/dilation.py."""

import numpy as np
import pytest

from edgewise.ir.enums import Padding
from edgewise.passes.dilation import DILATIONS
from tests.passes.example import Example, Twin, declines, ints, normal, shows

RULE = ("dilation by space_to_batch",)


def pairs(b, *rows):
    return b.constant(np.array(rows, np.int32))


def by_hand(pads, crops, *, block=(2, 2), back=None, size=(7, 8), kernel=3, depthwise=False):
    """TensorFlow's `with_space_to_batch`."""

    def build(b):
        x = b.input("x", (2, *size, 3))
        cut = b.space_to_batch_nd(x, b.constant(ints(*block)), pairs(b, *pads))
        w = b.constant(normal(1 if depthwise else 4, kernel, kernel, 3))
        y = (b.depthwise_conv_2d if depthwise else b.conv_2d)(cut, w, padding=Padding.VALID)
        return b.batch_to_space_nd(y, b.constant(ints(*(back or block))), pairs(b, *crops))

    return build


def text(w, pads, crops, op="conv_2d", block="{2, 2}"):
    pads, crops = ("{" + ", ".join(str(n) for row in p for n in row) + "}" for p in (pads, crops))
    cut = f"space_to_batch_nd(x, {block}, {pads})"
    return f"batch_to_space_nd({op}({cut}, {w}, padding=VALID), {block}, {crops})"


DILATED = "dilation_w_factor=2, dilation_h_factor=2"
# SAME on 7 rows and 8 columns with a reach of 4: two on both sides, the rest fills the blocks
SAME = ((2, 3), (2, 2)), ((0, 1), (0, 0))
VALID = ((0, 1), (0, 0)), ((0, 1), (0, 0))
OTHER = ((3, 2), (1, 1)), ((0, 0), (0, 0))
EXAMPLES = [
    Example(
        by_hand(*SAME),
        text("[4,3,3,3]", *SAME),
        f"conv_2d(x, [4,3,3,3], {DILATED})",
        RULE,
        1e-6,
    ),
    Example(
        by_hand(*VALID, depthwise=True),
        text("[1,3,3,3]", *VALID, op="depthwise_conv_2d"),
        f"depthwise_conv_2d(x, [1,3,3,3], padding=VALID, {DILATED})",
        RULE,
        1e-6,
    ),
    Example(
        by_hand(*OTHER),
        text("[4,3,3,3]", *OTHER),
        f"conv_2d(pad(x, {{0, 0, 3, 2, 1, 1, 0, 0}}), [4,3,3,3], padding=VALID, {DILATED})",
        RULE,
        1e-6,
    ),
]
TWINS = [
    Twin(by_hand(*OTHER, back=(1, 4)), RULE[0], "are not those of the result"),
    Twin(by_hand(OTHER[0], ((1, 0), (0, 0))), RULE[0], "it takes 1 results off in front"),
    Twin(by_hand(OTHER[0], ((0, 3), (0, 0))), RULE[0], "do not end where a dilated"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.after)
def test_rewrites(example):
    shows(example, DILATIONS)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.rule}-{t.reason}")
def test_must_not_match(twin):
    declines(twin, DILATIONS)
