"""Weights moved to the grid they will be stored on, so that what is lost there is lost least.

In: a float Model, the recipe it will be quantized with, samples. Out: a float Model whose weights
lie on that grid, `w = q * scale`, so that `quantize` finds the same scales and stores q exactly:

    model = compensate(model, "static_wi4_ai8", samples)
    small = quantize(model, "static_wi4_ai8", samples=samples)

Three things are decided for each linear layer, from the moments of what it reads:

- clipping: below 8 bits, a smaller scale than the largest weight asks for, where the sum of squared
  errors is least (each weighed by the power of its input), among 24 ratios from 1 to 0.4;
- rounding: of each weight to the nearest, or for the layer's result (`rounding.py`);
- the bias makes up for the mean of the error, b + (w - q * scale) mean(x). **Source:** Nagel et al.
  (2019), section 4.2, with measured means.

Layers follow each other: each is fitted to what it reads where those before it are on their grid,
and its weights first make up for a part of what is wrong there (`rounding.fitted`). A gate of a
recurrent layer is a linear layer here (`readers.py`). Of more than 127 samples 64 to 127 count,
evenly apart. Layers of more than `_MOST` inputs stay as they are: 8192 take gigabytes, and minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import InputError, QuantizationError, listing
from edgewise.ir.build import name_values
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model
from edgewise.ir.types import TensorType
from edgewise.ir.verify import verify
from edgewise.optimize.equalize import set_constant
from edgewise.optimize.grid import Layer, Rounding
from edgewise.optimize.moments import as_matrix, moments
from edgewise.optimize.observe import Sample, arrays_of
from edgewise.optimize.prepared import LITERT, prepare
from edgewise.optimize.readers import Reader, is_recurrent, readers, vectors
from edgewise.optimize.recipe import Mode, Recipe, Scheme
from edgewise.optimize.rules import narrow, static_scheme
from edgewise.optimize.spared import schemes
from edgewise.optimize.walk import Walk, evenly
from edgewise.passes.linear import LINEAR, layout
from edgewise.passes.target import Target, load_target

Array = np.ndarray
# by a layer (the name of its result), its weights' type and block, after all before it: the
# constants decided, by operand
Fitted = dict[tuple[tuple[str, DType, int], ...], dict[int, Array]]

_ENOUGH = 64  # samples, which are kept
_MOST = 8192  # inputs of an output
_MOST_SHOWN = 10


def compensate(
    model: Model,
    recipe: Recipe | str,
    samples: Iterable[Sample],
    *,
    rounding: Rounding = Rounding.LAYER,
    clip: bool = True,
    correct_biases: bool = True,
    target: str | None = LITERT,
    signature: str | None = None,
    threads: int | None = None,
    known: Fitted | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Model:
    """The float model with weights on the grid of the recipe.

    Only layers that quantization gives symmetric integer weights change, and of those the ones
    whose weights nothing else reads.

    Args:
        samples: arrays as `calibrate` takes them; gone through once.
        target: as in `quantize`, which has to be given the same.
        known: layers that were fitted before, of the same model by the same samples and options;
            what is fitted now is added.
        progress: called with the layers done and all.

    Raises:
        InputError: no samples, or arrays that are not those of the inputs.
        QuantizationError: the recipe cannot be read; layers that read what is not finite, by name.
    """
    recipe = Recipe.of(recipe)
    true = prepare(model)
    result = true.copy()
    entry = true.signature(signature)
    graph = result.graphs[entry.graph]
    twins = dict(zip(graph.nodes, true.graphs[entry.graph].nodes, strict=True))
    table = None if target is None else load_target(target)
    asked = schemes(graph, recipe)
    stored = {node: _stored(node, scheme, recipe, table) for node, scheme in asked.items()}
    layers = {node: scheme for node, scheme in stored.items() if scheme is not None}
    kept = evenly(samples, _ENOUGH) if layers else []
    given = [arrays_of(sample, entry, len(graph.inputs)) for sample in kept]
    if layers and not given:
        raise InputError("calibration needs at least one sample; got none")
    walks = [Walk(g, given, threads=threads) for g in (true.graphs[entry.graph], graph)]
    decided = {} if known is None else known
    key: tuple[tuple[str, DType, int], ...] = ()
    broken = []
    for done, (node, scheme) in enumerate(layers.items(), 1):
        key += ((node.output.name, scheme.weight, scheme.block),)
        if key not in decided:
            pair = (twins[node], node)
            for walk, one in zip(walks, pair, strict=True):
                walk.go(one.operand(_data(one)))
            found = {r: moments(_met(walks, pair, r)) for r in readers(node)}
            if not all(np.isfinite(m.second).all() for m in found.values()):
                broken.append(str(node))
                continue
            options = {"clip": clip, "correct_biases": correct_biases}
            decided[key] = {
                index: data
                for reader, seen in found.items()
                for gate in reader.gates
                for index, data in Layer(node, scheme, gate).fit(seen, rounding, **options).items()
            }
        _store(graph, node, decided[key])
        if progress is not None:
            progress(done, len(layers))
    if broken:
        raise QuantizationError(
            listing(broken, "layers read numbers that are not finite", most=_MOST_SHOWN)
            + "\nCheck the samples' normalization, and the model"
        )
    for graph in result.graphs.values():
        name_values(graph)
    verify(result)
    return result


def _stored(node: Node, scheme: Scheme, recipe: Recipe, target: Target | None) -> Scheme | None:
    """What `quantize` makes of a node that is to have a scheme; None where its weights are not for
    this."""
    gates = [gate for reader in readers(node) for gate in reader.gates]
    weights = [node.operand(i) for gate in gates for i in gate.weights]
    biases = [b for gate in gates if (b := node.optional(gate.bias)) is not None]
    if not weights or any(v.data is None or len(v.uses) > 1 for v in (*weights, *biases)):
        return None
    if any(w.dtype is not DType.FLOAT32 or len(w.shape) < 2 for w in weights):
        return None
    inputs = max(sum(_inputs(node, i) for i in gate.weights) for gate in gates)
    if node.operand(_data(node)).is_constant or inputs > _MOST:
        return None
    if scheme.mode is Mode.STATIC:
        found = static_scheme(node, scheme, target)
        if isinstance(found, str) or found.data is DType.UINT8:
            return None
        return found
    if scheme.mode not in (Mode.DYNAMIC, Mode.WEIGHT_ONLY):
        return None
    narrowed = narrow(node, scheme, target, recipe.min_elements)
    return None if isinstance(narrowed, str) else narrowed.scheme


def _inputs(node: Node, index: int) -> int:
    """Of one output."""
    data = node.operand(index).data
    assert data is not None
    return as_matrix(node, data).shape[2]


def _met(
    walks: Sequence[Walk], nodes: Sequence[Node], reader: Reader
) -> Iterator[tuple[Array, Array]]:
    """Vectors that the weights of a reader meet in the float model and in ours, by sample."""
    sides = []
    for walk, node in zip(walks, nodes, strict=True):
        read = node.operand(_data(node))
        results = node.outputs if is_recurrent(node) else ()
        sides.append(zip(*(walk.look(value) for value in (read, *results)), strict=True))
    for pair in zip(*sides, strict=True):
        t, x = (vectors(n, reader, a, r) for n, (a, *r) in zip(nodes, pair, strict=True))
        yield t, x


def _data(node: Node) -> int:
    return layout(node).x if isinstance(node.op, LINEAR) else 0


def _store(graph: Graph, node: Node, constants: dict[int, Array]) -> None:
    for index, data in constants.items():
        if node.optional(index) is not None:
            set_constant(graph, node, index, data)
        else:
            name = f"{node.operand(layout(node).w).name}/bias"
            graph.set_input(node, index, Value(TensorType.of(data), name, data))
