"""Why a layer's code cannot be traced: the line of the user's own code, and the way out."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator
from types import ModuleType, TracebackType

from edgewise.frontends.user_code import is_user_code

NAMES = {
    "jax": "JAX",
    "torch": "PyTorch",
    "tensorflow": "TensorFlow",
    "numpy": "NumPy",
    "openvino": "OpenVINO",
}


def reason(error: Exception) -> tuple[str, str]:
    """A sentence on the error that a layer's `call` raised on symbolic tensors, and the back end
    whose own function it called, if it did ("" otherwise)."""
    frame = _innermost(error.__traceback__)
    if frame is None:
        return f"its call() cannot be traced: {_first_line(error)}", ""
    code = frame.tb_frame.f_code
    file, line = code.co_filename, frame.tb_lineno
    text = linecache.getline(file, line).strip()
    where = f"its call() cannot be traced: {file}:{line}" + (f" `{text}`" if text else "")
    called = next(_foreign(text, frame), None)
    if called is not None:
        name, library = called
        sentence = (
            f"{where} calls {name}, a function of {library}, on a tensor of the model; write it"
            " with keras.ops, which every back end has"
        )
        return sentence, library
    if isinstance(error, AttributeError) and type(error.obj).__name__ == "KerasTensor":
        back_end = _back_end()
        sentence = (
            f"{where} uses .{error.name}, which {back_end or 'no'} tensors have and tensors of a"
            " model do not; write it with keras.ops, which every back end has"
        )
        return sentence, back_end
    if "as a boolean" in str(error) or "__bool__" in str(error):
        sentence = (
            f"{where} decides in Python by the value of a tensor; use keras.ops.where or"
            " keras.ops.cond"
        )
        return sentence, ""
    return f"{where}: {_first_line(error)}", ""


def _back_end() -> str:
    """The name of what Keras runs on ("" where its tensors are none of a library here)."""
    import keras

    return NAMES.get(keras.backend.backend(), "")


def _innermost(traceback: TracebackType | None) -> TracebackType | None:
    """The last frame of the user's code on the way to the error."""
    found = None
    while traceback is not None:
        if is_user_code(traceback.tb_frame.f_code.co_filename):
            found = traceback
        traceback = traceback.tb_next
    return found


def _foreign(text: str, frame: TracebackType) -> Iterator[tuple[str, str]]:
    """The functions that a line calls which are a back end's own, as they are written there."""
    scope = {**frame.tb_frame.f_globals, **frame.tb_frame.f_locals}
    for match in re.finditer(r"\b([A-Za-z_]\w*(?:\.\w+)*)\(", text):
        head, *_ = match[1].split(".")
        found = scope.get(head)
        module = (
            found.__name__
            if isinstance(found, ModuleType)
            else getattr(found, "__module__", None)
            if "." not in match[1]
            else None
        )
        library = NAMES.get(str(module).split(".")[0])
        if library is not None:
            yield match[1], library


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
