"""Ask LiteRT about every model in the data folder and store its answers for machines without it.

    python tools/oracle/store.py --oracle-python PATH --micro-python PATH [--only TEXT]

Writes `tests/oracle/answers/` (read by `tests/oracle/answers.py`). Inputs are recipes, big outputs
are sampled, and of each integer model a few operators are stored with the values LiteRT feeds them:
every kind of operator once, then the smallest, up to `MODEL_BYTES`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.oracle.answers import FOLDER, SAMPLE, WHOLE, positions  # noqa: E402
from tests.oracle.inputs import DATA, digest, make_input, random_recipe  # noqa: E402
from tests.oracle.litert import Answer, OperatorAnswer, Oracle  # noqa: E402

MODEL_BYTES = 320_000  # of operator inputs and outputs, before compression
TWO_STEPS = 20_000  # models with at most this many input elements run twice: state shows
SUFFIXES = (".tflite", ".bin", ".lite")
# Inputs that the file does not tell: a dynamic length, and a model LiteRT refuses to open.
INPUTS = {
    "tflite/audio/melspectrogram.tflite": [("float32", [1, 12800])],
    "tflite/micro/person_detect.tflite": [("int8", [1, 96, 96, 1])],
}


def main() -> None:
    """Parse the options, ask, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--oracle-python", required=True)
    parser.add_argument("--micro-python")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    micro = Oracle(options.micro_python) if options.micro_python else None
    with Oracle(options.oracle_python) as litert:
        models: list[dict[str, Any]] = []
        archives: dict[str, dict[str, np.ndarray]] = {}
        for file in model_files(options.data):
            if options.only not in file:
                continue
            entry, arrays = ask(file, options.data, litert, micro)
            models.append(entry)
            archives.setdefault(entry["archive"], {}).update(arrays)
            print(
                f"{entry['oracle']:7s} {len(entry['operators']):4d} operators  {file}", flush=True
            )
        versions = {"litert": litert.versions(), "micro": micro.versions() if micro else {}}
    if micro:
        micro.close()
    if options.only:
        return
    FOLDER.mkdir(exist_ok=True)
    for name, arrays in archives.items():
        np.savez_compressed(FOLDER / name, allow_pickle=False, **arrays)
    lines = ",\n".join(json.dumps(entry) for entry in models)
    text = f'{{"versions": {json.dumps(versions)},\n"models": [\n{lines}\n]}}\n'
    (FOLDER / "index.json").write_text(text)


def model_files(data: Path) -> list[str]:
    """Every model file below the data folder, as POSIX paths relative to it, sorted."""
    folders = [data / "tflite", data / "bench"]
    found = [p for folder in folders for p in folder.rglob("*") if p.suffix in SUFFIXES]
    return sorted(p.relative_to(data).as_posix() for p in found)


def ask(
    file: str, data: Path, litert: Oracle, micro: Oracle | None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The index entry of one model and its arrays, keyed `<file key>.<what>`."""
    model = (data / file).read_bytes()
    key = hashlib.sha256(file.encode()).hexdigest()[:12]
    details = litert.details(model)
    entry: dict[str, Any] = {
        "file": file,
        "key": key,
        "archive": "_".join(file.split("/")[:2]) + ".npz",
        "sha256": hashlib.sha256(model).hexdigest(),
        "oracle": "none",
        "details": {},
        "errors": {"default": details["error"], "reference": details["error"]},
        "inputs": [],
        "outputs": {},
        "operators": [],
    }
    arrays: dict[str, np.ndarray] = {}
    if "inputs" not in details and file not in INPUTS:
        return entry, arrays
    entry["details"] = plain_details(details)
    sequence = _recipes(file, data, details.get("inputs", []))
    inputs = [[make_input(recipe, data) for recipe in step] for step in sequence]
    entry["inputs"] = [
        [{**recipe, "sha256": digest(x)} for recipe, x in zip(step, made, strict=True)]
        for step, made in zip(sequence, inputs, strict=True)
    ]
    for resolver in ("default", "reference"):
        steps = litert.run_sequence(model, inputs, resolver=resolver)
        _add(entry, arrays, resolver, steps)
    entry["oracle"] = "none" if all(entry["errors"].values()) else "litert"
    if entry["oracle"] == "none" and micro:
        _add(entry, arrays, "micro", micro.run_sequence(model, inputs, resolver="micro"))
        entry["oracle"] = "none" if entry["errors"]["micro"] else "micro"
    if entry["oracle"] == "litert":
        _add_operators(entry, arrays, _operators(entry, model, inputs[0], litert))
    return entry, {f"{key}.{name}": value for name, value in arrays.items()}


def _operators(
    entry: dict[str, Any], model: bytes, inputs: list[np.ndarray], litert: Oracle
) -> list[OperatorAnswer]:
    """Every integer operator; the optimised kernels feed it where the reference kernels abort."""
    entry["operators_resolver"] = "builtin" if entry["errors"]["reference"] else "reference"
    try:
        return litert.run_operators(model, inputs, resolver=entry["operators_resolver"])
    except RuntimeError as error:
        entry["errors"]["operators"] = str(error)
        return []


def plain_details(details: dict[str, Any]) -> dict[str, Any]:
    """LiteRT's input, output and signature details as JSON values (dtypes by name)."""
    wanted = ("inputs", "outputs", "signatures")
    return {name: _plain(details[name]) for name in wanted if name in details}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, type):
        return np.dtype(value).name
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return value


def _recipes(file: str, data: Path, details: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Input recipes, one list per inference."""
    known = [(np.dtype(d["dtype"]).name, [int(n) for n in d["shape"]]) for d in details]
    known = INPUTS.get(file, known)
    path = Path(file)
    first: list[dict[str, Any]] = []
    for i, (name, shape) in enumerate(known):
        table = data.glob(f"{path.with_suffix('')}_input{i}_*.csv")
        real = data / path.parent / "in.npy"
        if found := next(table, None):
            recipe: dict[str, Any] = {"kind": "csv", "file": found.relative_to(data).as_posix()}
            recipe = {**recipe, "shape": shape, "dtype": name}
        elif real.exists() and np.load(real, mmap_mode="r").size == np.prod(shape):
            scale, zero_point = details[i]["quantization"]
            recipe = {"kind": "npy", "file": real.relative_to(data).as_posix(), "shape": shape}
            recipe = {**recipe, "dtype": name, "scale": scale, "zero_point": zero_point}
        elif np.dtype(name).kind in "OSU":
            recipe = {"kind": "strings", "values": ["a", "", "edgewise"], "shape": shape}
        else:
            recipe = random_recipe(i, shape, name)
        first.append(recipe)
    if sum(int(np.prod(shape)) for _, shape in known) > TWO_STEPS:
        return [first]
    second = [{**r, "seed": r["seed"] + 100} if r["kind"] == "random" else r for r in first]
    return [first, second]


def _add(
    entry: dict[str, Any], arrays: dict[str, np.ndarray], resolver: str, steps: list[Answer]
) -> None:
    """Outputs of one resolver, whole or sampled, or its refusal."""
    entry["errors"][resolver] = steps[0].error
    if steps[0].error:
        return
    entry["outputs"][resolver] = [
        [{"shape": list(y.shape), "total": _total(y)} for y in step.outputs] for step in steps
    ]
    for number, step in enumerate(steps):
        for i, y in enumerate(step.outputs):
            value = y if y.size <= WHOLE else y.ravel()[positions(y.size)]
            arrays[f"{resolver}.{number}.{i}"] = (
                value.astype(np.bytes_) if y.dtype == object else value
            )


def _total(y: np.ndarray) -> float:
    return 0.0 if y.dtype.kind in "OSUc" else float(np.sum(y.astype(np.float64)))


def _add_operators(
    entry: dict[str, Any], arrays: dict[str, np.ndarray], found: list[OperatorAnswer]
) -> None:
    """The sample of operators: one of each kind, then the smallest, within the budget."""
    entry["operators_total"] = len(found)
    seen: set[tuple[int, str]] = set()
    firsts: list[OperatorAnswer] = []
    rest: list[OperatorAnswer] = []
    for op in sorted(found, key=_bytes):
        kind = (op.code, str([y.dtype for y in op.reference.values()]))
        (rest if kind in seen else firsts).append(op)
        seen.add(kind)
    spent = 0
    for op in firsts + rest:
        spent += _bytes(op)
        if spent > MODEL_BYTES:
            break
        entry["operators"].append(
            {
                "index": op.index,
                "code": op.code,
                "inputs": list(op.inputs),
                "outputs": list(op.reference),
                "error": op.error,
            }
        )
        arrays.update({f"t{t}": x for t, x in (op.inputs | op.reference).items()})
        for t, y in (op.default or {}).items():
            at = np.flatnonzero(y.ravel() != op.reference[t].ravel()).astype(np.int32)
            arrays[f"d{t}.at"], arrays[f"d{t}.values"] = at, y.ravel()[at]
    entry["operators"].sort(key=lambda op: op["index"])


def _bytes(op: OperatorAnswer) -> int:
    return sum(x.nbytes for x in (op.inputs | op.reference).values())


if __name__ == "__main__":
    assert SAMPLE <= WHOLE
    main()
