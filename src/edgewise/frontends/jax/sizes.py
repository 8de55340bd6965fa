"""Sizes as JAX has them while it traces, and ours: numbers, or polynomials of unknown sizes.

JAX's symbols come from `jax.export.symbolic_shape`; each stands for one of our `Sym`s, by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgewise.frontends.context import Unsupported
from edgewise.ir.dim import Dim, Expr, FloorDiv, Shape, Sym, SymbolicDim, dim_max, symbols
from edgewise.ir.dim import Max as MaxDim

_UNKNOWN = (
    "makes a size of unknown ones that cannot be followed: {}; convert with fixed sizes:"
    " convert(model, inputs=...)"
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Symbols of one trace: ours by the name that JAX has, JAX's by ours."""

    ours: Mapping[str, Sym]
    theirs: Mapping[Sym, Any]

    @classmethod
    def of(cls, shapes: Sequence[Shape]) -> Sizes:
        """Those of the shapes of a function's arguments."""
        from jax import export

        found = sorted({s for shape in shapes for s in symbols(shape)}, key=lambda s: s.name)
        names = {f"d{i}": symbol for i, symbol in enumerate(found)}
        made = export.symbolic_shape(",".join(names)) if names else ()
        return cls(names, dict(zip(names.values(), made, strict=True)))

    def to_jax(self, dim: Dim) -> Any:
        """A dimension for JAX."""
        if isinstance(dim, int):
            return dim
        if isinstance(dim, Sym):
            return self.theirs[dim]
        from jax import core

        assert isinstance(dim, Expr)
        total: Any = 0
        for atoms, coefficient in dim.terms:
            term: Any = coefficient
            for atom in atoms:
                if isinstance(atom, FloorDiv):
                    term = term * (self.to_jax(atom.value) // atom.divisor)
                elif isinstance(atom, MaxDim):
                    term = term * core.max_dim(self.to_jax(atom.value), atom.floor)
                else:
                    term = term * self.theirs[atom]
            total = total + term
        return total

    def dim(self, size: Any) -> Dim:
        """A size of JAX's as a dimension. Raises Unsupported."""
        if not hasattr(size, "_sorted_terms"):
            return int(size)
        total: Dim = 0
        for term, coefficient in size._sorted_terms:
            product: Dim = int(coefficient)
            for factor, power in term._factors:
                for _ in range(power):
                    product = self._factor(factor, size) * product
            total = product + total
        return total

    def dims(self, shape: Sequence[Any]) -> Shape:
        """A shape of JAX's. Raises Unsupported."""
        return tuple(self.dim(size) for size in shape)

    def _factor(self, factor: Any, whole: Any) -> Dim:
        if factor.var is not None:
            return self.ours[factor.var]
        operands = [self.dim(operand) for operand in factor.operands]
        a, b = operands
        if factor.operation == "max" and isinstance(b, int):
            return dim_max(a, b)
        if factor.operation == "max" and isinstance(a, int):
            return dim_max(b, a)
        if isinstance(a, SymbolicDim) and isinstance(b, int) and b > 0:
            if factor.operation == "floordiv":
                return a // b
            if factor.operation == "mod":
                return a % b
        raise Unsupported(_UNKNOWN.format(whole))
