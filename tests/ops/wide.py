"""Thousands of one-operator cases, made from those of `cases/`: every type and attribute corner.

A case without scales is retyped to every element type that LiteRT's kernels take (`accepts.py`), in
every slot; its truth values and enumerations take every value, alone. What the operator refuses is
no case. Everything is derived and seeded by the case's name, so the list is the same everywhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from enum import Enum
from functools import cache

import numpy as np

from edgewise.dtypes import QUANTIZED, DType
from edgewise.errors import EdgewiseError
from edgewise.ir.evaluate import evaluate
from edgewise.ir.op import NotQuantized, QuantRule
from tests.ops import accepts
from tests.ops.case import Case, all_cases, inputs_of, model_of, quantized
from tests.ops.retyped import CONVERSIONS, Kind, changes_of, first_type, is_base, retyped, slots


@cache
def wide_cases() -> tuple[Case, ...]:
    """All of them, in the order of the operators; none has the name of another."""
    return tuple(filter(runs, candidates()))


@cache
def one_each() -> tuple[Case, ...]:
    """The first case of each operator and types of its operands."""
    found: dict[tuple[str, ...], Case] = {}
    for case in candidates():
        types = (a.dtype.text + "/q" * (a.quant is not None) for a in case.args if a)
        key = (case.op.name, *types)
        if key not in found and runs(case):
            found[key] = case
    return tuple(found.values())


def candidates() -> Iterator[Case]:
    """Cases, and what the operators refuse."""
    known = {case.id for case in all_cases()}
    converting: set[str] = set()
    for case in filter(is_base, all_cases()):
        first = case.op.name not in converting
        converting |= {case.op.name} & set(CONVERSIONS)
        for other in (*_corners(case), *(_kinds(case) if first else ())):
            if other.id not in known:
                known.add(other.id)
                yield other


def _kinds(case: Case) -> Iterator[Case]:
    for slot in slots(case):
        for text in accepts.taken(case.op.name, slot):
            try:
                yield _in_kind(case, slot, Kind.of(text))
            except (EdgewiseError, ValueError, TypeError, AssertionError, FloatingPointError):
                continue  # the operator has no such form; test_accepts.py asks whether it should


def _in_kind(case: Case, slot: str, kind: Kind) -> Case:
    """Retyped, or, where calibration gives scales, quantized by the operator's rule."""
    rule: QuantRule = case.op.quantization
    ranged = kind.scaled and kind.dtype in QUANTIZED and not isinstance(rule, NotQuantized)
    if slot == "data" and ranged and first_type(case) is DType.FLOAT32:
        with np.errstate(invalid="raise"):  # no scale stands for NaN or infinity
            return quantized(case, kind.dtype)
    return retyped(case, changes_of(slot, kind))[0]


def _corners(case: Case) -> Iterator[Case]:
    """The case with each truth value and enumeration at each other value."""
    for name, value in case.op.items():
        others: tuple[object, ...] = ()
        if isinstance(value, bool):
            others = (not value,)
        elif isinstance(value, Enum) and not isinstance(value, DType):
            others = tuple(v for v in type(value) if v is not value)
        for other in others:
            text = other.name if isinstance(other, Enum) else str(other)
            yield dataclasses.replace(
                case,
                op=case.op.replace(**{name: other}),
                quantize=(),
                label=f"{case.label or 'plain'}-{name}-{text}".lower(),
            )


def runs(case: Case) -> bool:
    """The operator accepts it."""
    with np.errstate(all="ignore"):
        try:
            evaluate(model_of(case).main, inputs_of(case))
        except (EdgewiseError, ValueError, TypeError, AssertionError):
            return False
    return True
