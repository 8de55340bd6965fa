"""A module of PyTorch, or a program that `torch.export` made, as a Model.

Inputs have the names of the parameters of `forward`; outputs are `output_0`, ... or the keys of the
dict that it returns. Tensors keep PyTorch's layout: pictures are [N, C, H, W]. A size that is
unknown is named as in `frontends/arguments.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgewise.errors import ConversionError, UnsupportedOp
from edgewise.frontends.arguments import Argument, arguments, result_places, sizes
from edgewise.frontends.context import Unsupported
from edgewise.frontends.torch.exported import read_exported
from edgewise.frontends.torch.lower import lower
from edgewise.frontends.torch.program import Program
from edgewise.frontends.torch.tracing import traced
from edgewise.ir.dim import Dim, Sym
from edgewise.ir.model import Model

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOW = "convert(module, inputs=[(None, 3, 224, 224)]), one per argument of forward"


def read_program(source: Any, inputs: object = None) -> Model:
    """The Model of a module, a program or the file of one.

    Args:
        source: a `torch.nn.Module`, which is traced in its mode for inference and left in the one
            that it is in; what `torch.export.export` returned; or the path of a file that
            `torch.export.save` wrote.
        inputs: what a module is called with: a list with a shape per argument, a pair of shape
            and dtype, or a tensor. Programs know it.

    Raises:
        ConversionError: `inputs` is missing, or not to be given; the module fails on them; the
            file is none of PyTorch, or PyTorch is not installed.
        UnsupportedOp: listing every operation that cannot be converted.
    """
    name = type(source).__name__
    if isinstance(source, str | os.PathLike):
        name, source = os.fspath(source), _loaded(os.fspath(source))
    torch: Any = sys.modules["torch"]
    if isinstance(source, torch.nn.Module):
        return _of_module(torch, name, source, inputs)
    if inputs is not None:
        raise ConversionError(f"{name}: an exported program knows its inputs; leave out inputs=")
    program = replace(read_exported(source), file=name)
    outputs = _places(torch, len(program.outputs), source.call_spec.out_spec)
    return lower(program, _arguments(program), outputs)


def _of_module(torch: Any, name: str, module: Any, inputs: object) -> Model:
    given = arguments(name, module.forward, inputs, _HOW)
    spec: list[object] = []

    def function(tensors: Sequence[Any], weights: Mapping[str, Any]) -> Sequence[object]:
        found, structure = torch.utils._pytree.tree_flatten(module(*tensors))
        spec[:] = [structure]
        return list(found)

    try:
        with _inferring(module):
            shapes = [(item.shape, item.dtype) for item in given]
            program = replace(traced(function, shapes, {}, module), file=name)
    except Unsupported as error:
        raise UnsupportedOp(f"{name}: {error}") from error
    except Exception as error:  # whatever the user's own code raises while it is traced
        raise ConversionError(
            f"{name}: PyTorch cannot trace it for these inputs: {error}"
        ) from error
    return lower(program, given, _places(torch, len(program.outputs), spec[0]))


@contextmanager
def _inferring(module: Any) -> Iterator[None]:
    """The module in its mode for inference; each part of it is then in the mode that it was in."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def _arguments(program: Program) -> list[Argument]:
    """Those of an exported program, in which unknown sizes have numbers for names."""
    known: dict[str, Dim] = {}
    found = []
    for item in program.inputs:
        usual = sizes(item.name, [n if isinstance(n, int) else None for n in item.shape])
        for axis, n in enumerate(item.shape):
            if isinstance(n, str) and n not in known:
                is_taken = usual[axis] in known.values()
                known[n] = Sym(f"{item.name}_{axis}") if is_taken else usual[axis]
        shape = tuple(known[n] if isinstance(n, str) else n for n in item.shape)
        found.append(Argument(item.name, shape, item.dtype))
    return found


def _places(torch: Any, count: int, spec: Any) -> dict[str, int]:
    """The places by name of so many results, returned as a tree of this structure."""
    return result_places(torch.utils._pytree.tree_unflatten(list(range(count)), spec), count)


def _loaded(path: str) -> Any:
    try:
        import torch
    except ImportError:
        raise ConversionError(
            f"{path}: only PyTorch reads its own files; pip install torch, then convert again"
        ) from None
    try:
        return torch.export.load(path)
    except Exception as error:  # of many classes
        raise ConversionError(f"{path}: PyTorch cannot load it: {error}") from error
