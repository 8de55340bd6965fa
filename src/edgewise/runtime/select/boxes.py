"""Kernels that choose boxes: NON_MAX_SUPPRESSION_V4, V5 and TFLite_Detection_PostProcess."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.graph import Node, Value
from edgewise.ir.types import TensorType
from edgewise.ops.boxes import NonMaxSuppressionV5
from edgewise.ops.convert import Dequantize
from edgewise.ops.detection import DetectionPostProcess
from edgewise.runtime.calls import Call, Selection, Site, require, scale, shape_of, zero_point
from edgewise.runtime.library import Number, pack
from edgewise.runtime.select.convert import dequantize
from edgewise.values import replace

CANDIDATE = 12  # bytes of scratch


def non_max_suppression(site: Site) -> Selection:
    """Thresholds may be computed; how many boxes there are at most is in the result's shape."""
    node, is_soft = site.node, isinstance(site.node.op, NonMaxSuppressionV5)
    boxes, size = shape_of(node.operand(0))[0], shape_of(node.outputs[0])[0]
    params = pack("ew_non_max_suppression", {"boxes": boxes, "size": size, "is_soft": int(is_soft)})
    read = (0, 1, 3, 4, 5) if is_soft else (0, 1, 3, 4)
    operands: list[Value] = [node.operand(i) for i in read]
    return [
        Call(
            "non_max_suppression_f32",
            params,
            (*operands, *node.outputs),
            1,
            CANDIDATE * max(boxes, 1),
            results=len(node.outputs),
        )
    ]


def detection(site: Site) -> Selection:
    """Anchors are constants or computed; the kernel refuses boxes turned inside out."""
    op, node = site.node.op, site.node
    assert isinstance(op, DetectionPostProcess)
    encodings, scores = node.operand(0), node.operand(1)
    anchors, before = _floats(site, node.operand(2))
    boxes, width = shape_of(encodings)[1:]
    fields: dict[str, Number] = {
        "boxes": boxes,
        "width": width,
        "columns": shape_of(scores)[2],
        "classes": op.num_classes,
        "is_regular": int(op.use_regular_nms),
        "most": op.max_detections,
        "most_classes": op.max_classes_per_detection,
        "per_class": max(op.detections_per_class, 0),
        "least": op.nms_score_threshold,
        "overlap": op.nms_iou_threshold,
    }
    for name, value in (("box", encodings), ("score", scores)):
        fields |= _stored(name, value)
    scales = [op.y_scale, op.x_scale, op.h_scale, op.w_scale]
    params = pack("ew_detection", {**fields, "scale": scales})
    scratch = 16 + (16 + 2 * CANDIDATE) * boxes + CANDIDATE * op.max_detections
    operands: list[Value | np.ndarray] = [encodings, scores, anchors, *node.outputs]
    return [*before, Call("detection_postprocess", params, tuple(operands), 1, scratch, results=4)]


def _floats(site: Site, anchors: Value) -> tuple[Value | np.ndarray, Sequence[Call]]:
    """Anchors in float32, and the call that dequantizes computed ones."""
    stored, is_stored = site.known(anchors), anchors.dtype is DType.UINT8
    if stored is not None:
        if anchors.quant is not None and is_stored:
            stored = anchors.quant.dequantize(stored)
        return np.ascontiguousarray(stored, np.float32), ()
    if not is_stored:
        return anchors, ()
    y = Value(TensorType(anchors.shape, DType.FLOAT32), "anchors")
    return y, dequantize(replace(site, node=Node(Dequantize(), [anchors], [y])))


def _stored(name: str, value: Value) -> dict[str, Number]:
    is_stored = value.dtype is DType.UINT8
    require(not is_stored or value.quant is not None, f"{value.name!r} has no scale")
    return {
        f"is_{name}_stored": int(is_stored),
        f"{name}_scale": float(scale(value.type)) if is_stored else 1.0,
        f"{name}_zero": float(zero_point(value.type)) if is_stored else 0.0,
    }
