"""`edgewise run`: one inference on a picture, an array, or random numbers."""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np
from rich.markup import escape

from edgewise.cli.screen import console, progress_bar, time_text
from edgewise.errors import InputError
from edgewise.files import check_output
from edgewise.ir.types import TensorType
from edgewise.runtime import Interpreter
from edgewise.tasks.classify import default_labels, read_labels, top
from edgewise.tasks.image import (
    NORMALIZATIONS,
    centre,
    guess_normalization,
    open_picture,
    size,
    to_tensor,
)


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
    help="Text file, one label a line (default: ImageNet's for 1000 or 1001 classes).",
)
@click.option(
    "--normalize",
    type=click.Choice(list(NORMALIZATIONS)),
    help="What a picture's pixels become (default: guessed from the input's type).",
)
@click.option("--signature", help="Which signature to run (default: serving_default).")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the outputs as .npz.")
@click.option("--force", is_flag=True, help="Overwrite the output where it exists.")
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
      edgewise run model.tflite --input batch.npy -o outputs.npz
      edgewise run model.tflite
    """
    if output is not None:
        check_output(output, overwrite=force)
    with progress_bar(f"running {model.name}") as advance:
        interpreter = Interpreter(model, progress=advance)
        inputs = interpreter.inputs(signature)
        feed, note = _feed(inputs, source, normalize, seed)
        start = time.perf_counter()
        outputs = interpreter(signature=signature, **feed)
        seconds = time.perf_counter() - start
    console.print(f"[bold]{escape(model.name)}[/bold]  {time_text(seconds)}  {escape(note)}")
    types = interpreter.outputs(signature)
    for name, array in outputs.items():
        _print_output(name, array, types[name], count, labels)
    if output is not None:
        _save(output, outputs, force)


def _feed(
    inputs: dict[str, TensorType], source: Path | None, normalize: str | None, seed: int
) -> tuple[dict[str, np.ndarray], str]:
    if source is None:
        rng = np.random.default_rng(seed)
        return {n: random_array(t, rng) for n, t in inputs.items()}, f"random inputs, seed {seed}"
    if source.suffix in (".npy", ".npz"):
        return _arrays(inputs, source), f"inputs from {source.name}"
    if len(inputs) != 1:
        raise InputError(
            f"a picture feeds one input; the model takes {', '.join(inputs)}. "
            "Give a .npz with one array for each"
        )
    name, type_ = next(iter(inputs.items()))
    chosen = normalize or guess_normalization(type_)
    pixels = centre(open_picture(source), *size(type_))
    note = f"{source.name}, pixels as {chosen}" + ("" if normalize else " (guessed; --normalize)")
    return {name: to_tensor(pixels, type_, NORMALIZATIONS[chosen])}, note


def _arrays(inputs: dict[str, TensorType], source: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(source, allow_pickle=False) as loaded:
            arrays = {name: loaded[name] for name in loaded.files}
    except AttributeError:  # a .npy is an array and no context manager
        arrays = {}
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{source}: cannot be read as NumPy arrays: {error}") from error
    if source.suffix == ".npy":
        arrays = {next(iter(inputs), ""): np.load(source, allow_pickle=False)}
    if not set(inputs) & set(arrays) and len(arrays) == len(inputs):
        arrays = dict(zip(inputs, arrays.values(), strict=True))
    return arrays


def random_array(type_: TensorType, rng: np.random.Generator) -> np.ndarray:
    """Random numbers for an input: the full range of quantized ones, -1..1 for floats, 0 or 1
    for other integers and bools; unknown dimensions become 1."""
    shape = [d if isinstance(d, int) else 1 for d in type_.shape or ()]
    dtype = type_.dtype
    if dtype.bits == 0:
        return np.full(shape, b"edgewise", object)
    if dtype.is_float:
        return rng.uniform(-1, 1, shape).astype(dtype.numpy)
    if dtype.is_integer and type_.quant is not None:
        return rng.integers(*dtype.range, shape, endpoint=True).astype(dtype.numpy)
    return rng.integers(0, 2, shape).astype(dtype.numpy)


def _print_output(
    name: str, array: np.ndarray, type_: TensorType, count: int, labels: Path | None
) -> None:
    console.print(escape(f"{name}: {array.dtype}{list(array.shape)}"))
    scores = array.size and array.size == array.shape[-1] and array.dtype.kind in "fiu"
    if scores and (labels is not None or array.size in (1000, 1001)):
        names = read_labels(labels) if labels is not None else default_labels(array.size)
        for guess in top(array, count, names, type_.quant):
            console.print(f"  {guess.score:8.4f}  {escape(guess.label)}")
        return
    flat = array.reshape(-1)
    shown = " ".join(str(x) for x in flat[: max(count, 8)])
    console.print(escape(f"  {shown}{' ...' if flat.size > max(count, 8) else ''}"))


def _save(output: Path, outputs: dict[str, np.ndarray], force: bool) -> None:
    import io

    from edgewise.files import write_atomically

    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **outputs)
    write_atomically(output, [stream.getbuffer()], overwrite=force)
    console.print(f"outputs written to {output}")
