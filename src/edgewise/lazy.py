"""A package's names, imported from its modules when they are first asked for (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def names(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """The `__getattr__` of a package; `homes` says which module of it defines a name."""

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"{package} has no attribute {name!r}; it has {', '.join(homes)}")
        found = getattr(import_module(f"{package}.{homes[name]}"), name)
        setattr(import_module(package), name, found)
        return found

    return find
