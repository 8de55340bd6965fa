"""What LiteRT says about the one-operator cases, live or stored.

`tools/oracle/store_cases.py` writes the stored answers: `answers/index.json` has, for each case,
LiteRT's refusals, and `answers/answers.npz` its outputs. An answer is found by a digest of inputs
and of what the file says of codes, versions, options, tensors and constants (not of its layout,
names and metadata), so one that belongs to another model is never used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.format import write
from edgewise.format.container import read_model
from edgewise.format.record import Record
from edgewise.ir.evaluate import evaluate
from tests.ops.case import Case, inputs_of, model_of
from tests.oracle.litert import Oracle, Resolver

FOLDER = Path(__file__).with_name("answers")
RESOLVERS: tuple[Resolver, ...] = ("default", "reference")
SCRIPT = "python tools/oracle/store_cases.py --oracle-python PATH"


@dataclass(frozen=True, slots=True)
class CaseAnswer:
    """LiteRT's outputs by resolver ([] where it refused) and its refusals (None where it ran)."""

    outputs: dict[str, list[np.ndarray]]
    errors: dict[str, str | None]

    @property
    def resolver(self) -> str | None:
        """The resolver to compare with: the default where it runs, else the reference."""
        return next((r for r in RESOLVERS if self.errors[r] is None), None)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case as LiteRT gets it: the file's bytes, the inputs, their digest, our own outputs."""

    model: bytes
    inputs: list[np.ndarray]
    digest: str
    ours: list[np.ndarray]


def prepare(case: Case) -> Prepared:
    """Write the case's model, run it here. Raises what the writer or the operator raises."""
    model = model_of(case)
    data = b"".join(bytes(chunk) for chunk in write(model))
    inputs = inputs_of(case)
    hashed = hashlib.sha256("\n".join(_said(data)).encode())
    for array in inputs:
        hashed.update(repr((array.shape, array.dtype.str)).encode())
        is_text = array.dtype == object
        hashed.update(repr(array.tolist()).encode() if is_text else array.tobytes())
    ours = evaluate(model.main, inputs)
    return Prepared(data, inputs, hashed.hexdigest()[:16], ours)


def _said(data: bytes) -> Iterator[str]:
    """What LiteRT computes from, as text that does not depend on where it stands in the file."""
    record = read_model(data, file="case")
    for code in record.operator_codes:
        yield f"{max(code.deprecated_builtin_code, int(code.builtin_code))} v{code.version}"
    for graph in record.subgraphs:
        for tensor in graph.tensors:
            constant = record.buffers[tensor.buffer].data
            yield _text(tensor, {"buffer", "name"})
            yield "" if constant is None else hashlib.sha256(constant.tobytes()).hexdigest()
        for part in (graph.inputs, graph.outputs, *(graph.operators or [])):
            yield _text(part, {"name"})


def _text(value: object, skipped: Collection[str] = ()) -> str:
    """A record or vector as text, fields in the schema's order."""
    if isinstance(value, Record):
        fields = (f"{k}={_text(v)}" for k, v in value.items() if k not in skipped)
        return f"{value.table.name}({', '.join(fields)})"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.tolist()}"
    return repr(value)


def ask(oracle: Oracle, prepared: Prepared) -> CaseAnswer:
    """LiteRT's own answer, now."""
    answers = {r: oracle.run(prepared.model, prepared.inputs, resolver=r) for r in RESOLVERS}
    return CaseAnswer(
        {r: answer.outputs for r, answer in answers.items()},
        {r: answer.error for r, answer in answers.items()},
    )


def stored(digest: str) -> CaseAnswer:
    """The stored answer of a case. Raises KeyError, with what to do, where there is none."""
    entry = _index()["cases"].get(digest)
    if entry is None:
        raise KeyError(f"LiteRT was not asked about this case as it is now; run {SCRIPT}")
    outputs: dict[str, list[np.ndarray]] = {}
    for resolver in RESOLVERS:
        count = entry["outputs"] if entry["errors"][resolver] is None else 0
        keys = [f"{digest}.{resolver}.{i}" for i in range(count)]
        if count and keys[0] not in _arrays():
            keys = [f"{digest}.default.{i}" for i in range(count)]  # both gave the same
        outputs[resolver] = [_arrays()[key] for key in keys]
    return CaseAnswer(outputs, entry["errors"])


def store(answers: dict[str, tuple[str, CaseAnswer]], versions: dict[str, str]) -> None:
    """Write answers: digest to (case id, answer)."""
    FOLDER.mkdir(exist_ok=True)
    arrays: dict[str, np.ndarray] = {}
    lines = []
    for digest, (name, answer) in sorted(answers.items(), key=lambda item: item[1][0]):
        count = len(answer.outputs[answer.resolver]) if answer.resolver else 0
        entry = {"case": name, "outputs": count, "errors": answer.errors}
        lines.append(f"{json.dumps(digest)}: {json.dumps(entry)}")
        for resolver, outputs in answer.outputs.items():
            if resolver != "default" and _equal(outputs, answer.outputs["default"]):
                continue
            arrays |= {f"{digest}.{resolver}.{i}": _storable(y) for i, y in enumerate(outputs)}
    np.savez_compressed(FOLDER / "answers.npz", allow_pickle=False, **arrays)
    text = ",\n".join(lines)
    (FOLDER / "index.json").write_text(
        f'{{"versions": {json.dumps(versions)},\n"cases": {{\n{text}\n}}}}\n'
    )


def _equal(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> bool:
    return len(a) == len(b) and all(
        x.shape == y.shape and x.dtype == y.dtype and _bytes(x) == _bytes(y)
        for x, y in zip(a, b, strict=True)
    )


def _bytes(array: np.ndarray) -> bytes:
    return _storable(array).tobytes()


@cache
def _index() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "index.json").read_text())
    return found


@cache
def _arrays() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "answers.npz") as archive:
        found = {key: archive[key] for key in archive.files}
    return {key: a.astype(object) if a.dtype.kind == "S" else a for key, a in found.items()}


def _storable(array: np.ndarray) -> np.ndarray:
    """The array; of strings, with a fixed width. Raises ValueError where that loses bytes."""
    if array.dtype != object:
        return array
    fixed = array.astype(bytes)
    if not np.array_equal(fixed.astype(object), array):
        raise ValueError("an answer has a string that ends with zero bytes")
    return fixed
