"""A model of others with other sizes of its inputs, ours against LiteRT.

Inputs whose first dimension is 1 get 2 or 3, with the stored inputs so often; or those of rank 4
twice the height. Either both refuse, or shapes are equal and numbers as in `verdict.py`; of hybrid
models, whose numbers are judged there by their distance from the meaning, each image gives what it
gives alone (of other heights, shapes are equal).

`tools/oracle/store_resized.py` writes LiteRT's answers for small files with small outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from edgewise.errors import EdgewiseError
from edgewise.format import load
from edgewise.lite import Interpreter
from tests.models.verdict import TOLERANCE, WHOLE_STEPS, kind_of
from tests.oracle import answers
from tests.oracle.litert import Answer

Ask = Callable[[Path, Sequence[np.ndarray]], Answer]

STORED = Path(__file__).with_name("answers") / "resized.npz"
SIZES = [(0, 2), (0, 3), (1, 2)]  # axis, and how often
MOST_BYTES = 20 << 20
# LiteRT's int16 TRANSPOSE_CONV runs the batch of its constant shape alone; its others run any
INT16_BATCH = "SizeOfDimension(input, 0) != SizeOfDimension(output, 0)"
# LiteRT's TRANSPOSE_CONV refuses sizes that are not those of its constant shape, as ours does, but
# where XNNPACK runs it, without asking that shape
CONSTANT_SHAPE = "output_shape"
FILES = [
    file
    for file, answer in answers.load().items()
    if answer.oracle == "litert" and file.endswith(".tflite")
]


def ours(path: Path, inputs: list[np.ndarray]) -> list[np.ndarray] | str:
    """The outputs, or why there are none."""
    try:
        interpreter = Interpreter(str(path))
        ends = interpreter.get_input_details()
        for end, array in zip(ends, inputs, strict=True):
            interpreter.resize_tensor_input(end["index"], array.shape)
        interpreter.allocate_tensors()
        for end, array in zip(ends, inputs, strict=True):
            interpreter.set_tensor(end["index"], array)
        interpreter.invoke()
        return [interpreter.get_tensor(end["index"]) for end in interpreter.get_output_details()]
    except (EdgewiseError, RuntimeError, ValueError) as refusal:
        return str(refusal)


def compared(found: list[np.ndarray], wanted: list[np.ndarray]) -> str:
    """What differs; "" where nothing does."""
    for a, b in zip(found, wanted, strict=True):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return f"{a.dtype}{list(a.shape)}; LiteRT gives {b.dtype}{list(b.shape)}"
        if a.dtype.kind not in "fiu" or not a.size:
            continue
        apart = np.abs(a.astype(np.float64) - b.astype(np.float64)).max()
        most = WHOLE_STEPS
        if a.dtype.kind == "f":
            most = TOLERANCE * float(np.abs(b[np.isfinite(b)]).max(initial=1e-30))
        if not apart <= most:
            return f"by {apart:.3g}, {most:.3g} are allowed"
    return ""


def repeated(array: np.ndarray, axis: int, count: int) -> np.ndarray:
    """The array `count` times along an axis: the batch, where it is 1, or the rows of a picture."""
    is_fit = array.ndim == 4 if axis else array.ndim > 0 and array.shape[0] == 1
    return np.concatenate([array] * count, axis) if is_fit else array


def verdict(file: str, axis: int, count: int, shared_data: Path, ask: Ask) -> tuple[str, str]:
    """One of agree, both refuse, differ, only ours, only LiteRT; and what is to be said."""
    path = shared_data / file
    given = answers.load()[file].inputs(0, shared_data)
    inputs = [repeated(a, axis, count) for a in given]
    if all(a.shape == b.shape for a, b in zip(inputs, given, strict=True)):
        return "nothing to resize", ""
    theirs = ask(path, inputs)
    mine = ours(path, inputs)
    if theirs.error:
        return ("both refuse", mine) if isinstance(mine, str) else ("only ours", theirs.error)
    if isinstance(mine, str):
        return "only LiteRT", mine
    if axis and kind_of(load(path)) == "hybrid":
        is_same = all(a.shape == b.shape for a, b in zip(mine, theirs.outputs, strict=True))
        problem = compared(mine, theirs.outputs)
        return ("agree" if is_same else "differ"), f"hybrid; {problem}"
    if kind_of(load(path)) == "hybrid":
        alone = ours(path, given)
        assert not isinstance(alone, str)
        pairs = zip(mine, theirs.outputs, alone, strict=True)
        is_same = all(
            a.shape == b.shape and np.array_equal(a, np.concatenate([one] * count))
            for a, b, one in pairs
        )
        return ("agree", "") if is_same else ("differ", "an image depends on the other one")
    problem = compared(mine, theirs.outputs)
    return ("differ", problem) if problem else ("agree", "")


def is_problem(axis: int, found: str, why: str) -> bool:
    """A verdict that is no agreement and has no known cause."""
    if found == "only ours" and INT16_BATCH in why:
        return False
    if found == "only LiteRT" and axis and CONSTANT_SHAPE in why:
        return False
    return found == "differ" or found.startswith("only")


def key_of(file: str, axis: int, count: int) -> str:
    """Of a stored answer."""
    return f"{file}:{axis}x{count}"


def stored() -> dict[str, Answer]:
    """LiteRT's answers by `key_of`."""
    found: dict[str, Answer] = {}
    for name, array in _arrays().items():
        key, _, part = name.rpartition(":")
        outputs = found.setdefault(key, Answer()).outputs
        if part == "error":
            found[key] = Answer(error=str(array))
        else:
            outputs.append(array)
    return found


@cache
def _arrays() -> dict[str, np.ndarray]:
    with np.load(STORED) as archive:
        return {name: archive[name] for name in archive.files}
