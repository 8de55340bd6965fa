"""Layers with `stateful=True`: their states outlive a run.

One that is a single operator keeps them in its variable tensors. Others read and assign variables
that operators name, which CALL_ONCE gives what the file holds for them (Keras 3 stores nothing:
then zeros). Beside one of the first kind no layer that forgets its state may be a single operator:
variable tensors are reset for each run of a model that is marked stateless, or of none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgewise.frontends.context import Unsupported
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.recurrent_cells import Cell
from edgewise.ir.graph import Value
from edgewise.ir.types import TensorType
from edgewise.ops.state import AssignVariable, ReadVariable, VarHandle


@dataclass(slots=True)
class Memory:
    """The states that a layer keeps; `is_kept` is False for layers that keep none."""

    c: Context
    layer: KerasLayer
    is_kept: bool
    names: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, c: Context, layer: KerasLayer) -> Memory:
        """What the layer's config says."""
        return cls(c, layer, flag(layer, "stateful"))

    @property
    def may_fuse(self) -> bool:
        """Variable tensors, which begin as zeros, do for the states."""
        if not self.is_kept:
            self.c.forgets = True
            return self.c.may_fuse
        path = "/".join(self.c.path)
        if path in self.c.kept:
            raise Unsupported(
                "stateful=True and called twice: both calls continue one state; make it two layers"
            )
        is_zero = not any(a.any() for k, a in self.layer.weights.items() if k.startswith("state/"))
        if is_zero:
            self.c.kept.add(path)
        return is_zero

    def read(self, cell: Cell, x: Value) -> list[Value]:
        """The states as the last run left them; none where nothing is kept."""
        if not self.is_kept:
            return []
        begin = [value.data for value in cell.begin(x)]
        stored = [self.layer.weights.get(f"state/{i}") for i in range(len(begin))]
        firsts = [a if b is None else b for a, b in zip(begin, stored, strict=True)]
        if any(first is None for first in firsts):
            raise Unsupported("stateful=True needs a fixed batch; give it in the input's shape")
        c, values = self.c, []
        for i, first in enumerate(firsts):
            data = np.asarray(first, np.float32)
            self.names.append("/".join([*c.path, f"state_{i}"]))
            c.variables.setdefault(self.names[-1], data)
            handle = c.b.node(VarHandle(shared_name=self.names[-1])).output
            values.append(c.b.node(ReadVariable(), handle, results=[TensorType.of(data)]).output)
        return values

    def write(self, states: Sequence[Value]) -> None:
        """The next run begins with these, where they are kept."""
        for name, state in zip(self.names, states if self.is_kept else (), strict=True):
            handle = self.c.b.node(VarHandle(shared_name=name)).output
            self.c.b.node(AssignVariable(), handle, state)
