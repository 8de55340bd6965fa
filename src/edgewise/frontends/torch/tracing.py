"""A Python function as PyTorch traces it: `torch.export`, without running it on numbers.

PyTorch is the user's, and loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from edgewise.dtypes import DType
from edgewise.frontends.context import Unsupported
from edgewise.frontends.torch.exported import HELD, LINE, read_exported
from edgewise.frontends.torch.program import Program
from edgewise.frontends.user_code import is_user_code
from edgewise.ir.dim import Dim

# Gives what is returned for tensors and weights, flat.
Function: TypeAlias = "Callable[[Sequence[Any], Mapping[str, Any]], Sequence[object]]"

_SIZES = (5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43)  # stand for unknown ones
_FOLLOWED = (
    "PyTorch makes something of a size that is unknown which holds for some sizes only; convert"
    " with a fixed size"
)
_DECIDES = "Python decides by the value of a tensor; use torch.where"


def traced(
    function: Function,
    arguments: Sequence[tuple[Sequence[Dim], DType]],
    weights: Mapping[str, Any],
    module: Any = None,
    names: Mapping[str, str] | None = None,
) -> Program:
    """The program of a function of tensors of these shapes and types. `module`, if it is one of
    PyTorch's, holds parameters besides, which keep their names in it, or have those of `names` by
    their paths.

    Raises:
        Unsupported: PyTorch cannot follow the code. Whatever the code itself raises.
    """
    torch: Any = sys.modules["torch"]
    places = {name: f"w{i}" for i, name in enumerate(weights)}
    sizes = _unknown(torch, [shape for shape, _ in arguments])

    class Traced(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            for name, place in places.items():
                self.register_buffer(place, weights[name].detach())
            if isinstance(module, torch.nn.Module):
                self.held = module

        def forward(self, *tensors: Any) -> object:
            held = {name: getattr(self, place) for name, place in places.items()}
            with torch.fx.traceback.preserve_node_meta(), _noting_lines(torch):
                return list(function(tensors, held))

    tensors = tuple(
        torch.zeros(
            [n if isinstance(n, int) else sizes[n][0] for n in shape],
            dtype=getattr(torch, dtype.text),
        )
        for shape, dtype in arguments
    )
    unknown = tuple(
        {axis: sizes[n][1] for axis, n in enumerate(shape) if not isinstance(n, int)}
        for shape, _ in arguments
    )
    try:
        exported = torch.export.export(Traced(), tensors, dynamic_shapes=(unknown,), strict=False)
    except Exception as error:
        sentence = _reason(torch, error)
        if sentence is None:
            raise
        raise Unsupported(sentence) from error
    known = {place: name for name, place in places.items()}
    known |= {HELD + path: name for path, name in (names or {}).items()}
    return read_exported(exported, known)


def _unknown(torch: Any, shapes: Sequence[Sequence[Dim]]) -> dict[Dim, tuple[int, Any]]:
    """A number and a dimension of PyTorch's for each size that is not known."""
    found = dict.fromkeys(n for shape in shapes for n in shape if not isinstance(n, int))
    if len(found) > len(_SIZES):
        raise Unsupported(f"its inputs have {len(found)} unknown sizes; convert with fixed ones")
    return {n: (_SIZES[i], torch.export.Dim(f"size_{i}", min=1)) for i, n in enumerate(found)}


def _noting_lines(torch: Any) -> Any:
    """Inside, every call of PyTorch notes the line of the user's code that it comes from."""
    annotate = getattr(torch.fx.traceback, "annotate", None)

    class Lines(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(
            self, called: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> object:
            where = next(_user_lines(sys._getframe(1)), None)
            if annotate is None or where is None:
                return called(*args, **(kwargs or {}))
            with annotate({LINE: where}):
                return called(*args, **(kwargs or {}))

    return Lines()


def _user_lines(frame: Any) -> Iterator[tuple[str, int]]:
    while frame is not None:
        if is_user_code(frame.f_code.co_filename):
            yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back


def _reason(torch: Any, error: BaseException | None) -> str | None:
    """A sentence for what PyTorch itself refuses; None: the error is the code's own."""
    while error is not None:
        kind = type(error).__name__
        if kind.startswith("GuardOnDataDependent"):
            return _DECIDES
        if kind in ("ConstraintViolationError", "UserError") and "onstraint" in str(error):
            return _FOLLOWED
        error = error.__cause__ or error.__context__
    return None
