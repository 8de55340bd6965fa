"""Why a run stopped before its end: what C says of a step, as the error that the caller gets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.errors import CancelledError, EdgewiseError, InternalError, LimitError, ShapeError
from edgewise.runtime.library import kernel_name, kernel_source, library, structures
from edgewise.runtime.limits import Limits
from edgewise.runtime.plan import Plan


def stopped(plan: Plan, place: int, status: int, limits: Limits) -> EdgewiseError:
    """The error for a run that stopped at step `place` with one of run.h's EW_RUN_*."""
    lib, name = library(), _name(plan, place)
    if status == lib.EW_RUN_cancelled:
        return CancelledError(f"the run was cancelled at {name}")
    if status == lib.EW_RUN_deadline:
        return LimitError(f"deadline_s is {limits.deadline_s}; stopped at {name}")
    if status == lib.EW_RUN_iterations:
        return LimitError(
            f"max_loop_iterations is {limits.max_loop_iterations}, and {name} goes on"
        )
    return InternalError(f"the executor returned {status} at step {place}")


def refuse_operands(plan: Plan, place: int, operands: Sequence[np.ndarray]) -> None:
    """Raise what the reference raises for the numbers of a step that cannot go on with them:
    divisors and exponents, anchors, or the indices of one that picks elements."""
    # which a run does not import
    from edgewise.ops.binary import require_divisor, require_exponent
    from edgewise.ops.detection import TURNED
    from edgewise.ops.gather import check_ranges

    ffi, code = structures(), plan.code
    at, kernel = int(code.steps[place]["params"]), kernel_name(int(code.steps[place]["index"]))
    params = ffi.cast(f"{kernel_source(kernel)[1]} *", ffi.from_buffer(code.params[at:]))
    try:
        if kernel == "check_numbers":
            (require_exponent if params.is_exponent else require_divisor)(operands[0])
        elif kernel == "detection_postprocess":
            raise ShapeError(TURNED)
        else:
            depth = params.depth
            check_ranges(operands[1].reshape(-1, depth), list(params.dims[0:depth]))
    except EdgewiseError as error:
        raise type(error)(f"{_name(plan, place)}: {error}") from None
    rule = "indices must lie inside of what they are for, in the order that the operator asks for"
    raise ShapeError(f"{_name(plan, place)}: {rule}")


def _name(plan: Plan, place: int) -> str:
    """The operator that a step belongs to."""
    node = int(plan.code.steps[place]["node"])
    return plan.placement[node].node if node < len(plan.placement) else f"step {place}"
