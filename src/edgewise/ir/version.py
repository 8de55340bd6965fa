"""The `.tflite` version of an operator in a model."""

from __future__ import annotations

from edgewise.ir.graph import Node
from edgewise.ir.op import Op


def version_of(node: Node) -> int:
    """The version that a node is written with. A file's version stays while the node is as it was
    read, and never falls: files may have a higher one than the types need, and old ones a lower."""
    op = node.op
    results = [v.type for v in node.outputs]
    version = op.version([None if v is None else v.type for v in node.inputs], results)
    read, stored = node.extras.get("as_read"), node.extras.get("version")
    if isinstance(read, Op) and read.builtin == op.builtin and isinstance(stored, int):
        values = [v for v in (*node.inputs, *node.outputs) if v is not None]
        same = op == read and all(v.type == v.extras.get("as_read") for v in values)
        version = stored if same else max(version, stored)
    return version
