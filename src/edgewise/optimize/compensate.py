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

Layers in the graphs of IF and WHILE follow where their graph runs first, each fitted once, to all
runs. What is wrong in what the graph is given is not made up for there: a loop gives it to its next
round, and every round would do so. KL of MNIST by an LSTM as a loop, `dynamic_wi8_afp32`: 1.4e-5
rounded alone, 1.0e-5 where all is made up for, 6.8e-6 so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import QuantizationError, listing
from edgewise.ir.build import name_values
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model
from edgewise.ir.nesting import reachable
from edgewise.ir.types import TensorType
from edgewise.ir.verify import verify
from edgewise.log import log
from edgewise.optimize.bodies import Rounds, deciding
from edgewise.optimize.equalize import set_constant
from edgewise.optimize.grid import Layer, Rounding
from edgewise.optimize.moments import as_matrix, moments
from edgewise.optimize.observe import Sample, arrays_of
from edgewise.optimize.prepared import LITERT, prepare
from edgewise.optimize.readers import Reader, is_recurrent, readers, vectors
from edgewise.optimize.recipe import Mode, Recipe, Scheme
from edgewise.optimize.rules import narrow, static_scheme
from edgewise.optimize.spared import schemes
from edgewise.optimize.walk import Walk, evenly, in_order
from edgewise.passes.linear import LINEAR, layout
from edgewise.passes.target import Target, load_target

Array = np.ndarray
# by a layer (its graph's and its result's name), its weights' type and block, after all before it:
# the constants decided, by operand
Fitted = dict[tuple[tuple[str, str, DType, int], ...], dict[int, Array]]

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
    whose weights nothing else reads. A layer that no sample reaches stays, and is named in the log.

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
    nodes = [in_order(m.graphs[entry.graph]) for m in (result, true)]
    twins = dict(zip(*nodes, strict=True))
    table = None if target is None else load_target(target)
    asked = {n: scheme for g in reachable(graph) for n, scheme in schemes(g, recipe).items()}
    held = {node for node in deciding(result) if not recipe.names(node)}
    stored = {n: _stored(n, asked[n], recipe, table, is_held=n in held) for n in twins}
    layers = {node: scheme for node, scheme in stored.items() if scheme is not None}
    kept = evenly(samples, _ENOUGH) if layers else []
    given = [arrays_of(sample, entry, len(graph.inputs)) for sample in kept]
    walks = [Walk(g, given, threads=threads) for g in (true.graphs[entry.graph], graph)]
    decided = {} if known is None else known
    key: tuple[tuple[str, str, DType, int], ...] = ()
    broken, unmet = [], []
    for done, (node, scheme) in enumerate(layers.items(), 1):
        assert node.graph is not None
        key += ((node.graph.name, node.output.name, scheme.weight, scheme.block),)
        if key not in decided:
            pair = (twins[node], node)
            for walk, one in zip(walks, pair, strict=True):
                walk.go(one)
            met = {r: moments(_met(walks, pair, r)) for r in readers(node)}
            found = {r: m for r, m in met.items() if m is not None}
            if not found:
                unmet.append(str(node))
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
    if unmet:
        log().warning(
            "%s\nWhat they stand in runs on no sample, or keeps variables from run to run",
            listing(unmet, "layers are not compensated", most=_MOST_SHOWN),
        )
    for graph in result.graphs.values():
        name_values(graph)
    verify(result)
    return result


def _stored(
    node: Node, scheme: Scheme, recipe: Recipe, target: Target | None, *, is_held: bool
) -> Scheme | None:
    """What `quantize` makes of a node that is to have a scheme; None where its weights are not for
    this. `is_held`: it decides how often a loop runs."""
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
        if is_held:
            return None
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
) -> Iterator[Iterator[tuple[Array, Array]]]:
    """Vectors that the weights of a reader meet in the float model and in ours, by sample and run
    of the node."""
    true, node = nodes
    for runs in _arrays(walks, nodes):
        yield (
            (vectors(true, reader, t, ts), vectors(node, reader, x, xs))
            for (t, *ts), (x, *xs) in runs
        )


def _arrays(
    walks: Sequence[Walk], nodes: Sequence[Node]
) -> Iterator[Iterable[tuple[list[Array], list[Array]]]]:
    """What a node reads, and computes where it is recurrent, in the float model and in ours, by
    sample and run. The float model's graph of a branch or a loop is given what ours is given."""
    true, node = nodes
    read, ours = ([n.operand(_data(n)), *(n.outputs if is_recurrent(n) else ())] for n in nodes)
    if node.graph is walks[1].graph:
        both = (walk.look(n, v) for walk, n, v in zip(walks, nodes, (read, ours), strict=True))
        yield from (zip(*runs, strict=True) for runs in zip(*both, strict=True))
        return
    assert node.graph is not None
    assert true.graph is not None
    count, rounds = len(node.graph.inputs), Rounds()
    for runs in walks[1].look(node, [*node.graph.inputs, *ours]):
        yield (
            ([seen[v] for v in read], found[count:])
            for found in runs
            for seen in [rounds.run(true.graph, found[:count])[1]]
        )


def _data(node: Node) -> int:
    return layout(node).x if isinstance(node.op, LINEAR) else 0


def _store(graph: Graph, node: Node, constants: dict[int, Array]) -> None:
    for index, data in constants.items():
        if node.optional(index) is not None:
            set_constant(graph, node, index, data)
        else:
            name = f"{node.operand(layout(node).w).name}/bias"
            graph.set_input(node, index, Value(TensorType.of(data), name, data))
