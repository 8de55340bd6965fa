"""Lists of rules by name, imported where a graph has the operators that one of their rules needs.

Importing all rules of the pipeline before planning, and the operators that they make, takes a
quarter of planning a small network, which needs a tenth of them.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from importlib import import_module
from typing import TYPE_CHECKING

from edgewise.passes.needs import DEPTHS, NEEDS
from edgewise.values import dataclass

if TYPE_CHECKING:
    from edgewise.passes.rewrite import Rule


@dataclass(frozen=True, slots=True)
class Listed:
    """The rules of a list; `depth` is that of the deepest pattern. `needs` has the operators
    without which the patterns cannot fit: "log softmax, div|mul" where one needs LOG and SOFTMAX,
    and all others DIV or MUL."""

    name: str  # "activation.ACTIVATIONS"
    depth: int
    needs: str

    def may_fit(self, operators: Set[str]) -> bool:
        """Whether a graph that has these operators, by name, needs the list."""
        return any(
            all(not operators.isdisjoint(names.split("|")) for names in need.split())
            for need in self.needs.split(", ")
        )

    def rules_for(self, operators: Set[str]) -> Sequence[Rule]:
        """The rules, where they may fit."""
        return self.rules() if self.may_fit(operators) else ()

    def rules(self) -> Sequence[Rule]:
        """The rules; imports their module."""
        module, name = self.name.split(".")
        found: Sequence[Rule] = getattr(import_module(f"edgewise.passes.{module}"), name)
        return found


def listed(names: Sequence[str]) -> tuple[Listed, ...]:
    """Lists by name."""
    return tuple([Listed(name, DEPTHS[name], NEEDS[name]) for name in names])
