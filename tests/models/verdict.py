"""Run one real model and say how it compares with the stored answers of its oracle.

Kinds: `float` (weights may be stored as float16), `hybrid` (float activations, integer weights),
`integer` (quantized activations). The rules are those of docs/numerics.md: floats within
`TOLERANCE` of the output range; integers operator by operator, each fed LiteRT's own values;
hybrid models no further from the meaning (`meaning.py`) than LiteRT is, over many inputs, but for
chance.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from edgewise.errors import EdgewiseError
from edgewise.format import load
from edgewise.ir import Graph, Model, Node, Value
from edgewise.ir.evaluate import evaluate_op
from edgewise.ir.op import Role
from edgewise.ops.opaque import Opaque
from edgewise.runtime.session import Session
from tests.models import meaning
from tests.models.meaning import is_hybrid
from tests.oracle.answers import StoredAnswer, StoredArray
from tests.oracle.litert import OperatorAnswer

TOLERANCE = 3e-4  # of the output range, whole float models (architecture, Numerics)
WHOLE_STEPS = 2  # of a whole integer model whose oracle does not give single operators
MEASURED = Path(__file__).parents[2] / "docs" / "numerics.json"

Pair = tuple[np.ndarray, StoredArray]


@dataclass(slots=True)
class OperatorVerdict:
    """One integer operator on LiteRT's inputs: how many outputs differ from its two paths."""

    name: str
    dtype: str
    index: int
    total: int
    from_default: int | None  # None: the operator does not run alone there
    from_reference: int
    steps: int  # the largest distance from the default (else from the reference)

    @property
    def different(self) -> int:
        """Values that differ from LiteRT's default though they should not.

        From its reference, where its default does not run alone, or where docs/numerics.md has
        measured that the default itself differs from us by one step at times.
        """
        if self.from_default is None or (self.name, self.dtype) in measured_differences():
            return self.from_reference if self.steps <= 1 else self.total
        return self.from_default


@dataclass(slots=True)
class Verdict:
    """What happened to one file. `result`: agree, differ, unsupported, refused."""

    file: str
    oracle: str
    kind: str = "-"
    result: str = "agree"
    note: str = ""
    operators: list[OperatorVerdict] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The file's row in the printed table."""
        name = self.file.split("__")[-1] if "__" in self.file else self.file
        where = self.file.split("/")[1]
        short = name if "/" in name else f"{where}/{name}"
        return f"{self.result:11s} {self.kind:7s} {self.oracle:9s} {short:58s} {self.note}".rstrip()


@cache
def measured_differences() -> set[tuple[str, str]]:
    """Operators and result dtypes in which LiteRT's default was measured to differ from us."""
    rows = json.loads(MEASURED.read_text())["rows"]
    return {(r["operator"], r["types"].split()[-1]) for r in rows if r["different"]["default"]}


def judge(answer: StoredAnswer, data: Path) -> Verdict:
    """The verdict on one file below `data`. Never raises for what the model does."""
    verdict = Verdict(answer.file, "reference" if answer.oracle == "none" else answer.oracle)
    try:
        model = load(data / answer.file)
        missing = sorted(set(_missing(model)))
        if missing:
            verdict.result, verdict.note = "unsupported", ", ".join(missing)
            return verdict
        if not model.graphs:
            verdict.note = "loads; it holds no subgraph"
            return verdict
        verdict.kind = kind_of(model)
        _compare(verdict, model, answer, data)
    except EdgewiseError as error:
        verdict.result, verdict.note = "refused", _short(str(error), answer.file)
    return verdict


def kind_of(model: Model) -> str:
    """`float`, `hybrid` or `integer`, from the types in the model."""
    nodes = [node for graph in model.graphs.values() for node in graph.nodes]
    if any(is_hybrid(node) for node in nodes):
        return "hybrid"
    return "integer" if any(_is_integer(node) for node in nodes) else "float"


def run(model: Model, sequence: Sequence[Sequence[np.ndarray]]) -> list[list[np.ndarray]]:
    """Outputs of several inferences in a row; inputs of other shapes resize the model first."""
    session = Session(model.main)
    shapes = [x.shape for x in sequence[0]]
    if [v.type.shape for v in model.main.inputs] != shapes:
        session.resize(shapes)
    return [session.run(inputs) for inputs in sequence]


def judge_operator(node: Node, found: OperatorAnswer) -> OperatorVerdict:
    """One operator of a model alone, fed LiteRT's values; integers compared bit by bit."""
    operands = [None if v is None else _operand(v, found) for v in node.inputs]
    types = [None if v is None else v.type for v in node.inputs]
    ours = evaluate_op(node.op, operands, types, [v.type for v in node.outputs])
    places = [v.source.tensor for v in node.outputs if v.source is not None]
    total = from_reference = steps = 0
    from_default: int | None = None if found.default is None else 0
    for tensor, array in zip(places, ours, strict=False):
        reference = found.reference[tensor]
        default = reference if found.default is None else found.default[tensor]
        if array.shape != reference.shape:
            raise EdgewiseError(f"{node}: shape {array.shape}; LiteRT gives {reference.shape}")
        total += array.size
        from_reference += int(np.sum(array != reference))
        if from_default is not None:
            from_default += int(np.sum(array != default))
        steps = max(steps, _steps(array, default))
    dtype = node.output.dtype.text
    return OperatorVerdict(
        node.op.name, dtype, found.index, total, from_default, from_reference, steps
    )


def _compare(verdict: Verdict, model: Model, answer: StoredAnswer, data: Path) -> None:
    sequence = [answer.inputs(step, data) for step in range(answer.steps)]
    if not sequence:
        verdict.note = "loads; no input is known, because LiteRT does not open it"
        return
    ours = run(model, sequence)
    if answer.oracle == "none":
        verdict.note = "runs; LiteRT does not"
        return
    resolver = next(r for r, error in answer.errors.items() if error is None)
    if resolver == "reference":
        verdict.oracle = "litert-ref"
    wanted = [answer.outputs(resolver, step) for step in range(answer.steps)]
    pairs = [pair for a, b in zip(ours, wanted, strict=True) for pair in zip(a, b, strict=True)]
    match verdict.kind:
        case "float":
            _floats(verdict, pairs)
        case "hybrid":
            _hybrid(verdict, model, answer, data)
        case "integer":
            nodes = list(model.main.nodes)
            found = answer.operators()
            verdict.operators = [judge_operator(nodes[op.index], op) for op in found]
            _integers(verdict, pairs)


def _floats(verdict: Verdict, pairs: list[Pair]) -> None:
    worst = max((_distance(a, b) for a, b in pairs), default=0.0)
    verdict.note = f"{worst:.1e} of the range"
    if not worst <= TOLERANCE:
        verdict.result = "differ"


def _hybrid(verdict: Verdict, model: Model, answer: StoredAnswer, data: Path) -> None:
    """Over n inputs, our RMS error against the meaning is at most LiteRT's own, but for the part in
    sqrt(2 n) to which so many tell it: instruction sets round floats differently, and move a
    transformer's from 0.95 to 1.05 of LiteRT's."""
    many, twin = meaning.drawn(answer, data), meaning.float_twin(model)
    ours = meaning.error(run(model, many), run(twin, many))
    theirs = meaning.stored_errors()[answer.file]
    verdict.note = f"RMS error {ours:.2e}, LiteRT's {theirs:.2e}, over {len(many)} inputs"
    most = theirs * (1 + (2 * len(many)) ** -0.5)
    if not ours <= most or not _is_meant(twin, answer, data):
        verdict.result = "differ"


def _is_meant(twin: Model, answer: StoredAnswer, data: Path) -> bool:
    """Our float kernels compute the stored meaning."""
    sequence = [answer.inputs(step, data) for step in range(answer.steps)]
    outputs = [y for step in run(twin, sequence) for y in step]
    wanted = meaning.stored(answer.file, [y.shape for y in outputs])
    return all(_distance(y, real) <= TOLERANCE for y, real in zip(outputs, wanted, strict=True))


def _integers(verdict: Verdict, pairs: list[Pair]) -> None:
    equal, total, steps = 0, 0, 0
    for ours, stored in pairs:
        picked = stored.pick(ours)
        total += picked.size
        equal += int(np.sum(picked == stored.values))
        steps = max(steps, _steps(picked, stored.values))
    values = sum(op.total for op in verdict.operators)
    different = sum(op.different for op in verdict.operators)
    verdict.note = (
        f"{len(verdict.operators)} operators, {different} of {values} values differ; "
        f"outputs {equal}/{total} equal, {steps} steps"
    )
    wrong = [f"{op.name} {op.dtype} #{op.index}" for op in verdict.operators if op.different]
    if wrong:
        verdict.result, verdict.note = "differ", f"{verdict.note}; {', '.join(wrong)}"
    elif not verdict.operators and steps > WHOLE_STEPS:
        verdict.result = "differ"


def _distance(
    ours: np.ndarray,
    stored: StoredArray,
    reduce: Callable[[np.ndarray], float] = np.max,
    *,
    picked: bool = False,
) -> float:
    """Largest (or root mean square) difference over the range of the oracle's values; `picked`:
    `ours` holds the sampled elements already. What is no float must be equal."""
    if not picked:
        if ours.shape != stored.shape:
            return np.inf
        ours = stored.pick(ours)
    if ours.dtype.kind not in "fc":
        return 0.0 if np.array_equal(ours, stored.values) else np.inf
    a, b = ours.astype(np.float64), stored.values.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if same.all():
        return 0.0
    finite = b[np.isfinite(b)]
    spread = max(float(np.ptp(finite)), float(np.abs(finite).max())) if finite.size else 1.0
    error = np.where(same, 0.0, a - b)
    return float(np.sqrt(reduce(error**2))) / max(spread, 1e-30)


def _steps(a: np.ndarray, b: np.ndarray) -> int:
    if a.size == 0 or a.dtype.kind not in "iu":
        return 0
    return int(np.abs(a.astype(np.int64) - b.astype(np.int64)).max())


def _operand(value: Value, found: OperatorAnswer) -> np.ndarray:
    """LiteRT's value of an operand; a variable is as at the start."""
    if value.data is not None:
        return value.data
    assert value.source is not None
    if value.is_variable and value.source.tensor not in found.inputs:
        zero = 0 if value.quant is None else int(value.quant.zero_point.flat[0])
        shape = [d for d in value.shape if isinstance(d, int)]
        return np.full(shape, zero, value.dtype.numpy)
    return found.inputs[value.source.tensor]


def _is_integer(node: Node) -> bool:
    data = [v for i, v in _declared(node) if node.op.declared(i).role is Role.DATA]
    return any(v.type.is_quantized for v in data) and any(
        v.type.is_quantized or not v.dtype.is_float for v in node.outputs
    )


def _declared(node: Node) -> Iterator[tuple[int, Value]]:
    return ((i, v) for i, v in enumerate(node.inputs) if v is not None)


def _missing(model: Model) -> Iterator[str]:
    for graph in model.graphs.values():
        yield from _missing_in(graph)


def _missing_in(graph: Graph) -> Iterator[str]:
    for node in graph.nodes:
        if isinstance(node.op, Opaque):
            yield node.op.custom_code or node.op.code


def _short(text: str, file: str) -> str:
    """An error in one line, without the path of the file."""
    line = " ".join(text.split())
    return line.partition(f"{Path(file).name} at ")[2] or line
