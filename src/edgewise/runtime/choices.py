"""What can be chosen of how an operator runs without a bit of its result changing: all of it.

The planner takes a `Choice` for an operator where it is given one; `tune.py` finds them by
measuring. Each is one departure from what the planner does by itself, which stands in `Target`.

Left out is what moves results, because those are to depend on the model alone: whether a hybrid
layer multiplies integers or floats (floats throughout: 6 to 39 % slower; each layer as it is
fastest: 0 to 2 % faster; five networks, Zen 3), and whether attention is one kernel. And what never
paid: the kernels of a lesser instruction set, 16-bit weights widened while planning.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgewise.runtime.plan import Target
from edgewise.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class Choice:
    """How one operator runs. None: as the target says, or as the planner estimates."""

    block_bytes: int | None = None  # of activations in a tile: its shape, and the order of loops
    tiles_per_thread: int | None = None
    is_joined: bool = True  # tile by tile with the operator before it, where that is possible
    is_shared: bool | None = None  # among the threads

    def target(self, target: Target) -> Target:
        """What the operator is planned for."""
        if self.block_bytes is not None:
            target = replace(target, block_bytes=self.block_bytes)
        if self.tiles_per_thread is not None:
            target = replace(target, tiles_per_thread=self.tiles_per_thread)
        return target

    def work(self, estimate: int) -> int:
        """What C is told of a step's time in ns, by which it is left to one thread."""
        if self.is_shared is None:
            return estimate
        return 1 << 31 if self.is_shared else 1

    def __str__(self) -> str:
        return ", ".join(
            said
            for said, is_so in (
                (f"tiles of {(self.block_bytes or 0) // 1024} KB", self.block_bytes is not None),
                (f"tiles a thread: {self.tiles_per_thread}", self.tiles_per_thread is not None),
                ("by itself", not self.is_joined),
                ("shared by threads", self.is_shared is True),
                ("on one thread", self.is_shared is False),
            )
            if is_so
        )


AS_PLANNED = Choice()

Choices = Mapping[int, Choice]  # by the operator's number in the graph


def alternatives(target: Target) -> tuple[Choice, ...]:
    """What may be faster than the plan for a target, one departure each."""
    sizes = [kb * 1024 for kb in (16, 32, 64, 128, 256, 512, 1024)]
    found = [Choice(block_bytes=size) for size in sizes if size != target.block_bytes]
    found.append(Choice(is_joined=False))
    if target.threads > 1:
        counts = [n for n in (1, 2, 4, 8) if n != target.tiles_per_thread]
        found += [Choice(tiles_per_thread=n) for n in counts]
        found += [Choice(is_shared=False), Choice(is_shared=True)]
    return tuple(found)
