"""A `.tflite` file and the Keras model that it was made from end in the same plan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.ir import Model
from edgewise.runtime.library import host_isa
from edgewise.runtime.plan import Kernel, Target
from edgewise.runtime.planner import plan
from edgewise.runtime.specialize import specialize

PAIRS = {
    "bench/tiny_ae/m.keras": "bench/tiny_ae/f32.tflite",
    "bench/tiny_dscnn/m.keras": "bench/tiny_dscnn/f32.tflite",
    "bench/tiny_resnet8/m.keras": "bench/tiny_resnet8/f32.tflite",
    "bench/tiny_vww/m.keras": "bench/tiny_vww/f32.tflite",
    "keras/mnist_valid.h5": "tflite/micro/mnist_valid_f.tflite",
    "keras/mnist_dw.h5": "tflite/micro/mnist_dw_f.tflite",
    "keras/mbnet128_0.25.h5": "tflite/classify/mbnet128_0.25_f.tflite",
    "keras/pretrainedResnet.h5": "tflite/mlperf_tiny/pretrainedResnet.tflite",
}


def structure(model: Model) -> list[tuple[object, ...]]:
    """Kernels with the shapes they read and write, for a batch of one, sorted: of two branches,
    either may come first."""
    graph = model.main
    inputs = [
        np.zeros([d if isinstance(d, int) else 1 for d in v.shape], v.dtype.numpy)
        for v in graph.inputs
    ]
    steps = plan(specialize(graph, inputs)[0], Target(host_isa())).steps
    kernels = [step for step in steps if isinstance(step, Kernel)]
    assert len(kernels) == len(steps)
    return sorted((k.name, *[_dense(o.shape) for o in k.operands]) for k in kernels)


def _dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without dimensions of 1, which move nothing."""
    return tuple(d for d in shape if d != 1)


@pytest.mark.ci
@pytest.mark.parametrize(("source", "file"), PAIRS.items(), ids=lambda path: Path(path).stem)
def test_source_and_file_end_in_one_plan(source: str, file: str, shared_data: Path) -> None:
    assert structure(edgewise.convert(shared_data / source)) == structure(
        edgewise.load(shared_data / file)
    )
