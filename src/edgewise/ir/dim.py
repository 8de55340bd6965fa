"""Dimensions: integers and symbolic expressions over named unknowns.

`Dim = int | SymbolicDim`. A symbolic dimension is a canonical sum of products of atoms, where an
atom is a `Sym` (a named unknown with bounds), a floor division by a positive integer constant, or
a maximum with a constant. Canonical means that equal polynomials compare equal; everything else is
*unknown* (`same_dim` returns None) and becomes a check when the model runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from edgewise.values import dataclass


class SymbolicDim:
    """Arithmetic shared by every symbolic dimension; results collapse to int where possible."""

    __slots__ = ()

    def __add__(self, other: Dim) -> Dim:
        terms = dict(_terms(self))
        for atoms, coefficient in _terms(other).items():
            terms[atoms] = terms.get(atoms, 0) + coefficient
        return _collapse(terms)

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return self * -1

    def __sub__(self, other: Dim) -> Dim:
        return self + other * -1

    def __rsub__(self, other: Dim) -> Dim:
        return self * -1 + other

    def __mul__(self, other: Dim) -> Dim:
        terms: dict[Atoms, int] = {}
        for (a, m), (b, n) in itertools.product(_terms(self).items(), _terms(other).items()):
            atoms = tuple(sorted(a + b, key=str))
            terms[atoms] = terms.get(atoms, 0) + m * n
        return _collapse(terms)

    __rmul__ = __mul__

    def __floordiv__(self, divisor: int) -> Dim:
        if divisor <= 0:
            raise ValueError(f"a dimension is divided by a positive integer; got {divisor}")
        # (k*d*a + r) // d -> k*a + r//d: the part that d divides leaves the division
        whole = {a: c // divisor for a, c in _terms(self).items() if c % divisor == 0}
        rest = _collapse({a: c for a, c in _terms(self).items() if c % divisor})
        if isinstance(rest, int):
            return _collapse(whole) + rest // divisor
        return _collapse(whole) + Expr((((FloorDiv(rest, divisor),), 1),))

    def __mod__(self, divisor: int) -> Dim:
        return self - (self // divisor) * divisor


@dataclass(frozen=True, slots=True)
class Sym(SymbolicDim):
    """A named unknown dimension with inclusive bounds (max None: unbounded)."""

    name: str
    min: int = 0
    max: int | None = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class FloorDiv:
    """`value // divisor`, divisor a positive constant."""

    value: SymbolicDim
    divisor: int

    def __str__(self) -> str:
        return f"({self.value})//{self.divisor}"


@dataclass(frozen=True, slots=True)
class Max:
    """`max(value, floor)`, floor a constant."""

    value: SymbolicDim
    floor: int

    def __str__(self) -> str:
        return f"max({self.value}, {self.floor})"


Atom: TypeAlias = Sym | FloorDiv | Max
Atoms: TypeAlias = tuple[Atom, ...]


@dataclass(frozen=True, slots=True)
class Expr(SymbolicDim):
    """A canonical sum of products: ((atoms, coefficient), ...); the constant has no atoms."""

    terms: tuple[tuple[Atoms, int], ...]

    def __str__(self) -> str:
        return " + ".join(
            "*".join([str(c)] * (c != 1 or not atoms) + [str(a) for a in atoms])
            for atoms, c in self.terms
        ).replace("+ -", "- ")


Dim: TypeAlias = int | SymbolicDim
Shape: TypeAlias = tuple[Dim, ...]

_serial = itertools.count()


def unknown_dim() -> Sym:
    """A fresh unknown, equal to nothing but itself."""
    return Sym(f"u{next(_serial)}")


def reserve(sym: Sym) -> None:
    """Keep `unknown_dim` from ever making this unknown; for readers of printed dimensions."""
    global _serial  # noqa: PLW0603 - one source of fresh names per process
    if sym.name[:1] == "u" and sym.name[1:].isdecimal() and len(sym.name) < 20:
        _serial = itertools.count(max(next(_serial), int(sym.name[1:]) + 1))


def dim_max(dim: Dim, floor: int) -> Dim:
    """max(dim, floor) for a constant floor."""
    if isinstance(dim, int):
        return max(dim, floor)
    lower, upper = bounds(dim)
    if lower >= floor:
        return dim
    if upper is not None and upper <= floor:
        return floor
    return Expr((((Max(dim, floor),), 1),))


def same_dim(a: Dim, b: Dim) -> bool | None:
    """True or False when decided for every value of the unknowns, None when unknown."""
    if a == b:
        return True
    difference = a - b
    if isinstance(difference, int):
        return difference == 0
    lower, upper = bounds(difference)
    return False if lower > 0 or (upper is not None and upper < 0) else None


def exact_quotient(a: Dim, b: Dim) -> Dim | None:
    """q with q * b == a for every value of the unknowns where b is not 0; None where there is no
    such q among the sums of products, or b is 0. b must be an integer or one product."""
    divisors = list(_terms(b).items())
    if len(divisors) != 1:
        return 1 if a == b and divisors else None
    (atoms, coefficient), terms = divisors[0], {}
    for product, c in _terms(a).items():
        rest = list(product)
        for atom in atoms:
            if atom not in rest:
                return None
            rest.remove(atom)
        if c % coefficient:
            return None
        terms[tuple(rest)] = c // coefficient
    return _collapse(terms)


def bounds(dim: Dim) -> tuple[int, int | None]:
    """Inclusive (lower, upper) bounds by interval arithmetic; upper None: unbounded.

    The lower bound of an expression with unbounded negative terms is reported as -(2**63).
    """
    low: float = 0
    high: float = 0
    for atoms, c in _terms(dim).items():
        span: tuple[float, float] = (c, c)
        for atom in atoms:
            span = _interval_product(span, _atom_bounds(atom))
        low, high = low + span[0], high + span[1]
    return (-(1 << 63) if low == -_INF else int(low)), (None if high == _INF else int(high))


def substitute(dim: Dim, values: Mapping[Sym, Dim]) -> Dim:
    """The dimension with the given unknowns replaced."""
    if isinstance(dim, int):
        return dim
    total: Dim = 0
    for atoms, c in _terms(dim).items():
        term: Dim = c
        for atom in atoms:
            term = term * _substitute_atom(atom, values)
        total = total + term
    return total


def symbols(shape: Iterable[Dim]) -> set[Sym]:
    """Every unknown that occurs in the dimensions."""
    found: set[Sym] = set()
    for dim in shape:
        for atoms in _terms(dim):
            for atom in atoms:
                found |= {atom} if isinstance(atom, Sym) else symbols([atom.value])
    return found


def is_static(shape: Iterable[Dim]) -> bool:
    """All dimensions are integers."""
    for dim in shape:  # noqa: SIM110  every value is asked several times before it is planned
        if not isinstance(dim, int):
            return False
    return True


def elements(shape: Iterable[Dim]) -> Dim:
    """The product of the dimensions (1 for a scalar)."""
    total: Dim = 1
    for dim in shape:
        total = total * dim
    return total


_INF = float("inf")


def _terms(dim: Dim) -> dict[Atoms, int]:
    if isinstance(dim, Expr):
        return dict(dim.terms)
    if isinstance(dim, Sym):
        return {(dim,): 1}
    assert isinstance(dim, int)
    return {(): dim} if dim else {}


def _collapse(terms: dict[Atoms, int]) -> Dim:
    kept = {atoms: c for atoms, c in terms.items() if c}
    if not kept:
        return 0
    if len(kept) == 1:
        atoms, c = next(iter(kept.items()))
        if not atoms:
            return c
        if c == 1 and len(atoms) == 1 and isinstance(atoms[0], Sym):
            return atoms[0]
    # the constant last; then by degree and name, so that equal sums print and compare equal
    order = sorted(kept.items(), key=lambda t: (not t[0], len(t[0]), [str(a) for a in t[0]]))
    return Expr(tuple(order))


def _interval_product(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    # an atom may be negative, as (x - 3)//2 is; 0 * infinity is 0, for no dimension is infinite
    ends = [x * y if x and y else 0 for x in a for y in b]
    return min(ends), max(ends)


def _atom_bounds(atom: Atom) -> tuple[float, float]:
    if isinstance(atom, Sym):
        return atom.min, _INF if atom.max is None else atom.max
    low, high = bounds(atom.value)
    upper = _INF if high is None else high
    if isinstance(atom, Max):
        return max(low, atom.floor), max(upper, atom.floor)
    return low // atom.divisor, upper if upper == _INF else upper // atom.divisor


def _substitute_atom(atom: Atom, values: Mapping[Sym, Dim]) -> Dim:
    if isinstance(atom, Sym):
        return values.get(atom, atom)
    inner = substitute(atom.value, values)
    if isinstance(atom, Max):
        return dim_max(inner, atom.floor)
    return inner // atom.divisor
