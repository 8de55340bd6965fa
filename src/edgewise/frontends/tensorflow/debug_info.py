"""Where in somebody's program a node was made: GraphDebugInfo -> `Location`s.

A trace has the outermost line first; lines of TensorFlow and Keras themselves say nothing to
anybody, so the innermost line outside them is told.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.frontends.tensorflow.messages import (
    FileLineCol,
    GraphDebugInfo,
    NodeDef,
    StackTrace,
)
from edgewise.ir.graph import Location

_LIBRARIES = ("/tensorflow/python/", "/keras/src/", "/tf_keras/", "/keras/engine/", "<frozen ")


class Locations:
    """Locations of the nodes of one file; without `info` they are the nodes' own names."""

    def __init__(self, info: GraphDebugInfo | None = None) -> None:
        self._files: Sequence[str] = info.files if info else ()
        self._frames: dict[int, FileLineCol] = {}
        self._traces: dict[str, StackTrace] = {}
        if info is None:
            return
        self._frames = {entry.key: entry.value for entry in info.frames_by_id if entry.value}
        by_id = {entry.key: entry.value for entry in info.traces_by_id if entry.value}
        self._traces = dict(info.traces)
        for entry in info.name_to_trace_id:
            if trace := by_id.get(entry.value):
                self._traces[entry.key] = trace

    def of(self, node: NodeDef, function: str) -> Location:
        """Where `node` of `function` ("" in the main graph) comes from."""
        file, line = self._line(f"{node.name}@{function}")
        origin = node.experimental_debug_info
        if origin is None or not origin.original_node_names:
            return Location(node.name, file, line)
        layer = origin.original_node_names[0]
        if not file:
            function = origin.original_func_names[0] if origin.original_func_names else ""
            file, line = self._line(f"{layer}@{function}")
        return Location(layer, file, line)

    def _line(self, key: str) -> tuple[str, int]:
        trace = self._traces.get(key) if self._traces else None
        if trace is None:
            return "", 0
        frames = [self._frames.get(int(i)) for i in trace.frame_id] or [*trace.file_line_cols]
        lines = [(self._file(frame), frame.line) for frame in frames if frame]
        users = [line for line in lines if not any(part in line[0] for part in _LIBRARIES)]
        return (users or lines or [("", 0)])[-1]

    def _file(self, frame: FileLineCol) -> str:
        known = 0 <= frame.file_index < len(self._files)
        return self._files[frame.file_index] if known else ""
