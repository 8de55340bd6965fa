"""`edgewise evaluate`: how good classifiers are on labelled data."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from edgewise.cli.data_options import DataOptions, data_options, require_model, tell_skipped
from edgewise.cli.operators import ops_option
from edgewise.cli.screen import progress_bar, say, size_text, time_text
from edgewise.files import check_output
from edgewise.measure.evaluation_page import evaluation_page, verdict
from edgewise.optimize.evaluate import Evaluation, evaluate, versus


@click.command("evaluate")
@click.argument(
    "models", metavar="MODEL [MODEL2]...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@data_options()
@click.option("--first-class", type=int, help="Output of class 0 (default: 1 of 1001, else 0).")
@click.option("--signature", help="Which signature to run (default: serving_default).")
@ops_option()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page, too.")
@click.option("--force", is_flag=True, help="Overwrite the page if it exists.")
def command(
    models: tuple[Path, ...],
    options: DataOptions,
    first_class: int | None,
    signature: str | None,
    as_json: bool,
    html: Path | None,
    force: bool,
) -> None:
    """Run .tflite classifiers on labelled data: accuracy, classes, calibration, latency, size.

    Accuracies come with a 95 % confidence interval. Of several models (float and quantized) the
    first is what the others are compared with. The page (extra `pages`) adds precision and recall
    of every class, what is taken for what, and the worst mistakes as pictures. Files that cannot be
    read are told and left out. Latency is that of one inference on one thread.

    \b
    Examples:
      edgewise evaluate model.tflite --data photos
      edgewise evaluate model.tflite --data photos --limit 4 --json
      edgewise evaluate float.tflite int8.tflite --data photos --html page.html
    """
    if html is not None:
        check_output(html, overwrite=force)
    data, scoring = options.open(), options.scoring
    found = []
    for model in map(require_model, models):
        with progress_bar(f"evaluating {model.name}") as advance:
            found.append(
                evaluate(
                    model,
                    data,
                    first_class=first_class,
                    signature=signature,
                    progress=advance,
                    **scoring,
                )
            )
    if html is not None:
        evaluation_page(html, found, data, overwrite=force)
    if as_json:
        click.echo(json.dumps(_as_json(found), indent=2))
        return
    for one in found:
        _print(one)
    for sentence in verdict(found)[1:]:
        say(sentence)
    tell_skipped(found[0].skipped)
    if html is not None:
        say(f"page: {html}")


def _as_json(found: list[Evaluation]) -> dict[str, object]:
    """Of one model its figures; of several all of them, and each against the first."""
    if len(found) == 1:
        return found[0].as_json()
    against = [{"model": one.model, **asdict(versus(found[0], one))} for one in found[1:]]
    return {"models": [one.as_json() for one in found], "against_first": against}


def _print(found: Evaluation) -> None:
    say(f"{found.examples} examples of {found.data}, {found.classes} classes", title=found.model)
    say(f"top-1  {found.top1.percent()}")
    if found.top5 is not None:
        say(f"top-5  {found.top5.percent()}")
    say(f"F1     {100 * found.macro_f1:.1f} %, mean of classes")
    say(f"ECE    {100 * found.calibration.error:.1f} %, calibration error")
    size = "" if found.bytes is None else f", {size_text(found.bytes)}"
    say(f"{time_text(found.seconds)} on one thread{size}")
    say("; ".join(found.notes))
