"""A SavedModel folder -> Program: each signature as a function, with what its handles stand for.

A TensorFlow 2 signature is a node of the main graph that calls a function whose last arguments are
captured objects: the function is the entry. Any other signature is the part of the main graph
between its tensors. Inputs come in the order of arguments (of the graph's nodes), outputs in that
of results (of names); TensorFlow's own converter orders both by a hash of their names.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from edgewise.errors import ConversionError, FormatError
from edgewise.files import read_model_file
from edgewise.frontends.protobuf import Later, decode
from edgewise.frontends.prototext import encoded
from edgewise.frontends.tensorflow.graph_def import Graph, entry_of
from edgewise.frontends.tensorflow.messages import GraphDebugInfo, GraphDef
from edgewise.frontends.tensorflow.messages_saved import (
    AssetFileDef,
    MetaGraphDef,
    MetaGraphHead,
    MetaGraphSignatures,
    SavedModel,
    TensorInfo,
)
from edgewise.frontends.tensorflow.program import Entry, FunctionName, Program, Ref, TFNode
from edgewise.frontends.tensorflow.saved_model.assets import Assets
from edgewise.frontends.tensorflow.saved_model.objects import Captured, Objects
from edgewise.frontends.tensorflow.saved_model.resources import GraphResources
from edgewise.frontends.tensorflow.saved_model.signature import Signature, flat
from edgewise.frontends.tensorflow.saved_model.stored import Stored
from edgewise.frontends.tensorflow.tensors import Budget
from edgewise.frontends.tensorflow.types import ENUMS

_OURS = frozenset({"__saved_model_init_op", "__saved_model_train_op"})  # TensorFlow's own
MAX_SIGNATURES = 256
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


def read_saved_model(
    folder: str | os.PathLike[str],
    tags: Iterable[str] | None = None,
    signature_keys: Sequence[str] | None = None,
) -> Program:
    """The program of a SavedModel.

    Args:
        folder: the one with `saved_model.pb` in it.
        tags: which of its graphs; default `{"serve"}`.
        signature_keys: which signatures; default all.

    Raises:
        FormatError: damaged files, wrong checksums, paths that leave the folder.
        ConversionError: no such graph or signature, missing files, values that are not to be had,
            functions that call themselves.
    """
    path = Path(folder).absolute()
    file = f"{path.name}/saved_model.pb"
    meta = _chosen(_saved_model(path, file), tags, path.name).read()
    ops = meta.meta_info_def.stripped_op_list if meta.meta_info_def else None
    graph = Graph(meta.graph_def or GraphDef(), Budget(file), _debug_info(path), ops)
    stored = Stored(path, Assets(path, meta))
    objects = Objects(meta.object_graph_def, graph, stored) if meta.object_graph_def else None
    keys = _signatures(meta, signature_keys, objects, path.name)
    signatures = {key: flat(meta.signature_def[key]) for key in keys}
    resources = GraphResources(graph, stored)
    entries = tuple(
        _function_entry(graph, key, signatures[key], objects)
        or _graph_entry(graph, key, signatures[key], resources)
        for key in keys
    )
    stored.check()
    functions = graph.library.reached(entry.function for entry in entries)
    version = meta.meta_info_def.tensorflow_version if meta.meta_info_def else ""
    return Program(entries, functions, path.name, f"TensorFlow {version}".strip())


def signatures(folder: str | os.PathLike[str], tags: Iterable[str] | None = None) -> dict[str, str]:
    """What each signature of a SavedModel takes and gives, as people read it, by key, sorted.

    Raises as `read_saved_model`."""
    path = Path(folder)
    meta = _chosen(_saved_model(path, f"{path.name}/saved_model.pb"), tags, path.name)
    found = meta.read_as(MetaGraphSignatures).signature_def
    return {key: str(flat(found[key])) for key in sorted(set(found) - _OURS)}


def _saved_model(path: Path, file: str) -> SavedModel:
    if path.is_dir() and not (path / "saved_model.pb").exists():
        if (path / "saved_model.pbtxt").exists():
            data = read_model_file(path / "saved_model.pbtxt")
            held = {"tensorflow.AssetFileDef": AssetFileDef}
            data = encoded(SavedModel, data, file=f"{file}txt", enums=ENUMS, types=held)
            return decode(SavedModel, data, file=f"{file}txt")
        if (path / "saved_model.cpb").exists():
            raise FormatError(
                "is in chunks; save the model without experimental_image_format",
                file=f"{path.name}/saved_model.cpb",
            )
        raise FormatError("a SavedModel has the file saved_model.pb; it is missing", file=path.name)
    return decode(SavedModel, read_model_file(path / "saved_model.pb"), file=file)


def _debug_info(path: Path) -> GraphDebugInfo | None:
    file = path / "debug" / "saved_model_debug_info.pb"
    if not file.is_file():
        return None
    return decode(GraphDebugInfo, read_model_file(file), file=f"{path.name}/debug/{file.name}")


def _chosen(saved: SavedModel, tags: Iterable[str] | None, name: str) -> Later[MetaGraphDef]:
    """The graph that has exactly these tags."""
    wanted = {"serve"} if tags is None else set(tags)
    found: list[str] = []
    for stored in saved.meta_graphs:
        info = stored.read_as(MetaGraphHead).meta_info_def
        has = sorted(info.tags) if info else []
        if set(has) == wanted:
            return stored
        found.append("{" + ", ".join(has) + "}")
    raise ConversionError(
        f"{name}: no graph has the tags {{{', '.join(sorted(wanted))}}};"
        f" there are {', '.join(found) or 'none'}. Give tags=[...]."
    )


def _signatures(
    meta: MetaGraphDef, wanted: Sequence[str] | None, objects: Objects | None, name: str
) -> list[str]:
    """Keys of the signatures to read, sorted or as wanted."""
    there = sorted(set(meta.signature_def) - _OURS)
    if not there:
        functions = [
            f"{function} ({traces} traces)"
            for function, traces in (objects.functions() if objects else ())
        ]
        raise ConversionError(
            f"{name}: has no signatures, only "
            + (f"the functions {', '.join(functions)}" if functions else "values: no function")
            + ". Save it with them: tf.saved_model.save(model, path, signatures=...)."
        )
    if len(there) > MAX_SIGNATURES:
        raise FormatError(
            f"a SavedModel has at most {MAX_SIGNATURES} signatures; found {len(there)}", file=name
        )
    missing = [key for key in wanted or () if key not in there]
    if missing or (wanted is not None and not wanted):
        raise ConversionError(
            f"{name}: has no signature {', '.join(map(repr, missing)) or 'of no name'};"
            f" there are {', '.join(map(repr, there))}. Give signature_keys=[...]."
        )
    return there if wanted is None else list(dict.fromkeys(wanted))


def _function_entry(
    graph: Graph, key: str, signature: Signature, objects: Objects | None
) -> Entry | None:
    """The function that the signature's node calls; None: it is none of the saved ones."""
    call = _call(graph, signature.outputs.values())
    called = call.attrs.get("f") if call is not None else None
    if objects is None or call is None or not isinstance(called, FunctionName):
        return None
    captured = objects.captured(called.name)
    if captured is None:
        return None
    function = graph.library.function(called.name)
    free = len(function.arguments) - len(captured)
    places = {str(ref): i for i, ref in enumerate(call.inputs[: max(free, 0)])}
    inputs = {name: places.get(_tensor(info)) for name, info in signature.inputs.items()}
    outputs = {name: graph.ref(info.name) for name, info in signature.outputs.items()}
    known = {name: place for name, place in inputs.items() if place is not None}
    if sorted(known.values()) != list(range(free)) or len(known) != len(inputs):
        return None
    bound: dict[str, Captured] = {}
    for argument, number in zip(function.arguments[free:], captured, strict=True):
        value = objects.value(number)
        if value is not None:
            bound[argument.name] = value
    positions = {name: ref.output for name, ref in outputs.items() if isinstance(ref, Ref)}
    if not all(position < len(function.results) for position in positions.values()):
        return None
    return Entry(key, function, _by_place(known), _by_place(positions), bound)


def _call(graph: Graph, outputs: Collection[TensorInfo]) -> TFNode | None:
    """The one node that makes all results, if it is a call."""
    refs = [graph.ref(info.name) for info in outputs]
    nodes = {ref.node if isinstance(ref, Ref) else "" for ref in refs}
    node = graph.nodes.get(nodes.pop()) if len(nodes) == 1 else None
    return node if node is not None and node.op in _CALLS else None


def _graph_entry(graph: Graph, key: str, signature: Signature, resources: GraphResources) -> Entry:
    order = {name: i for i, name in enumerate(graph.nodes)}
    named = {name: info.name for name, info in signature.inputs.items()}
    inputs = dict(sorted(named.items(), key=lambda item: order.get(item[1].split(":")[0], 0)))
    outputs = {name: signature.outputs[name].name for name in sorted(signature.outputs)}
    entry = entry_of(graph, key, inputs, outputs, {})
    return Entry(key, entry.function, entry.inputs, entry.outputs, resources.of(entry.function))


def _tensor(info: TensorInfo) -> str:
    return info.name.removesuffix(":0")


def _by_place(places: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(places.items(), key=lambda item: item[1]))
