"""Classes by name, of which those nobody asked for yet are not imported.

Importing every family of operators takes 25 ms, a model needs a tenth of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import TypeVar

T = TypeVar("T")


class Registry(MutableMapping[str, T]):
    """What modules put here when they are imported. Looking a name up imports the module that
    defines it; looking at all names, in their order, imports all modules."""

    def __init__(self) -> None:
        self._known: dict[str, T] = {}
        self._homes: Mapping[str, str] = {}  # module by name
        self._package = ""
        self._is_whole = True

    def learn(self, package: str, homes: Mapping[str, str]) -> None:
        """The modules of a package define more; `homes` says which module of it defines a name.
        One that is not there is found when all are imported."""
        self._package, self._homes, self._is_whole = package, homes, False

    def is_known(self, name: str) -> bool:
        """Whether there is such a name; its module is not imported for it."""
        return name in self._known or name in self._homes or name in self

    def imported(self, name: str) -> T | None:
        """What this name means; None where that is not imported yet."""
        return self._known.get(name)

    def __getitem__(self, name: str) -> T:
        if name not in self._known and name in self._homes:
            import_module(f"{self._package}.{self._homes[name]}")
        return self._known[name]

    def __setitem__(self, name: str, found: T) -> None:
        self._known[name] = found

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __iter__(self) -> Iterator[str]:
        self._import_all()
        return iter(sorted(self._known))

    def __len__(self) -> int:
        self._import_all()
        return len(self._known)

    def _import_all(self) -> None:
        if self._is_whole:
            return
        from pkgutil import iter_modules

        self._is_whole = True
        for module in iter_modules(import_module(self._package).__path__):
            import_module(f"{self._package}.{module.name}")
