"""Where a tensor comes from, through nodes that pass it on and calls of functions.

A `Frame` is the main graph or one call of a function in it. Readers ask where the handle that a
node assigns to was made, or whether what it assigns is constant; nothing is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from edgewise.frontends.tensorflow.functions import Library
from edgewise.frontends.tensorflow.program import FunctionName, Ref, TFNode

MAX_NODES = 1_000_000  # in all frames
MAX_DEPTH = 8
MAX_STEPS = 64  # of passing a tensor on
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_PASSING = frozenset({"EnsureShape", "Identity", "StopGradient"})


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Nodes, and what their arguments are in the frame that calls.

    `values` are tensors that are known from outside, by the name of a node or argument; `assets`
    are names of files whose path a node or argument holds.
    """

    nodes: Mapping[str, TFNode]
    arguments: Mapping[str, tuple[Frame, Ref]] = field(default_factory=dict)
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    assets: Mapping[str, str] = field(default_factory=dict)

    def origin(self, ref: Ref) -> tuple[Frame, Ref]:
        """The tensor that `ref` is, in the outermost frame that knows it."""
        frame = self
        for _ in range(MAX_STEPS):
            outer = frame.arguments.get(ref.node)
            if outer is not None:
                frame, ref = outer
                continue
            node = frame.nodes.get(ref.node)
            if node is None or node.op not in _PASSING or not node.inputs:
                break
            ref = node.inputs[0]
        return frame, ref

    def constant(self, ref: Ref) -> np.ndarray | None:
        """The value of `ref` where it is known or a Const makes it."""
        frame, found = self.origin(ref)
        if found.node in frame.values:
            return frame.values[found.node]
        node = frame.nodes.get(found.node)
        value = node.attrs.get("value") if node is not None and node.op == "Const" else None
        return value if isinstance(value, np.ndarray) else None

    def asset(self, ref: Ref) -> str | None:
        """The asset whose path `ref` is; None: it is none."""
        frame, found = self.origin(ref)
        return frame.assets.get(found.node)


def frames(outermost: Frame, library: Library) -> Iterator[Frame]:
    """The frame and those of all calls in it, at most `MAX_DEPTH` deep."""
    stack, left = [(outermost, 0)], MAX_NODES
    while stack and left > 0:
        frame, depth = stack.pop()
        left -= len(frame.nodes) + 1
        yield frame
        if depth == MAX_DEPTH:
            continue
        for node in frame.nodes.values():
            called = node.attrs.get("f") if node.op in _CALLS else None
            name = called.name if isinstance(called, FunctionName) else node.op
            if name not in library:
                continue
            function = library.function(name)
            given = zip(function.arguments, node.inputs, strict=False)
            arguments = {argument.name: (frame, ref) for argument, ref in given}
            stack.append((Frame(function.nodes, arguments), depth + 1))
