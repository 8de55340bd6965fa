"""What ours takes: an operator in an element type, asked by building and running a case of it."""

from __future__ import annotations

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
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from tests.ops.case import Case, all_cases, inputs_of, model_of
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


def version_in(model: Model) -> int:
    """The version that the operator is written with."""
    return version_of(next(iter(model.main.nodes)))


def is_native(model: Model) -> bool:
    """Kernels run all of it."""
    try:
        made = plan(model.main, Target(Isa.SCALAR))
    except NotPlannable:
        return False
    return all(p.where != "host" for p in made.placement)
