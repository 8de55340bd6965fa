"""`edgewise run`: one inference on a picture, an array, or random numbers."""

from __future__ import annotations

import io
import time
import zipfile
import zlib
from pathlib import Path

import click
import numpy as np
from PIL import Image

from edgewise.cli.operators import ops_option
from edgewise.cli.screen import progress_bar, say, time_text
from edgewise.data.image import NORMALIZATIONS
from edgewise.errors import InputError
from edgewise.files import check_output, write_atomically
from edgewise.ir.types import TensorType
from edgewise.runtime.arrays import random_array
from edgewise.runtime.interpreter import Interpreter, bind
from edgewise.tasks import ImageSegmenter, ObjectDetector, task_of
from edgewise.tasks.classify import labels_of, read_labels, top
from edgewise.tasks.detect import LEAST_SCORE, draw
from edgewise.tasks.picture import as_picture

_ARRAYS = (".npy", ".npz")


@click.command("run")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("source", metavar="[INPUT]", type=click.Path(path_type=Path), required=False)
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
@click.option(
    "--least-score",
    type=click.FloatRange(0, 1),
    default=LEAST_SCORE,
    show_default=True,
    help="Of a detector: how sure it must be.",
)
@click.option(
    "--draw",
    "drawing",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Of a detector or segmenter: write the picture with what was found, as .png or .jpg.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the outputs as .npz.")
@click.option("--force", is_flag=True, help="Overwrite the outputs where they exist.")
@ops_option()
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of random inputs.")
def command(
    model: Path,
    source: Path | None,
    count: int,
    labels: Path | None,
    normalize: str | None,
    signature: str | None,
    least_score: float,
    drawing: Path | None,
    output: Path | None,
    force: bool,
    seed: int,
) -> None:
    """Run a .tflite file once and show what comes out.

    INPUT is a picture, a .npy array, or a .npz with one array per input; by default random numbers.
    Of a picture a classifier tells the best classes, a detector (SSD with its post-processing) the
    things in it, a segmenter how much of it each class covers. Labels and what pixels become are
    the model's own, where it carries them.

    \b
    Examples:
      edgewise run model.tflite photo.jpg --top 3
      edgewise run model.tflite array.npy -o outputs.npz
      edgewise run model.tflite --seed 7
    """
    for path in (output, drawing):
        if path is not None:
            check_output(path, overwrite=force)
    names = None if labels is None else read_labels(labels)
    task, picture = None, None
    with progress_bar(f"running {model.name}") as advance:
        interpreter = Interpreter(model, progress=advance)
        inputs = interpreter.inputs(signature)
        if source is not None and source.suffix.lower() not in _ARRAYS:
            task = task_of(interpreter, labels=names, normalize=normalize, signature=signature)
            picture = as_picture(source)
            feed = {next(iter(inputs)): task.tensor(picture)}
            note = f"{source.name}, {task.pixels.said}"
        elif source is not None:
            feed, note = _arrays(inputs, source), f"inputs from {source.name}"
        else:
            rng = np.random.default_rng(seed)
            feed = {name: random_array(type_, rng) for name, type_ in inputs.items()}
            note = f"random inputs, seed {seed}"
        bound = bind(interpreter.model.signature(signature), (), feed)
        start = time.perf_counter()
        outputs = interpreter(*(bound[name] for name in inputs), signature=signature)
        seconds = time.perf_counter() - start
    say(f"{time_text(seconds)}  {note}", title=model.name)
    drawn = None
    if isinstance(task, ObjectDetector) and picture is not None:
        found = task.read(outputs, picture, least_score=least_score)
        for one in found[:count]:
            say(f"  {one.score:8.4f}  {one.label}  at {one.box}")
        say(f"{len(found)} found" + (f", {count} shown (--top)" if len(found) > count else ""))
        drawn = draw(picture, found)
    elif isinstance(task, ImageSegmenter) and picture is not None:
        segmentation = task.read(outputs, picture)
        for share in segmentation.shares()[:count]:
            say(f"  {share.score:8.1%}  {share.label}")
        drawn = segmentation.draw(picture)
    else:
        _print(
            outputs,
            interpreter.outputs(signature),
            count,
            names or labels_of(interpreter.model),
            is_certain=labels is not None,
            is_picture=picture is not None,
        )
    if drawing is not None:
        _draw(drawn, drawing, force)
    if output is not None:
        _save(output, outputs, force)


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


def _are_scores(array: np.ndarray) -> bool:
    return bool(array.size > 1 and array.size == array.shape[-1] and array.dtype.kind in "fiu")


def _print(
    outputs: dict[str, np.ndarray],
    types: dict[str, TensorType],
    count: int,
    names: list[str] | None,
    *,
    is_certain: bool,
    is_picture: bool,
) -> None:
    """Scores as classes, where names fit them or they must (`is_certain`); else numbers."""
    for name, array in outputs.items():
        say(f"{name}: {array.dtype}{list(array.shape)}")
        fits = is_certain or names is None or len(names) == array.size
        if _are_scores(array) and fits and (names or is_picture or array.size in (1000, 1001)):
            for guess in top(array, count, names, types[name].quant):
                say(f"  {guess.score:8.4f}  {guess.label}")
        else:
            _print_values(array, count)


def _print_values(array: np.ndarray, count: int) -> None:
    flat, shown = array.reshape(-1), max(count, 8)
    texts = [f"{x:.6g}" if array.dtype.kind == "f" else str(x) for x in flat[:shown]]
    say(f"  {' '.join(texts)}{' ...' if flat.size > shown else ''}")


def _draw(drawn: Image.Image | None, path: Path, force: bool) -> None:
    if drawn is None:
        raise InputError("--draw needs a picture, and a detector or segmenter that sees it")
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind is None:
        raise InputError(f"{path}: a picture is written as .png or .jpg")
    stream = io.BytesIO()
    drawn.save(stream, kind)
    write_atomically(path, [stream.getbuffer()], overwrite=force)
    say(f"drawn: {path}")


def _save(output: Path, outputs: dict[str, np.ndarray], force: bool) -> None:
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **outputs)
    write_atomically(output, [stream.getbuffer()], overwrite=force)
    say(f"outputs written to {output}")
