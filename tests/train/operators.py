"""The operators of networks, each alone: what of them may make a difference to the bridge.

    KERAS_BACKEND=tensorflow python -m tests.train.operators

writes `operators.txt` anew: a graph of one operator for each that the zoo and the networks of
`keras.applications`, new and trained, have, in every form it has there (an hour; NASNet is built
on TensorFlow and JAX only). Weights are inputs named `weight` there; the rest are small and stand
in the text.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import edgewise
from edgewise.ir import Graph, Model, Node, Value
from edgewise.ir.parse import parse_model
from edgewise.ir.text import print_model
from edgewise.passes import canonicalize

FILE = Path(__file__).with_name("operators.txt")
WEIGHT = "weight"


def forms(model: Model) -> dict[str, Node]:
    """Operators of the main graph by form, the smallest of each: attributes, ranks and dtypes of
    operands, which sizes are 1, which operands are constant, windows, constant integers, and
    whether a stride meets an odd size."""
    found: dict[str, Node] = {}
    for node in model.main.nodes:
        form = repr((node.op, [_operand(node, value) for value in node.inputs]))
        if form not in found or _elements(node) < _elements(found[form]):
            found[form] = node
    return found


def _operand(node: Node, value: Value | None) -> object:
    if value is None:
        return None
    ones = [size == 1 for size in value.shape]
    if value.data is None:
        steps = getattr(node.op, "stride_h", 1) > 1
        return "data", value.dtype.text, ones, [s % 2 for s in value.shape[1:3]] if steps else []
    if value.dtype.is_integer and node.op.name != "reshape":
        return value.dtype.text, value.data.tolist()
    is_window = len(ones) == 4 and hasattr(node.op, "stride_h")
    return "constant", value.dtype.text, ones, value.shape[1:3] if is_window else ()


def _elements(node: Node) -> int:
    return sum(int(np.prod(value.shape)) for value in node.inputs if value is not None)


def alone(node: Node) -> Model:
    """A model of this operator, whose weights are inputs."""
    graph = Graph(node.op.name)
    operands: list[Value | None] = []
    for place, value in enumerate(node.inputs):
        if value is None:
            operands.append(None)
            continue
        is_small = value.data is not None and (value.data.size == 1 or value.dtype.is_integer)
        kind = "known" if is_small else "data" if value.data is None else WEIGHT
        made = Value(value.type, f"{kind}{place}")
        if is_small:
            made.data = value.data
        else:
            graph.inputs.append(made)
        operands.append(made)
    outputs = [Value(v.type, f"result{i}") for i, v in enumerate(node.outputs)]
    graph.insert(node.op, operands, outputs)
    graph.set_outputs(outputs)
    model = Model()
    model.add(graph)
    return model


def read() -> dict[str, Model]:
    """The models of FILE by name, with weights."""
    found = {}
    for text in FILE.read_text("utf-8").split("\n\n"):
        model = canonicalize(_weighted(parse_model(text)))
        found[model.main.name] = model
    return found


def _weighted(model: Model) -> Model:
    """Numbers for the inputs that are weights, near those of a network in training."""
    rng = np.random.default_rng(8)
    graph = model.main
    for value in [v for v in graph.inputs if v.name.startswith(WEIGHT)]:
        graph.inputs.remove(value)
        low = -1.0 if len(value.shape) > 1 else 0.5  # there are variances among vectors
        scale = np.sqrt(max(1, np.prod(value.shape[1:])))
        value.data = (rng.uniform(low, 1, value.shape) / scale).astype(value.dtype.numpy)
    return model


def main() -> None:
    """Write FILE."""
    smallest: dict[str, tuple[int, Model]] = {}
    for network in _networks():
        for form, node in forms(network).items():
            if form not in smallest or _elements(node) < smallest[form][0]:
                smallest[form] = _elements(node), alone(node)
    counts: dict[str, int] = {}
    texts = []
    for form in sorted(smallest):
        model = smallest[form][1]
        name = model.main.name
        counts[name] = counts.get(name, 0) + 1
        texts.append(print_model(model).replace(f"@{name} ", f"@{name}.{counts[name]} "))
    FILE.write_text("\n".join(texts), "utf-8")


def _networks() -> Iterator[Model]:
    from tests.train import drawn

    for name in drawn.NAMES:
        yield drawn.network(name)
    import keras

    from tests.e2e.applications import CASES

    rng = np.random.default_rng(8)
    for case in CASES.values():
        sys.stderr.write(f"{case.name}\n")
        network = getattr(keras.applications, case.network)(**case.arguments())
        yield canonicalize(edgewise.convert(network, inputs=(1, *case.size, 3)))
        for weight in network.weights:  # biases and means of new networks are 0, and folded away
            weight.assign(rng.uniform(0.5, 1, weight.shape))
        for layer in network.layers:
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()
        yield canonicalize(edgewise.convert(network, inputs=(1, *case.size, 3)))
        keras.backend.clear_session()
        gc.collect()


if __name__ == "__main__":
    main()
