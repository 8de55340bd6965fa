"""What ours takes: an operator in an element type, asked by building and running a case of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError
from edgewise.format import write
from edgewise.ir import Model
from edgewise.ir.evaluate import evaluate
from edgewise.ir.version import version_of
from edgewise.passes.target import load_target, targets
from edgewise.runtime.counted import kernel_of
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from tests.ops.case import Arg, Case, all_cases, inputs_of, model_of
from tests.ops.retyped import Kind, changes_of, first_type, is_base, retyped, slots

MOST_BASES = 3


@cache
def bases() -> dict[str, list[Case]]:
    """By operator, cases that others can be made from: of each type of data one, then the first
    ones."""
    found: dict[str, list[Case]] = {}
    rest: list[Case] = []
    for case in filter(is_base, all_cases()):
        cases = found.setdefault(case.op.name, [])
        alike = _type(case) in map(_type, cases)
        (rest if alike else cases).append(case)
    for case in rest:
        if len(found[case.op.name]) < MOST_BASES:
            found[case.op.name].append(case)
    return found


def _type(case: Case) -> DType | None:
    """Of the data, or else of the first operand."""
    return first_type(case) or next((a.dtype for a in case.args if a is not None), None)


def refusal(name: str, slot: str, text: str) -> str | None:
    """Why ours does not run an operator in a type; None where it does."""
    found = "no case to make it from"
    for attempt in attempts(name, slot, text):
        if isinstance(attempt, Model):
            return None
        found = attempt
    return found


def attempts(name: str, slot: str, text: str) -> Iterator[Model | str]:
    """The operator's cases in a type: models that ran, or why not."""
    for case in bases().get(name, []):
        if slot in slots(case):
            yield _attempt(case, slot, Kind.of(text))


def _attempt(case: Case, slot: str, kind: Kind) -> Model | str:
    try:
        changed, results = retyped(case, changes_of(slot, kind))
        changed = dataclasses.replace(changed, args=tuple(map(_in_48_bits, changed.args)))
        model = model_of(changed)
        wrong = [v for v, t in zip(model.main.outputs, results, strict=True) if v.dtype != t.dtype]
        if wrong:
            return f"the result is {wrong[0].dtype.text}"
        with np.errstate(all="ignore"):
            evaluate(model.main, inputs_of(changed))
        write(model)
    except (EdgewiseError, ValueError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    version, highest = version_in(model), load_target(targets()[-1]).versions[case.op.builtin]
    return f"version {version}; LiteRT has {highest}" if version > highest else model


def _in_48_bits(a: Arg | None) -> Arg | None:
    """A bias of int64 as LiteRT's kernels take it (`MultiplyByQuantizedMultiplier`)."""
    if a is None or a.quant is None or a.dtype is not DType.INT64:
        return a
    numbers = np.random.default_rng(a.shape).integers(-(1 << 47) + 1, 1 << 47, a.shape)
    return dataclasses.replace(a, values=numbers)


def version_in(model: Model) -> int:
    """The version that the operator is written with."""
    return version_of(next(iter(model.main.nodes)))


def why_python(model: Model) -> str:
    """Why not kernels but references run some of it; "" where kernels run all."""
    values = [v for v in model.main.values() if v.dtype is DType.STRING]
    if values:
        return "strings are Python's"
    try:
        made = plan(model.main, Target(Isa.SCALAR))
    except NotPlannable as reason:
        return "" if all(map(kernel_of, model.main.nodes)) else str(reason)
    return next((p.detail for p in made.placement if p.where == "host"), "")
