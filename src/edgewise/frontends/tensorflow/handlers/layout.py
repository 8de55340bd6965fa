"""Data formats: operations on [N, C, ...] as operators on [N, ..., C]; windows as attributes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Unsupported
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value

_FORMATS = ("NHWC", "NCHW", "NDHWC", "NCDHW")


def is_channels_first(node: TFNode) -> bool:
    """The operation's tensors are [N, C, ...]."""
    return attrs.choice(node, "data_format", _FORMATS, "NHWC").startswith("NC")


def channels_last(c: Context, node: TFNode, x: Value, body: Callable[[Value], Value]) -> Value:
    """`body`, which works on [N, ..., C], in the layout of the operation."""
    return c.on_channels_last(x, body) if is_channels_first(node) else body(x)


def spatial(node: TFNode, values: Sequence[int], what: str) -> tuple[int, ...]:
    """Those of values for [N, ..., C] (or [N, C, ...]) that belong to the axes between.

    Raises:
        Unsupported: the batch or the channels have one that is not 1.
    """
    first = 2 if is_channels_first(node) else 1
    kept = tuple(values[first : len(values) - (2 - first)])
    outer = [v for i, v in enumerate(values) if not first <= i < first + len(kept)]
    if any(v != 1 for v in outer):
        raise Unsupported(f"{what} over the batch or the channels: {list(values)}; use 1 there")
    return kept


@dataclass(frozen=True, slots=True)
class Window:
    """How a window moves over the axes between the batch and the channels.

    `margins` are (before, after) of explicit padding, an entry per axis of [N, ..., C].
    """

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: Padding
    margins: tuple[tuple[int, int], ...] | None = None

    @classmethod
    def of(cls, node: TFNode) -> Window:
        """Read from the attributes of a node."""
        strides = spatial(node, attrs.integers(node, "strides"), "strides")
        ones = [1] * (len(strides) + 2)
        dilations = spatial(node, attrs.integers(node, "dilations", ones) or ones, "dilations")
        kind = attrs.choice(node, "padding", ("SAME", "VALID", "EXPLICIT"))
        if kind != "EXPLICIT":
            return cls(strides, dilations, Padding.SAME if kind == "SAME" else Padding.VALID)
        flat = attrs.integers(node, "explicit_paddings")
        pairs = [(flat[i], flat[i + 1]) for i in range(0, len(flat) - 1, 2)]
        if is_channels_first(node):
            pairs = [pairs[0], *pairs[2:], pairs[1]]
        return cls(strides, dilations, Padding.VALID, tuple(pairs))

    def padded(self, c: Context, x: Value, value: float = 0.0) -> Value:
        """[N, ..., C] with the explicit padding around it."""
        if self.margins is None or not any(map(any, self.margins)):
            return x
        amounts = c.b.constant(np.array(self.margins, np.int32))
        return c.b.padv2(x, amounts, c.scalar(value, x)) if value else c.b.pad(x, amounts)

    @property
    def attributes(self) -> dict[str, object]:
        """Padding, strides and dilations as the operators name them."""
        return {**self.steps, **self._named("dilation_{}_factor", self.dilations)}

    @property
    def steps(self) -> dict[str, object]:
        """Padding and strides as the operators name them."""
        return {"padding": self.padding, **self._named("stride_{}", self.strides)}

    def _named(self, name: str, values: tuple[int, ...]) -> dict[str, int]:
        letters = "dhw"[-len(values) :]
        return {name.format(k): v for k, v in zip(letters, values, strict=True)}
