"""The process in which LiteRT (or TensorFlow Lite Micro) runs; it may die, its parent does not.

A stand-alone script for the oracle's own Python: it imports NumPy and `ai_edge_litert` or
`tflite_micro`, never Edgewise. It reads pickled requests from standard input, each preceded by its
length (8 bytes, little endian), and answers in the same form on the descriptor that was standard
output at the start; what the libraries print goes to standard error. The parent (`litert.py`) is
the only peer, which is why pickle is enough.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

FLOAT_CODES = (0, 1)
HANDLE_CODES = (5, 13, 14)  # STRING, RESOURCE, VARIANT


def main() -> None:
    """Serve requests until standard input ends."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while header := sys.stdin.buffer.read(8):
        request = pickle.loads(sys.stdin.buffer.read(struct.unpack("<Q", header)[0]))  # noqa: S301
        try:
            answer = _VERBS[request.pop("verb")](**request)
        except Exception as error:  # every refusal is an answer; the parent reports the text
            answer = {"error": f"{type(error).__name__}: {error}"}
        data = pickle.dumps(answer)
        replies.write(struct.pack("<Q", len(data)) + data)
        replies.flush()


def versions() -> dict[str, Any]:
    """Package versions that an answer depends on."""
    from importlib import metadata

    found = {}
    for name in ("ai-edge-litert", "tflite-micro", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return {"versions": {"python": sys.version.split()[0], **found}}


def details(model: bytes, resolver: str) -> dict[str, Any]:
    """Everything LiteRT says about a model without running it."""
    interpreter = _interpreter(model, resolver, False)
    error = None
    try:
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as refusal:
        error = f"{type(refusal).__name__}: {refusal}"
    return {
        "error": error,
        "inputs": interpreter.get_input_details(),
        "outputs": interpreter.get_output_details(),
        "tensors": interpreter.get_tensor_details(),
        "signatures": interpreter.get_signature_list(),
    }


def run(
    model: bytes,
    sequence: list[Any],
    resolver: str,
    keep_all: bool,
    signature: str | list[str] | None,
) -> dict[str, Any]:
    """Run the inputs of `sequence` one after another on one interpreter (state carries over), by
    one signature or by one each."""
    if resolver == "micro":
        return {"steps": _run_micro(model, sequence)}
    interpreter = _interpreter(model, resolver, keep_all)
    if signature is not None:
        keys = [signature] * len(sequence) if isinstance(signature, str) else signature
        runners = {key: interpreter.get_signature_runner(key) for key in dict.fromkeys(keys)}
        steps = [runners[key](**inputs) for key, inputs in zip(keys, sequence, strict=True)]
        return {"steps": [{"outputs": dict(step), "tensors": {}} for step in steps]}
    steps = []
    for inputs in sequence:
        _set_inputs(interpreter, inputs)
        interpreter.invoke()
        outputs = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
        tensors = _all_tensors(interpreter, _handles(model)) if keep_all else {}
        steps.append({"outputs": outputs, "tensors": tensors})
    return {"steps": steps}


def opens(models: list[bytes], resolver: str) -> dict[str, Any]:
    """Whether an interpreter can be made of each model; nothing is allocated."""
    found = []
    for model in models:
        try:
            _interpreter(model, resolver, False)
            found.append(True)
        except (RuntimeError, ValueError):
            found.append(False)
    return {"opens": found}


def accepts(model: bytes, inputs: list[np.ndarray], resolver: str) -> dict[str, Any]:
    """Raises what the kernels raise. Inputs of types that Python cannot set stay as they are."""
    interpreter = _interpreter(model, resolver, False)
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), inputs, strict=True):
        with contextlib.suppress(ValueError):
            interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return {"accepts": True}


def run_operators(model: bytes, inputs: list[np.ndarray], resolver: str) -> dict[str, Any]:
    """Each integer operator of the main graph alone, fed what LiteRT's own kernels feed it.

    The answer lists `index`, `code`, and arrays by tensor index: `inputs` (constants left out),
    `reference` (outputs as `resolver` gives them in the whole model) and `default`
    (outputs as the default delegate gives them for a model of this operator only). `default` is
    None, with `error`, where the operator cannot run on its own.
    """
    from ai_edge_litert import schema_py_generated as schema

    step = run(model, [inputs], resolver, True, None)["steps"][0]
    tensors = step["tensors"]
    tree = schema.ModelT.InitFromPackedBuf(bytearray(model))
    graph = tree.subgraphs[0]
    answers: list[dict[str, Any]] = []
    for index, op in enumerate(graph.operators):
        given = [t for t in _indices(op.inputs) if t >= 0 and not graph.tensors[t].isVariable]
        reads = [t for t in given if not _is_constant(tree, graph, t)]
        writes = [t for t in _indices(op.outputs) if t >= 0]
        if any(t not in tensors for t in reads + writes) or not reads:
            continue
        if any(graph.tensors[t].type in HANDLE_CODES for t in reads + writes):
            continue
        if any(graph.tensors[t].type in FLOAT_CODES for t in writes):
            continue
        answer: dict[str, Any] = {
            "index": index,
            "code": _code(tree.operatorCodes[op.opcodeIndex]),
            "inputs": {t: tensors[t] for t in dict.fromkeys(reads)},
            "reference": {t: tensors[t] for t in writes},
            "default": None,
            "error": None,
        }
        try:
            alone = _extract(schema, tree, graph, op, list(answer["inputs"]))
            ran = run(alone, [list(answer["inputs"].values())], "default", False, None)
            answer["default"] = dict(zip(writes, ran["steps"][0]["outputs"], strict=True))
        except Exception as error:  # recorded: some operators need their neighbours
            answer["error"] = f"{type(error).__name__}: {error}"
        answers.append(answer)
    return {"operators": answers}


def _interpreter(model: bytes, resolver: str, keep_all: bool) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kinds = {
        "default": OpResolverType.AUTO,
        "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "reference": OpResolverType.BUILTIN_REF,
    }
    return Interpreter(
        model_content=model,
        num_threads=1,
        experimental_op_resolver_type=kinds[resolver],
        experimental_preserve_all_tensors=keep_all,
    )


def _set_inputs(interpreter: Any, inputs: list[np.ndarray]) -> None:
    wanted = interpreter.get_input_details()
    if len(wanted) != len(inputs):
        raise ValueError(f"the model has {len(wanted)} inputs; got {len(inputs)}")
    for detail, array in zip(wanted, inputs, strict=True):
        if tuple(detail["shape"]) != array.shape:
            interpreter.resize_tensor_input(detail["index"], array.shape)
    interpreter.allocate_tensors()
    for detail, array in zip(wanted, inputs, strict=True):
        interpreter.set_tensor(detail["index"], array)


def _handles(model: bytes) -> set[int]:
    """Tensors without values of their own: reading one ends the process."""
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.ModelT.InitFromPackedBuf(bytearray(model)).subgraphs[0]
    return {i for i, tensor in enumerate(graph.tensors) if tensor.type in HANDLE_CODES}


def _all_tensors(interpreter: Any, skip: set[int]) -> dict[int, np.ndarray]:
    """Every tensor of the main graph that has data."""
    found = {}
    for index in (detail["index"] for detail in interpreter.get_tensor_details()):
        if index not in skip:
            with contextlib.suppress(ValueError, RuntimeError):
                found[index] = interpreter.get_tensor(index)
    return found


def _run_micro(model: bytes, sequence: list[list[np.ndarray]]) -> list[dict[str, Any]]:
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(model)
    steps = []
    for inputs in sequence:
        for i, array in enumerate(inputs):
            interpreter.set_input(array, i)
        interpreter.invoke()
        outputs: list[np.ndarray] = []
        with contextlib.suppress(IndexError, RuntimeError, ValueError):
            while True:
                outputs.append(np.array(interpreter.get_output(len(outputs))))
        steps.append({"outputs": outputs, "tensors": {}})
    return steps


def _extract(schema: Any, tree: Any, graph: Any, op: Any, inputs: list[int]) -> bytes:
    """A model of one operator whose inputs are the given tensors, packed as `.tflite`."""
    import flatbuffers

    parts = [_indices(v) for v in (op.inputs, op.outputs, op.intermediates)]
    used = dict.fromkeys(t for part in parts for t in part if t >= 0)
    place = {tensor: i for i, tensor in enumerate(used)}
    alone, part = schema.ModelT(), schema.SubGraphT()
    alone.version, alone.buffers, part.tensors = 3, [schema.BufferT()], []
    for tensor in used:
        old = graph.tensors[tensor]
        new = schema.TensorT()
        new.__dict__.update(old.__dict__)
        buffer = schema.BufferT()
        buffer.data = tree.buffers[old.buffer].data
        alone.buffers.append(buffer)
        new.buffer = len(alone.buffers) - 1
        part.tensors.append(new)
    node = schema.OperatorT()
    node.__dict__.update(op.__dict__)
    node.opcodeIndex = 0
    node.inputs = [place.get(t, -1) for t in _indices(op.inputs)]
    node.outputs = [place[t] for t in _indices(op.outputs) if t >= 0]
    node.intermediates = [place[t] for t in _indices(op.intermediates)] or None
    part.operators, part.inputs = [node], [place[t] for t in inputs]
    part.outputs = node.outputs
    alone.operatorCodes, alone.subgraphs = [tree.operatorCodes[op.opcodeIndex]], [part]
    builder = flatbuffers.Builder(1024)
    builder.Finish(alone.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _indices(vector: Any) -> list[int]:
    return [] if vector is None else [int(i) for i in vector]


def _is_constant(tree: Any, graph: Any, tensor: int) -> bool:
    data = tree.buffers[graph.tensors[tensor].buffer].data
    return data is not None and len(data) > 0


def _code(operator_code: Any) -> int:
    return int(max(operator_code.builtinCode, operator_code.deprecatedBuiltinCode))


_VERBS: dict[str, Callable[..., dict[str, Any]]] = {
    "versions": versions,
    "details": details,
    "run": run,
    "run_operators": run_operators,
    "opens": opens,
    "accepts": accepts,
}

if __name__ == "__main__":
    main()
