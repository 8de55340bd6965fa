"""src/edgewise/frontends/tensorflow/ops.json: what files leave out about TensorFlow's operations.

    ORACLE-PYTHON tools/tensorflow_ops.py

A line for each operation that has attributes with defaults, or not exactly one result: files drop
defaults, and functions name results that a graph must number. Operations that train, feed data, or
belong to one machine are left out by name; so is everything that needs no line.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2, op_def_pb2
from tensorflow.python.client import pywrap_tf_session

TABLE = Path(__file__).parents[1] / "src" / "edgewise" / "frontends" / "tensorflow" / "ops.json"
LEFT_OUT = re.compile(
    r"^_|^(TPU|BoostedTrees|Cudnn|Sdca|Experimental|Nccl|Collective|Tensor(Forest|RT)|TRT)"
    r"|Dataset|Grad(?!ientArgs)|TPUEmbedding|SparseCore|Apply|Mkl|Iterator|Barrier|Accumulator|Queue|Reader"
    r"|Test|Stub|Foo|Default|Polymorphic|Struct|Output(s|Float|String)|Summary|Recv|Send|Rpc|Checkpoint|Audio(?!Spectrogram)|Optional"
)


def main() -> None:
    """Write the table."""
    ops = op_def_pb2.OpList()
    ops.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    rows = {op.name: row(op) for op in ops.op if not LEFT_OUT.search(op.name)}
    lines = [
        f"{json.dumps(name)}: {json.dumps(rows[name], separators=(',', ':'))}"
        for name in sorted(rows)
        if rows[name][1] or len(rows[name][0]) != 1 or re.search("[*@]", rows[name][0][0])
    ]
    head = f'"version": {json.dumps(tf.__version__)}'
    TABLE.write_text("{\n" + ",\n".join([head, *lines]) + "\n}\n")
    print(f"{TABLE.name}: {len(lines)} operations, {TABLE.stat().st_size} bytes")


def row(op: op_def_pb2.OpDef) -> tuple[list[str], dict[str, object]]:
    """Results (`name`, `name*count` or `name@types`, by attribute) and defaults."""
    results = [
        arg.name
        + (f"*{arg.number_attr}" if arg.number_attr else "")
        + (f"@{arg.type_list_attr}" if arg.type_list_attr else "")
        for arg in op.output_arg
    ]
    given = [attr for attr in op.attr if attr.HasField("default_value")]
    return results, {attr.name: default(attr.default_value) for attr in given}


def default(value: attr_value_pb2.AttrValue) -> object:
    """JSON: numbers, truth values and text as such; a type or shape is a mapping of one key."""
    kind = value.WhichOneof("value")
    if kind == "list":
        fields = value.list.ListFields()
        return [element(field.name, item) for field, items in fields for item in items]
    return element(kind, getattr(value, kind))


def element(kind: str, item: object) -> object:
    """One value of a kind of AttrValue."""
    if kind == "s":
        return item.decode()
    if kind == "shape":
        return {"shape": None if item.unknown_rank else [dim.size for dim in item.dim]}
    return {"type": item} if kind == "type" else item


if __name__ == "__main__":
    main()
