"""`edgewise evaluate`: how good a classifier is on labelled data."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgewise.cli.data_options import DataOptions, data_options, require_model, tell_skipped
from edgewise.cli.operators import ops_option
from edgewise.cli.screen import progress_bar, say, size_text, time_text
from edgewise.optimize.evaluate import Evaluation, evaluate


@click.command("evaluate")
@click.argument("model", type=click.Path(path_type=Path))
@data_options()
@click.option("--first-class", type=int, help="Output of class 0 (default: 1 of 1001, else 0).")
@click.option("--signature", help="Which signature to run (default: serving_default).")
@ops_option()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(
    model: Path,
    options: DataOptions,
    first_class: int | None,
    signature: str | None,
    as_json: bool,
) -> None:
    """Run a .tflite classifier on labelled data: accuracy, latency, size.

    Accuracies come with a 95 % confidence interval. Files that cannot be read are told and left
    out. Latency is that of one inference on one thread.

    \b
    Examples:
      edgewise evaluate model.tflite --data photos
      edgewise evaluate model.tflite --data photos --limit 4 --json
    """
    data = options.open()
    with progress_bar(f"evaluating {model.name}") as advance:
        found = evaluate(
            require_model(model),
            data,
            first_class=first_class,
            signature=signature,
            progress=advance,
            **options.scoring,
        )
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
        return
    _print(found)


def _print(found: Evaluation) -> None:
    say(f"{found.examples} examples of {found.data}, {found.classes} classes", title=found.model)
    say(f"top-1  {found.top1.percent()}")
    if found.top5 is not None:
        say(f"top-5  {found.top5.percent()}")
    size = "" if found.bytes is None else f", {size_text(found.bytes)}"
    say(f"{time_text(found.seconds)} on one thread{size}")
    say("; ".join(found.notes))
    tell_skipped(found.skipped)
