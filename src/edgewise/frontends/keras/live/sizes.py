"""Sizes that are unknown while Python code is traced: numbers stand for them, three times.

Python code asks for the sizes of a tensor and computes with them, so it is traced with numbers in
place of unknown sizes; what differs between three such traces depends on them. A number n that
differs is `k * d + m` of one size, or `k * d * e` (* f) of several; an array whose shape differs
is one value per row repeated, or counts up along an axis. Anything else is refused, never guessed.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace

import numpy as np

from edgewise.frontends.keras.description import Counted, KerasLayer, Repeated
from edgewise.frontends.keras.live.record import Refused
from edgewise.ir.dim import Dim, Sym, substitute

TRACES = 3
# The batch is a prime; other sizes are multiples of 32 or 16, which code may divide by. A size of
# the model's own may be one of the numbers, or next to one: then the other numbers are taken.
_PRIMES = (
    (11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97),
    (101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191,
     193, 197, 199),
)  # fmt: skip
_FACTORS = (32, 16)
ATTEMPTS = len(_PRIMES)
_UNKNOWN = (
    "its call() makes something of the unknown size {} that cannot be followed; convert with a"
    " fixed size: convert(model, inputs=...)"
)
Numbers = Mapping[Sym, int]


class Untold(Refused):
    """What differs between traces is no formula of the unknown sizes."""


def stand_ins(symbols: set[Sym], attempt: int = 0) -> Sequence[Numbers]:
    """Numbers for unknown sizes, one mapping per trace; a single empty one where all is known."""
    if not symbols:
        return [{}]
    named = sorted(symbols, key=lambda symbol: symbol.name)
    primes = iter(_PRIMES[attempt])
    made: list[dict[Sym, int]] = [{} for _ in range(TRACES)]
    for symbol in named:
        for numbers in made:
            prime = next(primes, None)
            if prime is None:
                raise Refused(
                    f"its inputs have {len(named)} unknown sizes; convert with fixed ones"
                )
            numbers[symbol] = prime if symbol.name == "batch" else _FACTORS[attempt] * prime
    return made


def known(dim: Dim, numbers: Numbers) -> int:
    """A dimension as a number."""
    found = dim if isinstance(dim, int) else substitute(dim, dict(numbers))
    assert isinstance(found, int)
    return found


def merged(found: Sequence[object], numbers: Sequence[Numbers]) -> object:
    """One structure from those of several traces.

    Raises:
        Untold: they differ in more than can be followed.
    """
    first = found[0]
    if len(found) == 1 or all(item is first for item in found):
        return first
    if any(type(item) is not type(first) for item in found):
        raise Untold(_why(numbers))
    if isinstance(first, list | tuple):
        lengths = {len(item) for item in found}  # type: ignore[arg-type]
        if len(lengths) > 1:
            raise Untold(_why(numbers))
        return type(first)(merged(items, numbers) for items in zip(*found, strict=True))
    if isinstance(first, dict):
        if any(item.keys() != first.keys() for item in found):  # type: ignore[attr-defined]
            raise Untold(_why(numbers))
        return {key: merged([item[key] for item in found], numbers) for key in first}  # type: ignore[index]
    if isinstance(first, slice):
        parts = [[getattr(item, key) for item in found] for key in ("start", "stop", "step")]
        return slice(*(merged(part, numbers) for part in parts))
    if isinstance(first, np.ndarray):
        return _array(found, numbers)  # type: ignore[arg-type]
    if type(first) is int:
        return _number(found, numbers)  # type: ignore[arg-type]
    if isinstance(first, KerasLayer):
        return _layer(found, numbers)  # type: ignore[arg-type]
    if is_dataclass(first) and not isinstance(first, type):
        parts_of = {
            field.name: merged([getattr(item, field.name) for item in found], numbers)
            for field in fields(first)
        }
        return replace(first, **parts_of)
    if any(item != first for item in found):
        raise Untold(_why(numbers))
    return first


def _layer(found: Sequence[KerasLayer], numbers: Sequence[Numbers]) -> KerasLayer:
    """A layer is one object in every trace; an operation is made anew in each."""
    first = found[0]
    if all(layer.live is first.live for layer in found):
        return first
    if any(layer.class_name != first.class_name for layer in found):
        raise Untold(_why(numbers))
    config = merged([layer.config for layer in found], numbers)
    assert isinstance(config, Mapping)
    return replace(first, config=config)


def _why(numbers: Sequence[Numbers]) -> str:
    return _UNKNOWN.format(", ".join(repr(symbol.name) for symbol in numbers[0]))


def _number(found: Sequence[int], numbers: Sequence[Numbers]) -> Dim:
    """A number as a formula of the sizes."""
    if len(set(found)) == 1:
        return found[0]
    for symbol in numbers[0]:
        d = [n[symbol] for n in numbers]
        slope, rest = divmod(found[1] - found[0], d[1] - d[0])
        constant = found[0] - slope * d[0]
        if not rest and all(y == slope * x + constant for x, y in zip(d, found, strict=True)):
            return symbol * slope + constant
    for count in (2, 3):
        for chosen in itertools.combinations_with_replacement(numbers[0], count):
            products = [int(np.prod([n[symbol] for symbol in chosen])) for n in numbers]
            factor = found[0] // products[0]
            if factor and all(y == factor * x for x, y in zip(products, found, strict=True)):
                dim: Dim = factor
                for symbol in chosen:
                    dim = symbol * dim
                return dim
    raise Untold(_why(numbers))


def _array(found: Sequence[np.ndarray], numbers: Sequence[Numbers]) -> object:
    first = found[0]
    if all(a.shape == first.shape and np.array_equal(a, first, equal_nan=True) for a in found):
        return first
    if len({a.ndim for a in found}) > 1:
        raise Untold(_why(numbers))
    if first.ndim == 0:
        if first.dtype.kind not in "iu":
            raise Untold(_why(numbers))
        return _number([int(a) for a in found], numbers)
    shape = [_number(sizes, numbers) for sizes in zip(*(a.shape for a in found), strict=True)]
    if first.ndim == 1 and first.size > 1:
        counted = _counted(found, shape[0])
        if counted is not None:
            return counted
    reduced = []
    for a in found:
        for axis, dim in enumerate(shape):
            if not isinstance(dim, int):
                a = a[(slice(None),) * axis + (slice(0, 1),)]
        reduced.append(a)
    same = all(
        np.array_equal(a, np.broadcast_to(r, a.shape), equal_nan=True)
        and np.array_equal(r, reduced[0], equal_nan=True)
        for a, r in zip(found, reduced, strict=True)
    )
    if not same:
        raise Untold(_why(numbers))
    return Repeated(reduced[0], tuple(shape))


def _counted(found: Sequence[np.ndarray], count: Dim) -> Counted | None:
    """`arange` of an unknown size."""
    start, step = found[0][0], found[0][1] - found[0][0]
    if step == 0 or found[0].dtype.kind not in "iuf":
        return None
    if all(np.array_equal(a, start + step * np.arange(len(a))) for a in found):
        return Counted(float(start), float(step), count, found[0].dtype)
    return None
