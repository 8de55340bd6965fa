"""What a summary says of a model whose batch is unknown: numbers, not question marks."""

from __future__ import annotations

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.dim import Sym
from edgewise.ir.model import Model


def dense(rows: Sym | int, fixed: int | None = None) -> Model:
    """x [rows, 4] times [4, 3]; with `fixed`, a row of that many numbers is added before."""
    b = Builder()
    x = b.input("x", (rows, 4))
    if fixed is not None:
        x = b.reshape(x, b.constant(np.array([fixed, 4], np.int32)))
    weights = b.constant(np.ones((3, 4), np.float32))
    model = Model()
    model.add(b.finish(b.fully_connected(x, weights, None)))
    return model


def test_work_and_memory_are_those_at_size_1():
    model = dense(Sym("batch"))
    report = model.report()
    assert (report.macs, report.ops[0].macs, report.peak_activation_bytes) == (12, 12, 28)
    assert report.ops[0].outputs[0].shape == ["batch", 3]
    assert model.main.inputs[0].shape[0] == Sym("batch")
    head, row, total = model.summary().splitlines()
    assert head.split() == ["#", "operator", "output", "MACs", "constants"]
    assert row.split() == ["0", "fully_connected", "float32[batch,3]", "12", "48"]
    assert total == (
        "1 operator, 12 MACs, 48 bytes of constants, 28 bytes of activations at the peak "
        "(unknown dimensions as 1)"
    )


def test_a_model_of_known_shapes_assumes_nothing():
    text = dense(2).summary()
    assert "24 MACs" in text
    assert "unknown" not in text


def test_a_model_that_does_not_take_size_1_has_the_work_that_is_known():
    report = dense(Sym("rows"), fixed=5).report()
    assert (report.macs, report.peak_activation_bytes) == (60, None)
