"""Measure what a LiteRT release runs, and write it as a target of `edgewise.convert`.

    python tools/oracle/store_target.py --oracle-python PATH

Writes `src/edgewise/passes/targets/litert-X.Y.txt` (X.Y: the release in that Python). Versions:
LiteRT opens a file that lists one operator code, for every code and version. Kinds: the answers to
the cases of `tests/ops/cases` (`store_cases.py`), and each operator's first case in every other
dtype that its class takes, run by the default kernels in a worker process.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from edgewise.dtypes import DType  # noqa: E402
from edgewise.errors import ConversionError, EdgewiseError  # noqa: E402
from edgewise.format import write  # noqa: E402
from edgewise.format.container import model_chunks  # noqa: E402
from edgewise.format.record import record_type  # noqa: E402
from edgewise.ir.nesting import reachable  # noqa: E402
from edgewise.ir.op import Role  # noqa: E402
from edgewise.passes import target  # noqa: E402
from tests.format.codes import BuiltinOperator  # noqa: E402
from tests.ops import litert  # noqa: E402
from tests.ops.case import Arg, Case, all_cases, inputs_of, model_of  # noqa: E402
from tests.oracle.litert import Oracle, Resolver  # noqa: E402

MOST_VERSIONS = 30
MOST_TEXT = 150  # characters of a refusal
# operators whose cases do not say what it runs
UNFIT = {"DENSIFY": "our cases have no sparse operand, which it needs"}


def main() -> None:
    """Parse the options, ask, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oracle-python", required=True)
    options = parser.parse_args()
    with Oracle(options.oracle_python) as oracle:
        release = oracle.versions()["ai-edge-litert"]
        versions = {op.name: v for op in BuiltinOperator if (v := highest_version(oracle, op))}
        kinds = measured(oracle)
    name = "litert-" + ".".join(release.split(".")[:2])
    found = target.Target(name, versions, kinds)
    heading = [
        f"What LiteRT {release} runs with its default kernels, as tools/oracle/store_target.py",
        "measured it: the operator and its highest version, then the dtypes of a case that ran (+)",
        "or of cases that were all refused (-, with the first refusal). passes/target.py reads it.",
        "",
    ]
    path = ROOT / "src" / "edgewise" / "passes" / "targets" / f"{name}.txt"
    path.write_text("\n".join(target.print_target(found, heading)) + "\n")
    count = sum(map(len, kinds.values()))
    print(f"{path}: {len(versions)} operators, {count} kinds")


def highest_version(oracle: Oracle, code: BuiltinOperator, resolver: Resolver = "default") -> int:
    """The highest version of an operator that is registered; 0: none."""
    models = [_only_code(code, version) for version in range(1, MOST_VERSIONS + 1)]
    return sum(oracle.opens(models, resolver=resolver))


def _only_code(code: BuiltinOperator, version: int) -> bytes:
    """A model without operators whose table of codes has this one."""
    number = {"deprecated_builtin_code": min(int(code), 127), "builtin_code": code}
    one = np.array([0], np.int32)
    fields = {
        "version": 3,
        "operator_codes": [record_type("OperatorCode")(**number, version=version)],
        "buffers": [record_type("Buffer")()],
        "subgraphs": [
            record_type("SubGraph")(
                tensors=[record_type("Tensor")(name="x", shape=np.array([1], np.int32))],
                inputs=one,
                outputs=one,
                operators=[],
            )
        ],
    }
    chunks = model_chunks(record_type("Model")(**fields), file="codes")
    return b"".join(bytes(chunk) for chunk in chunks)


def measured(oracle: Oracle) -> dict[str, dict[str, str]]:
    """By operator and kind: "" where a case ran, else the first refusal."""
    kinds: dict[str, dict[str, str]] = {}
    firsts: dict[str, Case] = {}
    for case in all_cases():
        if case.error or not case.op.builtin or case.op.custom or case.op.builtin in UNFIT:
            continue
        try:
            prepared = litert.prepare(case)
        except ConversionError:
            continue
        firsts.setdefault(case.op.name, case)
        _note(kinds, case, litert.stored(prepared.digest).errors["default"])
    for case in firsts.values():
        for other in variants(case):
            try:
                model = model_of(other)
                data, inputs = b"".join(bytes(c) for c in write(model)), inputs_of(other)
            except (EdgewiseError, ValueError, TypeError):
                continue  # not an operator that we have
            _note(kinds, other, oracle.accepts(data, inputs))
    return kinds


def variants(case: Case) -> Iterator[Case]:
    """The case with the dtype of its data changed to each other one."""
    if case.write is not None:
        return
    data = [a for a, role in zip(case.args, case.roles, strict=True) if a and _is_data(role)]
    if not data:
        return
    old = data[0].dtype
    for dtype in (d for d in DType if d is not old and (d.bits or d is DType.STRING)):
        args = [
            _cast(a, dtype) if a and a.dtype is old and _is_data(role) else a
            for a, role in zip(case.args, case.roles, strict=True)
        ]
        results = tuple(
            None if t is None else dataclasses.replace(t, dtype=dtype) if t.dtype is old else t
            for t in case.results
        )
        yield dataclasses.replace(
            case, args=tuple(args), results=results, quantize=(), label=f"{case.label}-{dtype.text}"
        )


def _is_data(role: Role) -> bool:
    return role in (Role.DATA, Role.WEIGHT, Role.BIAS, Role.STATE)


def _cast(a: Arg, dtype: DType) -> Arg:
    values = None  # drawn
    if a.values is not None and DType.STRING not in (a.dtype, dtype):
        values = np.asarray(a.values).astype(dtype.numpy)
    return dataclasses.replace(a, dtype=dtype, values=values, low=0, high=3, quant=None)


def _note(kinds: dict[str, dict[str, str]], case: Case, error: str | None) -> None:
    graphs = reachable(model_of(case).main)
    node = next(n for g in graphs for n in g.nodes if n.op == case.op)
    if node.op.graph_fields:
        return
    known, kind = kinds.setdefault(node.op.builtin, {}), target.kind_of(node)
    if error is None:
        known[kind] = ""
    else:
        known.setdefault(kind, _short(error))


def _short(error: str) -> str:
    """The first sentence of a refusal, on one line."""
    if error.startswith(("aborted", "timed out")):
        return "the process dies"
    first = error.removeprefix("RuntimeError: ").removeprefix("ValueError: ").splitlines()[0]
    first = re.split(r"Node number", first)[0] or error
    first = re.sub(r" \(-?\d{6,} != -?\d+\)", "", first)  # addresses, others in every run
    return " ".join(first.split())[:MOST_TEXT] or "refused"


if __name__ == "__main__":
    main()
