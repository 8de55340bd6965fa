"""`edgewise run`: one inference on a picture, an array, or random numbers."""

from __future__ import annotations

import io
import math
import time
import zipfile
import zlib
from pathlib import Path

import click
import numpy as np

from edgewise.cli.operators import ops_option
from edgewise.cli.screen import progress_bar, say, time_text
from edgewise.data.image import (
    NORMALIZATIONS,
    centre,
    open_picture,
    pixels_for,
    size,
    to_tensor,
)
from edgewise.errors import InputError
from edgewise.files import check_output, write_atomically
from edgewise.ir.model import Model
from edgewise.ir.types import TensorType
from edgewise.runtime.interpreter import Interpreter, bind
from edgewise.tasks.classify import default_labels, labels_of, read_labels, top

_ARRAYS = (".npy", ".npz")
_MOST_RANDOM = 1 << 28  # elements of an input


@click.command("run")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--input",
    "source",
    type=click.Path(path_type=Path),
    help="A picture, a .npy array, or a .npz with one array per input (default: random numbers).",
)
@click.option(
    "--top",
    "count",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="How many classes to print.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="Text file, one label a line (default: the model's, or ImageNet's for 1000 classes).",
)
@click.option(
    "--normalize",
    type=click.Choice(list(NORMALIZATIONS)),
    help="What a picture's pixels become (default: as the model says, or guessed).",
)
@click.option("--signature", help="Which signature to run (default: serving_default).")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the outputs as .npz.")
@click.option("--force", is_flag=True, help="Overwrite the output where it exists.")
@ops_option()
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of random inputs.")
def command(
    model: Path,
    source: Path | None,
    count: int,
    labels: Path | None,
    normalize: str | None,
    signature: str | None,
    output: Path | None,
    force: bool,
    seed: int,
) -> None:
    """Run a .tflite file once and show what comes out.

    \b
    Examples:
      edgewise run model.tflite --input photo.jpg --top 3
      edgewise run model.tflite --input array.npy -o outputs.npz
      edgewise run model.tflite --seed 7
    """
    if output is not None:
        check_output(output, overwrite=force)
    names = None if labels is None else read_labels(labels)
    with progress_bar(f"running {model.name}") as advance:
        interpreter = Interpreter(model, progress=advance)
        if names is None:
            names = labels_of(interpreter.model)
        inputs = interpreter.inputs(signature)
        feed, note = _feed(inputs, source, normalize, seed, interpreter.model)
        bound = bind(interpreter.model.signature(signature), (), feed)
        start = time.perf_counter()
        outputs = interpreter(*(bound[name] for name in inputs), signature=signature)
        seconds = time.perf_counter() - start
    say(f"{time_text(seconds)}  {note}", title=model.name)
    types = interpreter.outputs(signature)
    is_picture = source is not None and source.suffix.lower() not in _ARRAYS
    for name, array in outputs.items():
        say(f"{name}: {array.dtype}{list(array.shape)}")
        fits = labels is not None or names is None or len(names) == array.size
        if _are_scores(array) and fits and (names or is_picture or array.size in (1000, 1001)):
            _print_classes(array, types[name], count, names)
        else:
            _print_values(array, count)
    if output is not None:
        _save(output, outputs, force)


def _feed(
    inputs: dict[str, TensorType],
    source: Path | None,
    normalize: str | None,
    seed: int,
    model: Model,
) -> tuple[dict[str, np.ndarray], str]:
    """(arrays by input name, where they come from)."""
    if source is None:
        rng = np.random.default_rng(seed)
        return {n: random_array(t, rng) for n, t in inputs.items()}, f"random inputs, seed {seed}"
    if source.suffix.lower() in _ARRAYS:
        return _arrays(inputs, source), f"inputs from {source.name}"
    if len(inputs) != 1:
        raise InputError(
            f"a picture feeds one input; the model takes {', '.join(inputs)}. "
            "Give a .npz with one array for each"
        )
    name, type_ = next(iter(inputs.items()))
    pixels = pixels_for([model], [type_], normalize=normalize)
    window = centre(open_picture(source), *size(type_), pixels.crop)
    return {name: to_tensor(window, type_, pixels.normalization)}, f"{source.name}, {pixels.said}"


def _arrays(inputs: dict[str, TensorType], source: Path) -> dict[str, np.ndarray]:
    """Arrays of a .npy (for the first input) or .npz file (by name; those that np.savez numbered,
    by position)."""
    if not source.is_file():
        raise InputError(f"{source}: no such file")
    try:
        with source.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {next(iter(inputs), "input"): loaded}
            with loaded:
                arrays = {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{source}: cannot be read as NumPy arrays: {error}") from error
    numbered = [f"arr_{i}" for i in range(len(arrays))]
    if list(arrays) == numbered and len(arrays) == len(inputs):
        return dict(zip(inputs, arrays.values(), strict=True))
    return arrays


def random_array(type_: TensorType, rng: np.random.Generator) -> np.ndarray:
    """Random numbers for an input: the full range of quantized ones, -1..1 for floats, 0 or 1
    for other integers and bools; unknown dimensions become 1."""
    shape = [d if isinstance(d, int) else 1 for d in type_.shape or ()]
    if math.prod(shape) > _MOST_RANDOM:
        raise InputError(f"random numbers for {type_} would fill the memory; give --input")
    dtype = type_.dtype
    if dtype.bits == 0:
        return np.full(shape, b"edgewise", object)
    if dtype.is_float:
        return rng.uniform(-1, 1, shape).astype(dtype.numpy)
    if dtype.is_integer and type_.quant is not None:
        return rng.integers(*dtype.range, shape, endpoint=True).astype(dtype.numpy)
    return rng.integers(0, 2, shape).astype(dtype.numpy)


def _are_scores(array: np.ndarray) -> bool:
    return bool(array.size > 1 and array.size == array.shape[-1] and array.dtype.kind in "fiu")


def _print_classes(
    scores: np.ndarray, type_: TensorType, count: int, names: list[str] | None
) -> None:
    labels = default_labels(scores.size) if names is None else names
    for guess in top(scores, count, labels, type_.quant):
        say(f"  {guess.score:8.4f}  {guess.label}")


def _print_values(array: np.ndarray, count: int) -> None:
    flat, shown = array.reshape(-1), max(count, 8)
    texts = [f"{x:.6g}" if array.dtype.kind == "f" else str(x) for x in flat[:shown]]
    say(f"  {' '.join(texts)}{' ...' if flat.size > shown else ''}")


def _save(output: Path, outputs: dict[str, np.ndarray], force: bool) -> None:
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **outputs)
    write_atomically(output, [stream.getbuffer()], overwrite=force)
    say(f"outputs written to {output}")
