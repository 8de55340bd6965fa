"""AttributeErrors that name the nearest attribute."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def no_attribute(owner: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for `owner.name`, with the nearest of the `known` names."""
    near = get_close_matches(name, list(known), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return AttributeError(f"{owner} has no attribute {name!r}{hint}")
