"""Stored answers of PyTorch: exported graphs in our neutral form, inputs and results.

`answers/operations.npz` holds `index` (JSON as bytes: graphs, and where the arrays lie) and one
flat array per element type. Both are written by `make_fixtures.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.torch.program import Arg, Body, Input, Program, Ref, TorchNode
from edgewise.ir.graph import Location

FILE = Path(__file__).with_name("answers") / "operations.npz"


@dataclass(frozen=True, slots=True)
class Answer:
    """A program, and what PyTorch gives for the inputs."""

    program: Program
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]


def store(answers: Mapping[str, Answer], versions: Mapping[str, str]) -> None:
    """Write the answers, by the cases' names."""
    pools: dict[str, list[np.ndarray]] = {}
    sizes: dict[str, int] = {}

    def put(array: np.ndarray) -> list[Any]:
        kind, start = array.dtype.name, sizes.get(array.dtype.name, 0)
        pools.setdefault(kind, []).append(array.reshape(-1))
        sizes[kind] = start + array.size
        return [kind, start, list(array.shape)]

    index = {
        name: {
            "inputs": [[i.name, i.dtype.text, list(i.shape)] for i in answer.program.inputs],
            "constants": {key: put(a) for key, a in answer.program.constants.items()},
            "body": _body(answer.program.body),
            "names": list(answer.program.outputs),
            "given": [put(a) for a in answer.inputs],
            "wanted": [put(a) for a in answer.outputs],
        }
        for name, answer in answers.items()
    }
    text = json.dumps({"versions": dict(versions), "cases": index}, separators=(",", ":")).encode()
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        FILE,
        allow_pickle=False,
        index=np.frombuffer(text, np.uint8),
        **{f"of_{kind}": np.concatenate(parts) for kind, parts in pools.items()},
    )


@cache
def load() -> dict[str, Answer]:
    """All answers by the cases' names. Raises FileNotFoundError."""
    with np.load(FILE) as archive:
        arrays = {key: archive[key] for key in archive.files}

    def get(kind: str, start: int, shape: list[int]) -> np.ndarray:
        return arrays[f"of_{kind}"][start : start + math.prod(shape)].reshape(shape)

    return {
        name: Answer(
            Program(
                tuple(Input(n, DType.of(dtype), tuple(s)) for n, dtype, s in entry["inputs"]),
                {key: get(*place) for key, place in entry["constants"].items()},
                _body_of(entry["body"]),
                tuple(entry["names"]),
            ),
            [get(*place) for place in entry["given"]],
            [get(*place) for place in entry["wanted"]],
        )
        for name, entry in json.loads(arrays["index"].tobytes())["cases"].items()
    }


def _body(body: Body) -> list[Any]:
    nodes = [
        [
            node.name, node.op, [_text(a) for a in node.args],
            {key: _text(a) for key, a in node.kwargs.items()}, _where(node.location),
        ]
        for node in body.nodes
    ]  # fmt: skip
    return [list(body.arguments), nodes, [_text(r) for r in body.results]]


def _where(location: Location | None) -> list[Any] | None:
    return None if location is None else [location.layer, location.file, location.line]


def _body_of(given: list[Any]) -> Body:
    arguments, nodes, results = given
    made = [
        TorchNode(
            name, op, tuple(_arg(a) for a in args), {key: _arg(a) for key, a in kwargs.items()},
            Location(*where) if where else None,
        )
        for name, op, args, kwargs, where in nodes
    ]  # fmt: skip
    return Body(tuple(arguments), tuple(made), tuple(_arg(r) for r in results))


def _text(arg: Arg) -> Any:
    """An argument as JSON: what JSON has not is an object with one key that says what it is."""
    if isinstance(arg, Ref):
        return {"ref": arg.node}
    if isinstance(arg, DType):
        return {"dtype": arg.text}
    if isinstance(arg, Body):
        return {"body": _body(arg)}
    if isinstance(arg, tuple):
        return [_text(item) for item in arg]
    if isinstance(arg, float) and not math.isfinite(arg):
        return {"float": str(arg)}
    return arg


def _arg(given: Any) -> Arg:
    if isinstance(given, list):
        return tuple(_arg(item) for item in given)
    if not isinstance(given, dict):
        return given
    [(kind, value)] = given.items()
    made: Arg = {"ref": Ref, "dtype": DType.of, "body": _body_of, "float": float}[kind](value)
    return made
