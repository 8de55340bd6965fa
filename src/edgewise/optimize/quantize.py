"""Quantization: a Model, a recipe and ranges in, a Model in narrower types out.

In four steps, of which each is a module: what every operator can become (`rules.py`), where the
graph computes on integers (`regions.py`), the scale of every tensor (`scales.py`), and here the
rewriting: constants are stored anew, and where a value is wanted in another type than it is made
in, one QUANTIZE or DEQUANTIZE serves all who want it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from edgewise.data import Data
from edgewise.dtypes import DType
from edgewise.errors import QuantizationError, listing
from edgewise.ir.graph import Graph, Node
from edgewise.ir.model import Model
from edgewise.ir.op import Op
from edgewise.ir.verify import verify
from edgewise.log import log
from edgewise.ops.control import Control
from edgewise.ops.softmax import Softmax
from edgewise.optimize.biases import correct_biases
from edgewise.optimize.bodies import deciding
from edgewise.optimize.calibrate import calibrate
from edgewise.optimize.compensate import compensate
from edgewise.optimize.declared import take_declared
from edgewise.optimize.observe import Sample
from edgewise.optimize.prepared import LITERT, prepare
from edgewise.optimize.ranges import Range, Ranges
from edgewise.optimize.recipe import Mode, Recipe, Scheme, Technique
from edgewise.optimize.regions import Types, settle
from edgewise.optimize.rewrite import Choice, rewrite
from edgewise.optimize.rules import (
    FLOAT32,
    has_floats,
    is_data,
    is_float,
    is_quantized,
    narrow,
    static_scheme,
)
from edgewise.optimize.scales import Scales
from edgewise.optimize.spared import schemes
from edgewise.optimize.streamed import Streamed
from edgewise.optimize.techniques import equalized
from edgewise.passes.target import Target, load_target

_ENDS = (DType.FLOAT32, DType.INT8, DType.UINT8, DType.INT16)
_MOST_TOLD = 20  # operators that a message names


class NothingToQuantize(QuantizationError):
    """No operator of the model becomes anything else."""


def quantize(
    model: Model,
    recipe: Recipe | str,
    ranges: Ranges | None = None,
    *,
    samples: Iterable[Sample] | Data | None = None,
    input_dtype: DType | str = DType.FLOAT32,
    output_dtype: DType | str = DType.FLOAT32,
    integers_only: bool = False,
    target: str | None = LITERT,
) -> Model:
    """The model in the types of a recipe.

    What is quantized already is left alone. Of a model that was trained with quantization a static
    recipe takes the ranges of its FAKE_QUANT operators, which are gone then. An operator that has
    no form in the types asked for stays float32, and is named with the reason in the log.

    Args:
        recipe: a `Recipe`, or the name of a scheme: `static_wi8_ai8`, `dynamic_wi8_afp32`, ...
        ranges: what `calibrate` measured; for static schemes.
        samples: measured with `calibrate` where there are no ranges; also for the recipe's
            techniques, which change the model and so take no ranges of the old one: without ranges
            a recipe that leaves them open means `compensate`, and where it is static
            `correct_biases` (`Recipe(..., techniques=())`: none).
            They read the samples several times: a `Data` is read anew each time, an iterator is
            made a list first.
        input_dtype, output_dtype: of the float inputs and outputs: float32, int8, uint8, int16.
        integers_only: refuse a model in which some operator would stay float32.
        target: the release that has to run the model: an operator becomes only what that runs.
            None: whatever Edgewise runs.

    Raises:
        QuantizationError: a static scheme without ranges, or ranges that lack values; techniques
            with ranges, or without the samples that they need; nothing
            left to quantize; with `integers_only`, the operators that stay float; all are listed.
    """
    recipe = Recipe.of(recipe)
    if isinstance(samples, Data):
        samples = Streamed(model, samples)
    ends = (_end(input_dtype, "input_dtype"), _end(output_dtype, "output_dtype"))
    if recipe.techniques and ranges is not None:
        raise QuantizationError(
            f"recipe {recipe.scheme}: techniques change the model, whose ranges are others "
            "then; got ranges. Give samples="
        )
    wanted = recipe.techniques_for(has_samples=samples is not None) if ranges is None else ()
    if isinstance(samples, Iterator) and wanted:
        samples = list(samples)
    true = model if ranges is not None else equalized(model, recipe, samples)
    model = true
    if Technique.COMPENSATE in wanted:
        model = compensate(true, recipe, samples or (), target=target)
    prepared = prepare(model, target)
    declared: dict[str, dict[str, Range]] = {}
    if recipe.is_static:
        declared = {name: take_declared(graph) for name, graph in prepared.graphs.items()}
    if recipe.is_static and ranges is None and not (samples is None and any(declared.values())):
        if samples is None:
            raise QuantizationError(
                f"recipe {recipe.scheme}: scales of data come from ranges or samples; got neither. "
                "Give samples=, or ranges= from calibrate()"
            )
        ranges = calibrate(prepared, samples)
    if any(declared.values()):
        known = {} if ranges is None else dict(ranges)
        ranges = Ranges({name: {**known.get(name, {}), **own} for name, own in declared.items()})
    table = None if target is None else load_target(target)
    held = deciding(prepared)
    work = [_Work(graph, recipe, ranges, table, held) for graph in prepared.graphs.values()]
    entries = {id(prepared.graphs[s.graph]) for s in prepared.signatures} | {id(prepared.main)}
    for part in work:
        own = ends if id(part.graph) in entries else (FLOAT32, FLOAT32)
        part.choose(*own, integers_only=integers_only)
    _tell(prepared, recipe, work, integers_only=integers_only)
    for part in work:
        part.rewrite()
    verify(prepared)
    if Technique.CORRECT_BIASES in wanted:
        prepared = correct_biases(prepared, true, samples or ())
    return prepared


def _end(given: DType | str, name: str) -> DType:
    dtype = DType.of(given)
    if dtype not in _ENDS:
        known = ", ".join(d.text for d in _ENDS)
        raise QuantizationError(f"{name} must be one of {known}; got {dtype.text}")
    return dtype


class _Work:
    """One graph on its way. `held`: nodes that decide how often a loop runs. `kept`: those that
    stay float against the recipe, and why."""

    def __init__(
        self,
        graph: Graph,
        recipe: Recipe,
        ranges: Ranges | None,
        target: Target | None,
        held: Set[Node],
    ) -> None:
        self.graph, self.recipe, self.target, self.held = graph, recipe, target, held
        self.ranges = None if ranges is None else ranges.get(graph.name)
        self.kept: dict[Node, str] = {}
        self.choices: dict[Node, Choice] = {}
        self.types: Types = {}

    def choose(self, input_dtype: DType, output_dtype: DType, *, integers_only: bool) -> None:
        """Find out what becomes of every node."""
        self.inputs = {v: input_dtype for v in self.graph.inputs if is_float(v)}
        self.outputs = {v: output_dtype for v in self.graph.outputs if is_float(v)}
        free = []
        for node, scheme in schemes(self.graph, self.recipe).items():
            if not has_floats(node):
                continue
            self.types[node] = FLOAT32
            if is_quantized(node):
                continue
            if isinstance(node.op, Control):
                if integers_only:
                    self.kept[node] = "what it hands to its graphs stays float32"
                continue
            if scheme.mode is Mode.STATIC:
                found = self._static(node, scheme)
                if isinstance(found, str):
                    self.kept[node] = found
                    continue
                if found.data.bits == 8 and not integers_only and self._ends_in_floats(node):
                    continue
                self.choices[node] = Choice(found)
                self.types[node] = found.data
                if not self._has_weights(node) and not self.recipe.names(node):
                    free.append(node)
            elif scheme.mode is not Mode.FLOAT:
                self._narrow(node, scheme)
        settle(self.graph, self.types, {**self.inputs, **self.outputs}, free, self._fits)
        for node in free:
            self.choices[node] = Choice(self._retyped(node))

    def rewrite(self) -> None:
        """Change the graph."""
        known = self.ranges or {}
        scales = Scales(self.graph, self.types, known.get)
        rewrite(self.graph, self.choices, self.types, scales, self.inputs, self.outputs)
        if scales.missing:
            names = [repr(name) for name in scales.missing]
            raise QuantizationError(
                listing(names, f"values of @{self.graph.name} have no range", most=_MOST_TOLD)
                + "\nCalibrate this very model (optimize.calibrate), on samples that run all of it"
            )

    def _static(self, node: Node, scheme: Scheme) -> Scheme | str:
        if node in self.held and not self.recipe.names(node):
            return "it decides how often a loop runs"
        if self.ranges is None:
            return f"no ranges of @{self.graph.name} were measured"
        return static_scheme(node, scheme, self.target)

    def _ends_in_floats(self, node: Node) -> bool:
        """A softmax of what a layer computes, whose result is a float output and nothing else: as
        many numbers are converted before it as behind it, and steps of 1/256 tell nothing of most
        of a thousand classes."""
        if not isinstance(node.op, Softmax) or self.recipe.names(node):
            return False
        y = node.output
        is_last = len(y.uses) == 1 and self.outputs.get(y) is FLOAT32
        return is_last and node.input.producer is not None

    def _narrow(self, node: Node, scheme: Scheme) -> None:
        found = narrow(node, scheme, self.target, self.recipe.min_elements)
        if isinstance(found, str):
            if found:
                self.kept[node] = found
            return
        self.choices[node] = Choice(found.scheme, found)

    def _fits(self, node: Node, dtype: DType) -> bool:
        if dtype is FLOAT32:
            return True
        scheme = Scheme(Mode.STATIC, DType.INT8, dtype)
        return not isinstance(static_scheme(node, scheme, self.target), str)

    def _retyped(self, node: Node) -> Scheme:
        dtype = self.types[node]
        return Scheme(Mode.FLOAT) if dtype is FLOAT32 else Scheme(Mode.STATIC, DType.INT8, dtype)

    @staticmethod
    def _has_weights(node: Node) -> bool:
        """It is what the recipe is about: it multiplies matrices."""
        floats = [i for i, v in enumerate(node.inputs) if is_float(v)]
        return any(not is_data(node, i) for i in floats) or type(node.op).macs is not Op.macs


def _tell(model: Model, recipe: Recipe, work: list[_Work], *, integers_only: bool) -> None:
    """Log what stays float, or refuse it. Raises QuantizationError."""
    kept = [f"{node}: {why}" for part in work for node, why in part.kept.items()]
    if integers_only:
        floats = kept + [
            f"{node}: it stays float32 between operators that do"
            for part in work
            for node, dtype in part.types.items()
            if dtype is FLOAT32 and node not in part.kept and not is_quantized(node)
        ]
        if floats:
            raise QuantizationError(
                listing(floats, f"operators cannot be integers as {recipe.scheme} wants")
                + "\nLet them stay float32, or write the model without them"
            )
    name = model.file or "the model"
    if not any(part.choices for part in work):
        reason = f": {kept[0]}" if kept else ""
        raise NothingToQuantize(
            f"{name}: a recipe needs something to quantize; {recipe.scheme} finds no float32 "
            f"operator that it applies to{reason}"
        )
    if kept:
        log().warning("%s: %s", name, listing(kept, "operators stay float32", most=_MOST_TOLD))
