"""A real model with an operator of MediaPipe, which LiteRT's wheel does not have.

LiteRT runs the same network with TRANSPOSE_CONV in its place, and that is what ours is held to.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgewise
from edgewise.ir import TensorType
from edgewise.ir.graph import Value
from edgewise.ops.mediapipe import Convolution2DTransposeBias
from edgewise.ops.transpose_conv import TransposeConv
from tests.oracle.litert import Oracle


@pytest.fixture
def file(shared_data: Path) -> Path:
    return shared_data / "tflite" / "vision" / "selfie_segmentation.tflite"


def translated(file: Path) -> edgewise.Model:
    """The model with MediaPipe's operators as TRANSPOSE_CONV."""
    model = edgewise.load(file)
    graph = model.main
    for node in graph.nodes:
        op = node.op
        if not isinstance(op, Convolution2DTransposeBias):
            continue
        shape = np.array([d for d in node.output.shape if isinstance(d, int)], np.int32)
        size = Value(TensorType.of(shape), "size", shape)
        x, w, bias = node.inputs
        other = graph.insert(
            TransposeConv(padding=op.padding, stride_h=op.stride_h, stride_w=op.stride_w),
            [size, w, x, bias],
            [Value(node.output.type, "replaced")],
            before=node,
        )
        graph.replace(node, other.outputs)
    return model


def pictures(shared_data: Path) -> Iterator[np.ndarray]:
    """Somebody, and nobody."""
    for name in ("person.bmp", "no_person.bmp"):
        picture = Image.open(shared_data / "datasets" / "misc" / name).convert("RGB")
        pixels = np.asarray(picture.resize((256, 256)), np.float32)
        yield pixels[None] / np.float32(255)


@pytest.mark.ci
def test_every_operator_runs_in_a_kernel(file: Path, shared_data: Path) -> None:
    interpreter = edgewise.Interpreter(file)
    other = edgewise.Interpreter(translated(file))
    shares = []
    for x in pictures(shared_data):
        [y], [wanted] = interpreter(x).values(), other(x).values()
        np.testing.assert_array_equal(y, wanted)
        shares.append(float((y > 0.5).mean()))
    assert shares[0] > 0.05 > shares[1]
    assert not [p for p in interpreter.placement() if p.where == "host"]


@pytest.mark.parity
def test_it_agrees_with_litert(file: Path, shared_data: Path, oracle: Oracle) -> None:
    content = translated(file).to_bytes()
    for x in pictures(shared_data):
        answer = oracle.run(content, [x])
        [y] = edgewise.Interpreter(file)(x).values()
        np.testing.assert_allclose(y, answer.outputs[0], rtol=0, atol=3e-4)
