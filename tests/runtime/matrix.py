"""The operator matrix: one-operator plans, the reference's answers, and a run of a plan with
nothing but the C interface (`run.h`) on memory of the test's choice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edgewise.ir import Graph
from edgewise.runtime.choices import Choice
from edgewise.runtime.library import constant, library, structures
from edgewise.runtime.plan import Placement, Plan, Region, Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from tests.ops.case import Case, all_cases

from .guarded import Exact, Guarded
from .isolated import POISON, Isolated
from .tiled import tiled_cases

_ROWS_IN_8_BITS = 0.03  # of the range; 0.02 was measured where a clamp cuts most of it off


def cases() -> list[Case]:
    """Every case of every operator that is not an error, and those of tile registers."""
    return [*(c for c in all_cases() if not c.error), *tiled_cases()]


def planned(graph: Graph, target: Target) -> Plan | None:
    """The native plan; None where nothing of it is a kernel's. What threads could share is cut for
    them, however small it is."""
    shared = dict.fromkeys(range(len(graph)), Choice(is_shared=True)) if target.threads > 1 else {}
    try:
        made = plan(graph, target, choices=shared)
    except NotPlannable:
        return None
    return made if any(p.where in ("kernel", "alias") for p in made.placement) else None


def is_native(made: Plan) -> bool:
    """All steps are C's, and nothing comes before them."""
    return not made.once and not any(p.where == "host" for p in made.placement)


def check_equal(got: np.ndarray, wanted: np.ndarray, tolerance: float) -> None:
    """Integers bit for bit; floats relative to the range of the output."""
    assert got.dtype == wanted.dtype
    assert got.shape == wanted.shape
    if wanted.dtype.kind not in "fc":
        np.testing.assert_array_equal(got, wanted)
        return
    span = float(np.abs(wanted[np.isfinite(wanted)]).max(initial=1.0))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=max(tolerance, 1e-6) * span)


def tolerance_of(case: Case, placement: Sequence[Placement]) -> float:
    """The operator's, or that of rows in 8 bits (test_hybrid.py compares with their formula)."""
    is_hybrid = any("_h8" in p.detail or "_h4" in p.detail for p in placement)
    return max(case.op.tolerance, _ROWS_IN_8_BITS if is_hybrid else 0.0)


def run_isolated(
    isolated: Isolated, target: Target, memory: Guarded | Exact
) -> Iterator[np.ndarray]:
    """The outputs of a run in which every buffer, and the scratch memory, is a piece of `memory`.
    What the kernels have not written is poison."""
    ffi, lib = structures(), library()
    arrays = [
        memory.place(_bytes(b.nbytes, b.initial), is_constant=b.is_constant)
        for b in isolated.buffers
    ]
    # run.h promises that scratch memory is aligned, which addresses in it need
    scratch = memory.place(_bytes(-(-isolated.scratch_bytes // 16) * 16, None))
    code = isolated.code
    addresses = [0] * Region.IO + [a.ctypes.data for a in arrays]
    bases = [ffi.cast("void *", address) for address in addresses]
    keep = {
        "steps": ffi.from_buffer("ew_step[]", code.steps),
        "operands": ffi.from_buffer("ew_operand[]", code.operands),
        "params": ffi.from_buffer("uint8_t[]", code.params),
        "regions": ffi.new("void *[]", bases),
        "cancelled": ffi.new("uint32_t *"),
    }
    numbers = {"n_steps": len(code.steps), "serial": 1, "max_iterations": 1 << 40}
    run = ffi.new("ew_run_state *", {**keep, **numbers})
    run.kernels = lib.ew_table(int(target.isa))
    run.scratch = ffi.cast("uint8_t *", scratch.ctypes.data)
    assert lib.ew_check(run, len(code.operands), len(code.params), len(bases)) == 0
    assert lib.ew_run(run) == constant("EW_RUN_done")
    for number, place in isolated.outputs:
        flat = arrays[number][place.offset : place.offset + place.nbytes]
        yield flat.copy().view(place.dtype).reshape(place.shape)


def _bytes(count: int, initial: bytes | None) -> np.ndarray:
    if initial is None:
        return np.full(count, POISON, np.uint8)
    return np.frombuffer(initial, np.uint8)


def same_results(got: Sequence[np.ndarray], wanted: Sequence[np.ndarray], tolerance: float) -> None:
    """`check_equal` on all outputs."""
    for a, b in zip(got, wanted, strict=True):
        check_equal(a, b, tolerance)
