"""passes/splats.py: large constants of one number."""

import numpy as np
import pytest

import edgewise
import edgewise.api
from edgewise.ir import Builder, Model
from edgewise.ir.evaluate import evaluate
from edgewise.passes import PipelineReport, to_tflite
from edgewise.passes.splats import fill_splats
from tests.passes.example import check, expression, graph_of, quantized, same_numbers

LARGE = (130, 256)


def joined(data, quant=None, op="concatenation", name=""):
    """A large constant behind an input."""

    def build(b):
        c = b.constant(data, quant=quant, name=name)
        dtype = c.dtype
        x = b.input("x", (1, 256), dtype, quant)
        if op == "read":
            return b.concatenation(x, c, axis=0), c
        if op == "weights":
            return b.fully_connected(x, c)
        return b.concatenation(x, c, axis=0)

    return build


@pytest.mark.parametrize(
    "data", [np.zeros(LARGE, np.float32), np.full(LARGE, 7, np.int64), np.full(LARGE, -0.0, "f4")]
)
def test_becomes_fill(data):
    graph = graph_of(joined(data))
    changed = graph.copy()
    assert fill_splats(changed).counts == {"fill": 1}
    check(changed)
    assert expression(changed).startswith("concatenation(x, fill({130, 256}, ")
    same_numbers(graph, changed, 0)
    (filled,) = (node for node in changed.nodes if node.op.name == "fill")
    assert filled.operand(1).data.tobytes() == data.flat[0].tobytes()


@pytest.mark.parametrize(
    "build",
    [
        joined(np.zeros((60, 256), np.float32)),  # 61 kB
        joined(np.pad(np.zeros((129, 256), np.float32), ((0, 1), (0, 0)), constant_values=1)),
        joined(
            np.where(np.arange(256) < 20, 0.0, -0.0).astype(np.float32).repeat(130).reshape(LARGE)
        ),
        joined(np.zeros((600, 256), np.int8), quantized()),
        joined(np.zeros(LARGE, np.float32), op="read"),
        joined(np.zeros(LARGE, np.float32), op="weights"),
    ],
    ids=["small", "differs", "signs", "scaled", "output", "weights"],
)
def test_stays_a_constant(build):
    graph = graph_of(build)
    before = expression(graph)
    assert fill_splats(graph).counts.total() == 0
    assert expression(graph) == before


def test_a_file_has_one_number_and_runs():
    b = Builder()
    x = b.input("x", (1, 256))
    state = b.constant(np.full(LARGE, 0.5, np.float32), name="state")
    model = Model()
    model.add(b.finish(b.concatenation(x, state, axis=0)))
    report = PipelineReport()
    to_tflite(model, report=report)
    assert "1 large constant of one number written as FILL" in str(report)
    data = model.to_bytes()
    assert len(data) < 2000
    loaded = edgewise.load(data)
    given = np.arange(256, dtype=np.float32)[None]
    (y,) = edgewise.Interpreter(loaded)(given).values()
    np.testing.assert_array_equal(y, evaluate(model.main, [given])[0])
