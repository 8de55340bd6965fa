"""`edgewise demo`: the whole way, from a checkpoint to class names, on one photo."""

from __future__ import annotations

import tempfile
import time
from importlib.resources import as_file, files
from pathlib import Path

import click

from edgewise import api
from edgewise.cli.screen import count_text, progress_bar, say, size_text, time_text
from edgewise.data.image import open_picture
from edgewise.files import check_output
from edgewise.runtime import Interpreter
from edgewise.tasks import ImageClassifier
from edgewise.zoo import entries

_NETWORK = "efficientnet_lite0"


@click.command("demo")
@click.option(
    "--image",
    type=click.Path(path_type=Path),
    help="The photo to classify (default: a cat that comes with Edgewise).",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Keep the .tflite file here.")
@click.option("--force", is_flag=True, help="Overwrite the output where it exists.")
def command(image: Path | None, output: Path | None, force: bool) -> None:
    """Build a network, write it as .tflite, and classify a photo with it.

    The network is EfficientNet-Lite0 with its ImageNet weights, from the `demo` extra. Nothing is
    downloaded while it runs.

    \b
    Examples:
      edgewise demo
      edgewise demo --image photo.jpg -o efficientnet_lite0.tflite
    """
    if output is not None:
        check_output(output, overwrite=force)
    if image is not None:
        open_picture(image)  # a bad picture is told before the work begins
    with tempfile.TemporaryDirectory() as folder:
        path = output or Path(folder) / "efficientnet_lite0.tflite"
        _build(path, overwrite=force, kept=output is not None)
        with as_file(files("edgewise").joinpath("assets/cat.jpg")) as cat:
            _classify(path, image or cat)


def _build(path: Path, *, overwrite: bool, kept: bool) -> None:
    start = time.perf_counter()
    with progress_bar("building EfficientNet-Lite0"):
        checkpoint = entries.weights_path(entries.entry(_NETWORK))
        raw = entries.get(_NETWORK)
        model = api.convert(raw)
        size = model.save(path, overwrite=overwrite)
    before, after = raw.report(), model.report()
    say(
        f"EfficientNet-Lite0, {len(before.ops)} operators, from a checkpoint of "
        f"{size_text(checkpoint.stat().st_size)}",
        title="built    ",
    )
    say(
        f"{len(after.ops)} operators, {count_text(after.macs or 0)} multiply-accumulates, "
        f"{size_text(after.constant_bytes)} of weights",
        title="optimised",
    )
    seconds = time.perf_counter() - start
    say(
        f"{path.name}, {size_text(size)}, in {time_text(seconds)} altogether"
        + ("" if kept else " (-o FILE keeps it)"),
        title="written  ",
    )


def _classify(path: Path, image: Path) -> None:
    with progress_bar("running") as advance:
        start = time.perf_counter()
        interpreter = Interpreter(path, progress=advance)
        loaded = time.perf_counter()
        task = ImageClassifier(interpreter)
        tensor = task.tensor(open_picture(image))
        begin = time.perf_counter()
        outputs = interpreter(image=tensor)
        end = time.perf_counter()
    say(
        f"{image.name}: loading {time_text(loaded - start)}, inference {time_text(end - begin)}",
        title="run      ",
    )
    say()
    for guess in task.read(outputs):
        label = f"{guess.label:<40.40}"
        say(f"  {guess.score:6.1%}  {label} ", after="#" * round(guess.score * 40))
