"""passes/report.py: the account that `edgewise convert -v` prints."""

import numpy as np
import pytest

from edgewise.ir import Model
from edgewise.passes import PipelineReport, canonicalize, to_tflite
from edgewise.passes.report import counted
from tests.passes.example import model_of, normal

LINES = """\
8 operators became 5
     2 batch norms folded into the operator before             -2
     1 activation fused into the operator before               -1
     2 repeated constants stored once
     1 scale of batch norms folded into the operator after
     1 convolution given the bias that LiteRT needs

Not done, and why:
  batch norm into the operator before
     1 x the result of conv_2d 'a' is also read by neg 'neg'
         at batch_norm 'a_bn'
  batch norm into the operator after
     1 x conv_2d 'batch_norm' pads with zeros, which the offset does not reach
         at conv_2d 'batch_norm'"""
BY_NODE = """\
         conv_2d 'b' + batch_norm 'batch_norm' -> conv_2d 'batch_norm'
         conv_2d 'c' + batch_norm 'batch_norm_1' -> conv_2d 'batch_norm_1'
         conv_2d 'batch_norm_1' + relu 'relu' -> conv_2d 'relu'
         batch_norm 'a_bn' + conv_2d 'batch_norm' -> add + conv_2d 'batch_norm'
         conv_2d 'a' -> conv_2d 'a'"""


def small(b):
    """Three convolutions with a batch norm each; the first is read by something else, too."""
    p = [b.constant(np.full(4, 0.5, np.float32)) for _ in range(2)]

    def norm(x, label=""):
        return b.batch_norm(x, None, None, *p, label=label)

    def conv(x, label):
        return b.conv_2d(x, b.constant(normal(4, 3, 3, x.shape[-1])), label=label)

    x = b.input("x", (1, 9, 9, 3))
    a = conv(x, "a")
    y = norm(conv(norm(a, label="a_bn"), "b"))
    return b.relu(norm(conv(y, "c"))), b.neg(a)


def report_of(model: Model) -> PipelineReport:
    report = PipelineReport()
    to_tflite(canonicalize(model, report=report), report=report)
    return report


def test_an_account():
    assert str(report_of(model_of(small))) == LINES


def test_by_node():
    text = report_of(model_of(small)).account(nodes=True).splitlines()
    assert [line for line in text if " -> " in line] == BY_NODE.splitlines()
    assert [line for line in text if " -> " not in line] == LINES.splitlines()


def test_the_lines_add_up():
    report = report_of(model_of(small))
    growth = sum(sum(stage.growth.values()) for stage in report.stages)
    assert report.after - report.before == growth


def many(b):
    """Five products whose factor broadcasts them, and one of another kind."""
    rows = [b.input(f"x{i}", (1, 3)) for i in range(5)]
    ones = b.constant(np.ones((2, 3), np.float32))
    wide = [b.mul(x, ones, label=f"m{i}") for i, x in enumerate(rows)]
    return *wide, b.mul(rows[0], b.constant(np.ones((4, 1, 3), np.float32)), label="rank")


def test_near_misses_of_a_kind_are_one_line():
    lines = str(report_of(model_of(many))).partition("why:\n")[2].splitlines()
    changes = "the shape changes, or may change, from float32[1,3] to"
    assert lines == [
        "  multiply by one",
        f"     5 x {changes} float32[2,3]",
        "         at mul 'm0', mul 'm1', mul 'm2' and 2 more",
        f"     1 x {changes} float32[4,1,3]",
        "         at mul 'rank'",
    ]


@pytest.mark.parametrize(("count", "text"), [(0, "gelus"), (1, "gelu"), (2, "gelus")])
def test_counted(count, text):
    assert counted(count, "gelu[s]") == text
