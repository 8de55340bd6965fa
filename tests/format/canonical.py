"""What of a model's records must be equal after reading and writing.

Everything but where things stand: operator codes and buffers are replaced by what they say, absent
and empty vectors, strings and tables are one, and a code is its builtin code, name and version.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgewise.format.record import Record


def canonical(model: Record) -> dict[str, Any]:
    """The facts in a Model record."""

    def buffer(index: int) -> Any:
        return _plain(model.buffers[index].data)

    def code(index: int) -> Any:
        found = model.operator_codes[index]
        number = max(found.deprecated_builtin_code, int(found.builtin_code))
        return number, found.custom_code or None, found.version

    return {
        "description": _plain(model.description),
        "metadata": {m.name: buffer(m.buffer) for m in model.metadata or []},
        "metadata_buffer": [buffer(i) for i in _list(model.metadata_buffer)],
        "signatures": _plain(model.signature_defs),
        "subgraphs": [
            {
                "tensors": [
                    _plain(t, without="buffer") | {"data": buffer(t.buffer)} for t in g.tensors
                ],
                "operators": [
                    _plain(o, without="opcode_index") | {"code": code(o.opcode_index)}
                    for o in g.operators or []
                ],
                **{name: _plain(getattr(g, name)) for name in ("name", "inputs", "outputs")},
            }
            for g in model.subgraphs or []
        ],
    }


def differences(a: Any, b: Any, path: str = "") -> Iterator[str]:
    """A line for each fact that differs."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for key in a:
            yield from differences(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from differences(x, y, f"{path}[{index}]")
    elif a != b:
        yield f"{path}: {str(a)[:60]} became {str(b)[:60]}"


def _plain(value: Any, without: str = "") -> Any:
    if isinstance(value, np.ndarray):
        return (value.dtype.name, value.tobytes()) if value.size else None
    if isinstance(value, list):
        return [_plain(item) for item in value] or None
    if isinstance(value, Record):
        plain = {name: _plain(field) for name, field in value.items() if name != without}
        return plain | {"table": value.table.name}
    return None if value == "" else value


def _list(value: np.ndarray | None) -> list[int]:
    return [] if value is None else value.tolist()
