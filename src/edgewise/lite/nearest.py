"""AttributeErrors that name the nearest attribute."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def no_attribute(owner: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for `owner.name`, with the nearest of the `known` names."""
    from difflib import get_close_matches  # 1 ms, and only errors need it

    public = [k for k in known if not k.startswith("_")]
    near = get_close_matches(name, public, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(sorted(public))}"
    return AttributeError(f"{owner} has no attribute {name!r}{hint}")


class NearestName:
    """A class whose missing attributes are told with the nearest one that exists."""

    # Only called for names that were not found; Any, as for any attribute nobody knows.
    def __getattr__(self, name: str) -> Any:
        raise no_attribute(type(self).__name__, name, dir(type(self)))
