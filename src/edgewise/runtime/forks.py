"""What a child process has to do anew after a fork: it has none of its parent's other threads, and
must not draw the random numbers that its parent draws."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """Something that holds what a child process cannot use as it is."""

    def after_fork(self) -> None:
        """Called in the child."""


_all: weakref.WeakSet[Forked] = weakref.WeakSet()


def remember(one: Forked) -> None:
    """`after_fork` is called in every child, as long as this object lives."""
    _all.add(one)


def _after_fork() -> None:
    for one in _all:
        one.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
