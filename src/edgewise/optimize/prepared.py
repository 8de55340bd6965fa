"""The model as it is measured and quantized: a Model in, one in `.tflite` operators out.

Calibration measures the values of this model, and `quantize` writes scales onto the same ones; a
value is known by its name, which is unique in its graph and the same whenever a model is prepared.
"""

from __future__ import annotations

from edgewise.dtypes import DType
from edgewise.ir.build import name_values
from edgewise.ir.graph import Graph, Value
from edgewise.ir.model import Model
from edgewise.ir.types import TensorType
from edgewise.ops.convert import Dequantize
from edgewise.passes import to_tflite

LITERT = "litert-2.3"  # the release that has to run a model where none is named


def prepare(model: Model, target: str | None = None) -> Model:
    """A copy in the operators that a `.tflite` file holds, every value named.

    Weights that are stored as float16 are float32 again, so that they can become something else.
    Preparing what is prepared changes nothing.

    Args:
        target: the release that has to run it, as in `edgewise.convert`.

    Raises:
        UnsupportedOp: operators that a file cannot hold, or the target does not run.
    """
    prepared = to_tflite(model, target)
    for graph in prepared.graphs.values():
        _widen_halves(graph)
        name_values(graph)
    return prepared


def _widen_halves(graph: Graph) -> None:
    """DEQUANTIZE of a float16 constant -> the constant in float32; no number changes."""
    for node in graph.nodes:
        if not isinstance(node.op, Dequantize) or node.input.dtype is not DType.FLOAT16:
            continue
        half, output = node.input, node.output
        if half.data is None or output.is_output:
            continue
        data = half.data.astype(output.dtype.numpy)
        graph.tensors = []  # positions in a file; no longer true
        graph.replace(node, [Value(TensorType.of(data), output.name, data)])
