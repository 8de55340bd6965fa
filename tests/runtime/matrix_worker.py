"""The operator matrix in a process of its own, which a kernel that leaves its buffers ends.

    python -m tests.runtime.matrix_worker LOG --library PATH --isas scalar,avx2 --memory after

LOG always holds what is running, so that the parent can name it after a crash. At the end one line
of JSON: the number of runs, and the failures.
"""

from __future__ import annotations

import argparse
import json
import mmap
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgewise.ir.evaluate import evaluate
from edgewise.runtime import library
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Target
from edgewise.runtime.threads import Threads
from tests.ops.case import Case, inputs_of, model_of

from .extremes import extreme_cases
from .freed import BIASES, WEIGHTS, freed
from .guarded import Exact, Guarded
from .isolated import Isolated, isolate
from .matrix import cases, is_native, planned, run_isolated, same_results, tolerance_of

WIDTH = 400  # bytes of the log's line


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("--library")
    parser.add_argument("--isas", default="scalar")
    parser.add_argument("--memory", choices=("after", "before", "heap"), default="after")
    parser.add_argument("--extreme", action="store_true", help="run the cases of extremes.py")
    parser.add_argument("--computed", action="store_true", help="weights and biases are inputs")
    parser.add_argument("--less", type=int, default=0, help="bytes that every output is short of")
    parser.add_argument("--threads", type=int, help="compare 1 to so many threads instead")
    chosen = parser.parse_args()
    if chosen.library is not None:
        library.LIBRARY = chosen.library
    isas = [Isa[name.upper()] for name in chosen.isas.split(",")]
    tell = mapped_log(chosen.log)
    pools = [Threads(n) for n in range(2, 1 + (chosen.threads or 0))]
    runs, failures = 0, []
    for case in extreme_cases() if chosen.extreme else cases():
        for isa in isas:
            tell(f"{case.id} on {isa.name.lower()}, memory {chosen.memory}")
            try:
                if pools:
                    runs += _run_in_threads(case, isa, pools)
                else:
                    runs += _run(case, Target(isa), chosen)
            except AssertionError as error:
                failures.append(f"{case.id} on {isa.name.lower()}: {error}")
    tell("")
    print(json.dumps({"runs": runs, "failures": failures}))


def _run(case: Case, target: Target, chosen: argparse.Namespace) -> bool:
    """True where the case was run; False where no plan of kernels alone exists."""
    memory, less = chosen.memory, chosen.less
    roles = (*WEIGHTS, *BIASES)
    plain = model_of(case).main, inputs_of(case)
    given = freed(case, roles) if chosen.computed else plain
    if given is None:
        return False
    graph, inputs = given
    made = planned(graph, target)
    if made is None or not is_native(made):
        return False
    wanted = evaluate(graph, inputs)
    place = Exact() if memory == "heap" else Guarded(memory)  # type: ignore[arg-type]
    isolated = isolate(made, inputs)
    if less:
        isolated = _shortened(isolated, less)
    with place:
        got = list(run_isolated(isolated, target, place))
    same_results(got, wanted, tolerance_of(case, made.placement))
    return True


def _run_in_threads(case: Case, isa: Isa, pools: Sequence[Threads]) -> bool:
    """As `_run`: plans for each number of threads, run by them, give one thread's bits."""
    graph, inputs = model_of(case).main, inputs_of(case)
    wanted: list[bytes] = []
    for threads in (Threads(1), *pools):
        made = planned(graph, Target(isa, threads.count))
        if made is None or not is_native(made):
            return False
        if threads.count > 1 and made.code.steps["n_tiles"].max(initial=0) < 2:
            continue  # nothing to share
        made.code.steps["work"] = 0  # unknown: small steps are shared, too
        got = [a.tobytes() for a in Executor(made, threads=threads).run(inputs, {})]
        wanted = wanted or got
        assert got == wanted, f"{threads.count} threads compute other bits"
    return True


def _shortened(isolated: Isolated, less: int) -> Isolated:
    """Buffers that are written have fewer bytes than the kernels were told: a checker that works
    sees that."""
    buffers = (
        b if b.is_constant else replace(b, nbytes=max(b.nbytes - less, 0), initial=None)
        for b in isolated.buffers
    )
    return replace(isolated, buffers=tuple(buffers))


def mapped_log(path: Path) -> Callable[[str], None]:
    """Writes a line to a mapped file: the last one survives whatever happens to the process."""
    path.write_bytes(bytes(WIDTH))
    with path.open("r+b") as file:
        page = mmap.mmap(file.fileno(), WIDTH)

    def tell(text: str) -> None:
        page[:WIDTH] = text.encode("ascii", "replace")[:WIDTH].ljust(WIDTH)

    return tell


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
