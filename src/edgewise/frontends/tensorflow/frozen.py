"""A frozen graph (`.pb`, `.pbtxt`) -> Program: weights are constants, nothing says what goes in and
out.

Without names, what has to be fed goes in, and what nobody reads comes out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from edgewise.errors import ConversionError, FormatError, listing
from edgewise.files import read_model_file
from edgewise.frontends.protobuf import decode
from edgewise.frontends.prototext import encoded
from edgewise.frontends.tensorflow.graph_def import Graph, entry_of
from edgewise.frontends.tensorflow.messages import GraphDef
from edgewise.frontends.tensorflow.program import Program
from edgewise.frontends.tensorflow.tensors import Budget
from edgewise.frontends.tensorflow.types import ENUMS

# How a graph as text begins, after comments.
_TEXT = re.compile(rb"(?:\s|#[^\n]*\n)*(?:node|versions|version|library)\s*[:{<]")
VARIABLES = frozenset({"Variable", "VariableV2", "VarHandleOp"})


def read_frozen(
    source: str | os.PathLike[str] | bytes,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> Program:
    """The program of a frozen graph, with one signature, whose key is empty.

    Args:
        source: the path of the file, or its bytes.
        inputs: tensors that go in, by name (`x`, `conv/Relu:0`); default: all placeholders.
        outputs: tensors that come out; default: those that no node reads.

    Raises:
        FormatError: not a GraphDef, or a damaged one.
        ConversionError: a graph with variables, without results, or without those tensors.
    """
    file = "model" if isinstance(source, bytes) else Path(source).name
    data = source if isinstance(source, bytes) else read_model_file(source)
    if problem := _other_kind(data):
        raise FormatError(problem, file=file)
    if _TEXT.match(data):
        data = encoded(GraphDef, data, file=file, enums=ENUMS)
    graph = Graph(decode(GraphDef, data, file=file), Budget(file))
    if not graph.nodes:
        raise FormatError("a frozen graph has nodes; this file has none", file=file)
    taken = list(graph.placeholders() if inputs is None else inputs)
    given = list(graph.unread() if outputs is None else outputs)
    if not given:
        raise ConversionError(
            f"{file}: outputs must be named: each node of the graph is read by another. "
            "Give outputs=['NAME', ...]."
        )
    entry = entry_of(graph, "", _named(taken), _named(given), {})
    variables = [node.name for node in entry.function.nodes.values() if node.op in VARIABLES]
    if variables:
        raise ConversionError(
            f"{file}: the graph must be frozen; "
            + listing(variables, "variables have no values in it", most=20)
            + "\nConvert the SavedModel instead, or freeze the graph with its checkpoint."
        )
    functions = graph.library.reached([entry.function])
    return Program((entry,), functions, file, graph.producer)


def _named(tensors: Sequence[str]) -> dict[str, str]:
    """Names of a signature for tensors: the first result of a node is called like the node."""
    return {tensor.removeprefix("^").removesuffix(":0"): tensor for tensor in tensors}


def _other_kind(data: bytes) -> str | None:
    """What the bytes are if they are no GraphDef, and what to do with them."""
    if data.startswith((b"\x08\x01", b"\x08\x00")):
        return "is the saved_model.pb of a SavedModel; give the folder that it is in"
    if data[4:8] == b"TFL3":
        return "is a .tflite file, not a frozen graph; load it as it is"
    return None
