"""An `ExportedProgram` of a running PyTorch as a Program.

PyTorch is the user's, and loaded. Operations that write into a tensor are made ones that give a
new tensor, which PyTorch does itself (`run_decompositions` with an empty table).
"""

from __future__ import annotations

import operator
import re
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import ConversionError
from edgewise.frontends.torch.program import Arg, Body, Input, Program, Ref, TorchNode
from edgewise.ir.graph import Location

# The key under which whoever traces may note the line that a node comes from: (file, line).
LINE = "edgewise_line"
# What a module is called in the one around it, which is traced.
HELD = "held."
_CONSTANTS = ("PARAMETER", "BUFFER", "CONSTANT_TENSOR")


def read_exported(exported: Any, names: Mapping[str, str] | None = None) -> Program:
    """The program. `names` are the constants' by those they have in PyTorch.

    Raises:
        ConversionError: it changes its state, or takes what is no tensor.
    """
    if any(_writes(node) for node in exported.graph.nodes):
        exported = exported.run_decompositions({})
    constants: dict[str, np.ndarray] = {}
    targets: dict[str, str] = {}
    inputs = []
    placeholders = {node.name: node for node in exported.graph.nodes if node.op == "placeholder"}
    for spec in exported.graph_signature.input_specs:
        given, kind = spec.arg, spec.kind.name
        value = placeholders[given.name].meta.get("val")
        if kind in _CONSTANTS:
            targets[given.name] = (names or {}).get(spec.target, spec.target.removeprefix(HELD))
            constants[targets[given.name]] = array_of(_stored(exported, spec))
        elif kind == "USER_INPUT" and hasattr(value, "shape"):
            shape = tuple(n if isinstance(n, int) else str(n) for n in value.shape)
            dtype = dtype_of(value.dtype)
            if not isinstance(dtype, DType):
                raise ConversionError(f"input '{given.name}' is {dtype}, which no tensor can be")
            inputs.append(Input(given.name, dtype, shape))
        else:
            raise ConversionError(
                f"input '{given.name}' is no tensor; export the program with tensors as inputs"
            )
    _check_state(exported)
    outputs = tuple(
        str(getattr(spec.arg, "name", "")) for spec in exported.graph_signature.output_specs
    )
    version = sys.modules["torch"].__version__
    body = _body(exported.graph_module, targets)
    return Program(tuple(inputs), constants, body, outputs, producer=f"torch {version}")


def _stored(exported: Any, spec: Any) -> Any:
    state = exported.state_dict
    return state[spec.target] if spec.target in state else exported.constants[spec.target]


def _writes(node: Any) -> bool:
    """The operation writes into one of its operands."""
    schema = getattr(node.target, "_schema", None)
    return bool(schema is not None and schema.is_mutable)


def _check_state(exported: Any) -> None:
    updated = [
        str(spec.target)
        for spec in exported.graph_signature.output_specs
        if spec.kind.name in ("BUFFER_MUTATION", "PARAMETER_MUTATION", "USER_INPUT_MUTATION")
    ]
    if updated:
        raise ConversionError(
            f"it updates {', '.join(map(repr, updated))}; a converted model has no such state:"
            " return the value and feed it back"
        )


def _body(module: Any, names: Mapping[str, str]) -> Body:
    """A graph module; `names` are those of constants by those of the nodes that stand for them."""

    def of(arg: Any) -> Arg:
        return _arg(module, names, arg)

    arguments: list[str] = []
    nodes: list[TorchNode] = []
    results: tuple[Arg, ...] = ()
    for node in module.graph.nodes:
        if node.op == "placeholder":
            arguments.append(names.get(node.name, node.name))
        elif node.op == "output":
            given = node.args[0]
            results = (
                tuple(of(arg) for arg in given) if isinstance(given, list | tuple) else (of(given),)
            )
        elif node.op == "call_function":
            args = tuple(of(arg) for arg in node.args)
            kwargs = {key: of(arg) for key, arg in node.kwargs.items()}
            nodes.append(TorchNode(node.name, _op(node.target), args, kwargs, _location(node)))
    return Body(tuple(arguments), tuple(nodes), results)


def _op(target: Any) -> str:
    text = str(target)
    if hasattr(target, "_schema"):
        return text.removeprefix("aten.")
    name = str(getattr(target, "__name__", text))
    return f"operator.{name}" if getattr(operator, name, None) is target else name


def _arg(module: Any, names: Mapping[str, str], arg: Any) -> Arg:
    torch: Any = sys.modules["torch"]
    if isinstance(arg, torch.fx.Node):
        if arg.op == "get_attr":
            return _body(module.get_submodule(arg.target), {})
        return Ref(names.get(arg.name, arg.name))
    if isinstance(arg, torch.dtype):
        return dtype_of(arg)
    if isinstance(arg, list | tuple):
        return tuple(_arg(module, names, item) for item in arg)
    if arg is None or isinstance(arg, bool | int | float | str):
        return arg
    if isinstance(arg, torch.layout | torch.device | torch.memory_format):
        return None
    return str(arg)


def _location(node: Any) -> Location:
    """The module that calls the operation, and the line of the user's code."""
    modules = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values()]
    path = re.sub(r"^L\[.*?\]\.?|^L__self___?", "", modules[-1]) if modules else ""
    path = "" if f"{path}." == HELD else path.removeprefix(HELD)
    file, line = (node.meta.get("custom") or {}).get(LINE) or _last_line(node)
    return Location("/".join(filter(None, [path.replace(".", "/"), node.name])), file, line)


def _last_line(node: Any) -> tuple[str, int]:
    found = re.findall(r'File "([^"]+)", line (\d+)', node.meta.get("stack_trace") or "")
    return (found[-1][0], int(found[-1][1])) if found else ("", 0)


def dtype_of(dtype: Any) -> DType | str:
    """Our type for one of PyTorch's; its name where we have none."""
    name = str(dtype).removeprefix("torch.")
    try:
        return DType.of(name)
    except (ValueError, TypeError):
        return name


def array_of(tensor: Any) -> np.ndarray:
    """The elements of a tensor. float16 and bfloat16 are float32."""
    tensor = tensor.detach().cpu()
    found: np.ndarray = (tensor.float() if tensor.dtype.is_floating_point else tensor).numpy()
    return np.ascontiguousarray(found).reshape(found.shape)
