"""Kernels that choose boxes, on as many as networks have: the reference's choice, and its order."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import ShapeError
from edgewise.ir import Builder, Quant
from edgewise.ir.evaluate import evaluate
from edgewise.ir.graph import Graph
from edgewise.ops.boxes import NonMaxSuppressionV4, NonMaxSuppressionV5
from edgewise.ops.detection import DetectionPostProcess
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import host_isa
from edgewise.runtime.plan import Target
from edgewise.runtime.planner import plan
from tests.isas import ISAS


def same(graph: Graph, inputs: list[np.ndarray], tolerance: float) -> None:
    wanted = evaluate(graph, inputs)
    for isa in ISAS:
        made = plan(graph, Target(isa))
        assert {p.where for p in made.placement} == {"kernel"}
        for got, y in zip(Executor(made).run(inputs, {}), wanted, strict=True):
            np.testing.assert_allclose(got, y, rtol=0, atol=tolerance)


def scores(seed: int, shape: tuple[int, ...], steps: int) -> np.ndarray:
    """With many ties: of so many different numbers."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, steps, shape) / steps).astype(np.float32)


@pytest.mark.parametrize("sigma", [None, 0.0, 0.4])
def test_non_max_suppression(sigma: float | None) -> None:
    rng = np.random.default_rng(3)
    centres, sides = rng.random((300, 2)), rng.random((300, 2)) * 0.3
    corners = np.concatenate([centres - sides, centres + sides], 1).astype(np.float32)
    corners[::7] = corners[::7, [2, 1, 0, 3]]  # corners in another order
    corners[5, 2] = np.nan
    rated = scores(4, (300,), 40)
    rated[9] = np.nan
    b = Builder()
    x, s = b.input("boxes", (300, 4)), b.input("scores", (300,))
    limits = [b.constant(np.float32(n), name=f"limit{n}") for n in (0.35, 0.1)]
    limits += [] if sigma is None else [b.constant(np.float32(sigma), name="sigma")]
    op = NonMaxSuppressionV4() if sigma is None else NonMaxSuppressionV5()
    size = b.constant(np.int32(80), name="size")
    graph = b.finish(*b.node(op, x, s, size, *limits).outputs)
    same(graph, [corners, rated], 1e-6)


@pytest.mark.parametrize("is_stored", [False, True])
@pytest.mark.parametrize("is_regular", [False, True])
def test_detection(is_regular: bool, is_stored: bool) -> None:
    rng = np.random.default_rng(5)
    centres = rng.random((400, 2))
    anchors = np.concatenate([centres, rng.uniform(0.05, 0.4, (400, 2))], 1).astype(np.float32)
    op = DetectionPostProcess(
        max_detections=30,
        max_classes_per_detection=2,
        detections_per_class=9,
        use_regular_nms=is_regular,
        nms_score_threshold=0.6,
        nms_iou_threshold=0.45,
        num_classes=11,
        y_scale=10.0,
        x_scale=10.0,
        h_scale=5.0,
        w_scale=5.0,
    )
    b = Builder()
    if is_stored:
        x = b.input("x", (1, 400, 4), DType.UINT8, Quant(0.05, 128))
        s = b.input("s", (1, 400, 12), DType.UINT8, Quant(1 / 256, 3))
        inputs = [rng.integers(0, 256, v.shape).astype(np.uint8) for v in (x, s)]
        stored = np.clip(np.rint(anchors * 255), 0, 255).astype(np.uint8)
        places = b.constant(stored, name="anchors", quant=Quant(1 / 255))
    else:
        x, s = b.input("x", (1, 400, 4)), b.input("s", (1, 400, 12))
        inputs = [rng.normal(size=(1, 400, 4)).astype(np.float32), scores(6, (1, 400, 12), 200)]
        inputs[1][0, 17] = np.nan
        places = b.constant(anchors, name="anchors")
    graph = b.finish(*b.node(op, x, s, places).outputs)
    count = evaluate(graph, inputs)[3]
    assert count[0] == 30, "the choice is not trivial"
    same(graph, inputs, 1e-6)


@pytest.mark.parametrize("is_computed", [False, True])
def test_anchors_turned_inside_out_are_refused(is_computed: bool) -> None:
    op = DetectionPostProcess(
        max_detections=1,
        max_classes_per_detection=1,
        num_classes=1,
        nms_iou_threshold=0.5,
        y_scale=1.0,
        x_scale=1.0,
        h_scale=1.0,
        w_scale=1.0,
    )
    turned, b = np.array([[0, 0, 1, -1]], np.float32), Builder()
    anchors = b.input("anchors", (1, 4)) if is_computed else b.constant(turned, name="anchors")
    x, s = b.input("x", (1, 1, 4)), b.input("s", (1, 1, 1))
    graph = b.finish(*b.node(op, x, s, anchors).outputs)
    made = plan(graph, Target(host_isa()))
    assert [p.where for p in made.placement] == ["kernel"]
    inputs = [turned] * is_computed + [np.zeros((1, 1, n), np.float32) for n in (4, 1)]
    for run in (partial(evaluate, graph, inputs), partial(Executor(made).run, inputs, {})):
        with pytest.raises(ShapeError, match="must have positive sides"):
            run()
