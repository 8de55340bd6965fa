"""`edgewise train`: models from data."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgewise.cli.data_options import tell_skipped
from edgewise.cli.output_option import output_option
from edgewise.cli.screen import progress_bar, say, size_text, time_text
from edgewise.tasks.integers import RECIPES
from edgewise.tasks.trained import TrainedClassifier
from edgewise.tasks.training import train_image_classifier
from edgewise.train.fit import EPOCHS


@click.group("train")
def command() -> None:
    """Train models on data of your own, on a pre-trained network (needs the extra 'train').

    \b
    Example:
      edgewise train image-classifier photos -o model.tflite
    """


@command.command("image-classifier")
@click.argument("data", type=click.Path(path_type=Path))
@output_option("The .tflite file.")
@click.option(
    "--backbone",
    default="mobilenet_v2",
    show_default=True,
    help="A network of the zoo, or a .tflite file.",
)
@click.option(
    "--weights", type=click.Path(path_type=Path), help="Its file of weights (as zoo get --from)."
)
@click.option("--size", type=click.IntRange(32, 1024), help="Pixels of a side of the input.")
@click.option(
    "--epochs", type=click.IntRange(1), default=EPOCHS, show_default=True,
    help="At most; training stops when nothing is gained any more.",
)  # fmt: skip
@click.option(
    "--views", type=click.IntRange(1, 64), default=4, show_default=True,
    help="Of each picture: cut, mirrored, coloured at random.",
)  # fmt: skip
@click.option("--fine-tune", is_flag=True, help="Also train the network's top blocks.")
@click.option(
    "--quantize",
    "quantized",
    type=click.Choice(list(RECIPES)),
    help="Integers; first blocks stay float32 where 8 bits lose most.",
)
@click.option(
    "--label-smoothing", "smoothing", type=click.FloatRange(0, 0.9), default=0.0,
    show_default=True, help="How much of a label goes to all classes.",
)  # fmt: skip
@click.option(
    "--mixup", type=click.FloatRange(0, 10), default=0.0, show_default=True,
    help="Mix pictures, with shares from Beta(a, a).",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all chance.")
@click.option("--labels", type=click.Path(path_type=Path), help="CSV with the class of each file.")
@click.option(
    "--features", type=click.Path(path_type=Path),
    help="Folder that keeps what the network makes of pictures, 4 GB at most (default: the user's "
    "cache, which `edgewise doctor` tells; remove it to clear it).",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--force", is_flag=True, help="Overwrite outputs that exist.")
def image_classifier(
    data: Path,
    output: Path,
    backbone: str,
    weights: Path | None,
    size: int | None,
    epochs: int,
    views: int,
    fine_tune: bool,
    quantized: str | None,
    smoothing: float,
    mixup: float,
    seed: int,
    labels: Path | None,
    features: Path | None,
    as_json: bool,
    force: bool,
) -> None:
    """Make a classifier of the pictures in DATA: a folder per class, or folders train and test.

    Written are the .tflite file, which carries labels, normalisation, licence and scores, and next
    to it the model as .keras and the curves as .json. The same command goes on after a kill.

    \b
    Examples:
      edgewise train image-classifier photos -o model.tflite
      edgewise train image-classifier photos -o model.tflite --quantize int8 --fine-tune
      edgewise run model.tflite photo.jpg --top 3
    """
    made = train_image_classifier(
        data,
        output,
        backbone=backbone,
        weights=weights,
        size=size,
        epochs=epochs,
        views=views,
        fine_tune=fine_tune,
        quantized=quantized,
        smoothing=smoothing,
        mixup=mixup,
        seed=seed,
        labels=labels,
        features=features,
        overwrite=force,
        stage=progress_bar,
    )
    if as_json:
        click.echo(json.dumps(made.as_json(), indent=2))
        return
    _tell(made, output)


def _tell(made: TrainedClassifier, output: Path) -> None:
    say(f"{len(made.classes)} classes: {', '.join(made.classes[:8])}", title="classes ")
    for title, fitted in (("head    ", made.head), ("blocks  ", made.tuned)):
        if fitted is None:
            continue
        count = len(fitted.epochs)
        if fitted.best < 0:
            say(f"as they were: none of {count} epochs is better by more than chance", title=title)
            continue
        accuracy = fitted.epochs[fitted.best].validation_accuracy
        say(f"epoch {fitted.best + 1} of {count}, validation accuracy {accuracy:.1%}", title=title)
    if made.test is not None:
        say(f"{made.test.top1.percent()} of {made.test.examples} pictures", title="float32 ")
    if made.test_quantized is not None and made.difference is not None:
        points = made.difference.percent()
        say(f"{made.test_quantized.top1.percent()}; less float32: {points}", title="int8    ")
    if made.floats:
        say(f"the first {made.floats} operators stay float32: 8 bits lose most there")
    size = size_text(output.stat().st_size)
    say(f"{output}, {size}; .keras and .json beside it", title="written ")
    say(f"in {time_text(made.seconds)}")
    tell_skipped(made.skipped)
