"""passes/shapes.py: dimensions that inference knows better than the file."""

from edgewise.dtypes import DType
from edgewise.ir import Builder, Model, Sym
from edgewise.ir.types import TensorType
from edgewise.passes import PipelineReport, canonicalize
from edgewise.passes.shapes import sharpen_shapes
from tests.passes.example import check, expression, ints

FREE = (1, Sym("h"), Sym("w"), 2)


def doubled(size):
    """Two resizes to twice the size, the second to twice the SHAPE of what the first is declared
    as, which says nothing of height and width."""
    b = Builder()
    x = b.input("x", (1, 3, 4, 2))
    free = TensorType(FREE, x.dtype)
    op = b.resize_nearest_neighbor(x, size(b)).producer.op
    y = b.node(op, x, size(b), results=[free]).output
    y.type = free
    sizes = [
        b.strided_slice(
            b.shape(y), *(b.constant(ints(n)) for n in (i, i + 1, 1)), shrink_axis_mask=1
        )
        for i in (1, 2)
    ]
    twice = b.pack(*(b.mul(s, b.constant(ints(2)[0])) for s in sizes))
    z = b.node(op, y, twice, results=[free]).output
    model = Model()
    model.add(b.finish(b.neg(z)))
    return model


def test_what_was_computed_from_a_declared_unknown_is_folded():
    report = PipelineReport()
    model = doubled(lambda b: b.constant(ints(6, 8)))
    changed = canonicalize(model, report=report, check_each=True)
    assert expression(changed.main) == "neg(resize_nearest_neighbor(x, {12, 16}))"
    assert changed.main.outputs[0].shape == (1, 12, 16, 2)
    assert "2 shapes found to be known" in str(report)


def test_what_inference_does_not_know_stays():
    model = doubled(lambda b: b.input("size", (2,), DType.INT32))
    before = [value.type for node in model.main.nodes for value in node.outputs]
    outcome = sharpen_shapes(model.main)
    assert outcome.counts.total() == 0
    assert [value.type for node in model.main.nodes for value in node.outputs] == before
    check(model.main)
