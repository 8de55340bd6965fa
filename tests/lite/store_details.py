"""Store a digest of every detail dictionary LiteRT gives for every model of the data folder.

    ORACLE_PYTHON tests/lite/store_details.py ../shared/data > tests/lite/details.json
    ORACLE_PYTHON tests/lite/store_details.py ../shared/data --show FILE

For each file and subgraph, and for inputs and outputs: `before` allocate_tensors, `after` it, and
`resized` (every dimension that a signature leaves open is 2; quantization left out). States whose
digests are those of the state before are left out; where LiteRT refuses, the class of its error
stands there. The script stands alone and runs in the Python that has ai-edge-litert; the test
imports `digests` and asks the same of `edgewise.lite`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

SUFFIXES = (".tflite", ".bin", ".lite")


def main() -> None:
    """Print the digests of all files, or the texts of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--show")
    options = parser.parse_args()
    if options.show:
        for state, texts in snapshots(lambda state: _litert(options.data / options.show, state)):
            print(state, "\n".join(texts), sep="\n")
        return
    found = {}
    for folder in ("bench", "tflite"):
        for path in sorted((options.data / folder).rglob("*")):
            if path.suffix in SUFFIXES:
                found[path.relative_to(options.data).as_posix()] = _in_child(path)
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in found.items())
    print(f"{{\n{lines}\n}}")


def snapshots(make: Callable[[str], Any]) -> Iterator[tuple[str, list[str]]]:
    """(state, text of each subgraph's details) for an interpreter from `make(state)`.

    Ends with the class of the error where the interpreter refuses. Temporary tensors, which only
    LiteRT appends when it allocates, are left out.
    """
    counts: list[int] = []
    for state in ("before", "after", "resized"):
        try:
            interpreter = make(state)
            if state == "resized" and not _resize(interpreter):
                return
            if state != "before":
                interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            runtime = isinstance(error, RuntimeError)
            yield state, ["RuntimeError" if runtime else "ValueError"]
            continue
        graphs = [interpreter.get_tensor_details(i) for i in range(interpreter.num_subgraphs())]
        counts = counts or [len(graph) for graph in graphs]
        ends = [*interpreter.get_input_details(), *interpreter.get_output_details()]
        lists = [*(g[:n] for g, n in zip(graphs, counts, strict=True)), ends]
        left_out = ("quantization_parameters",) if state == "resized" else ()
        yield state, [text(found, left_out) for found in lists]


def digests(make: Callable[[str], Any]) -> dict[str, list[str]]:
    """`snapshots` with digests in place of texts; states like the one before are left out."""
    found: dict[str, list[str]] = {}
    last: list[str] = []
    for state, texts in snapshots(make):
        short = [
            t if "Error" in t[:20] else hashlib.sha256(t.encode()).hexdigest()[:8] for t in texts
        ]
        if short != last:
            found[state] = last = short
    return found


def text(details: list[dict[str, Any]], left_out: tuple[str, ...] = ()) -> str:
    """Every key, value, dtype and class of nested details, one line a tensor."""
    wanted = ({k: v for k, v in d.items() if k not in left_out} for d in details)
    return "\n".join(repr(_plain(d)) for d in wanted)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_plain, value))
    if isinstance(value, np.ndarray):
        return (value.dtype.name, value.tolist())
    return value.__name__ if isinstance(value, type) else (type(value).__name__, value)


def _resize(interpreter: Any) -> bool:
    changed = False
    for details in interpreter.get_input_details():
        if -1 in details["shape_signature"]:
            shape = [2 if d == -1 else int(d) for d in details["shape_signature"]]
            interpreter.resize_tensor_input(details["index"], shape)
            changed = True
    return changed


def _litert(path: Path, state: str) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    # With its default delegate LiteRT leaves old shapes on the tensors inside the delegated part.
    plain = state == "resized"
    kind = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if plain else OpResolverType.AUTO
    return Interpreter(str(path), num_threads=1, experimental_op_resolver_type=kind)


def _in_child(path: Path) -> Any:
    """The digests of one file, from a child process: LiteRT aborts on some."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(writer, "w") as stream:
            json.dump(digests(lambda state: _litert(path, state)), stream)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return json.loads(answer) if answer else {"before": ["abort"]}


if __name__ == "__main__":
    main()
