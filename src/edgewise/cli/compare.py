"""`edgewise compare`: what a model loses against another one of the same network, and where."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgewise.cli.data_options import DataOptions, data_options, require_model, tell_skipped
from edgewise.cli.operators import ops_option
from edgewise.cli.screen import progress_bar, say, tell_table
from edgewise.files import check_output
from edgewise.measure.compare_page import HEAD, cells, compare_page, task_rows, verdict
from edgewise.optimize.compare import LAYER_EXAMPLES, Comparison, compare


@click.command("compare")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@data_options()
@click.option("--first-class", type=int, help="Output of class 0 (default: 1 of 1001, else 0).")
@click.option("--signature", help="Which signature to run (default: serving_default).")
@click.option(
    "--layer-examples",
    type=click.IntRange(1),
    default=LAYER_EXAMPLES,
    show_default=True,
    help="Examples that layers are looked at on.",
)
@click.option("--top", type=click.IntRange(1), default=15, show_default=True, help="Layers shown.")
@ops_option()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page, too.")
@click.option("--force", is_flag=True, help="Overwrite the page if it exists.")
def command(
    first: Path,
    second: Path,
    options: DataOptions,
    first_class: int | None,
    signature: str | None,
    layer_examples: int,
    top: int,
    as_json: bool,
    html: Path | None,
    force: bool,
) -> None:
    """Compare a .tflite file with another one of the same network, layer by layer.

    FIRST is right, as a rule the float model; SECOND is what became of it. Layers are matched by
    the names of their results, else by structure. "Own SNR" is of a layer alone, on the first
    model's true inputs: the noise that this layer adds. "SNR" is of a whole run, and "inherited" is
    the share of its noise that came with the inputs. Accuracies need labels, the rest does not.

    \b
    Examples:
      edgewise compare float.tflite int8.tflite --data photos
      edgewise compare float.tflite int8.tflite --data photos --html losses.html
    """
    if html is not None:
        check_output(html, overwrite=force)
    data = options.open()
    with progress_bar(f"comparing {second.name}") as advance:
        found = compare(
            require_model(first),
            require_model(second),
            data,
            first_class=first_class,
            signature=signature,
            layer_examples=layer_examples,
            progress=advance,
            **options.scoring,
        )
    if html is not None:
        compare_page(html, found, overwrite=force)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
        return
    _print(found, top)
    if html is not None:
        say(f"page: {html}")


def _print(found: Comparison, top: int) -> None:
    examples = "" if found.task is None else f"{found.task.examples} examples"
    names = [Path(name).name for name in found.models]
    tell_table((examples, *names), task_rows(found), right=(1, 2))
    say()
    say(verdict(found))
    say()
    rows = [cells(layer) for layer in found.layers]
    shown = [(*row[1:], row[0]) for row in rows]  # names last: they are cut where space ends
    right = (2, 3, 4, 5, 6, 7, 8)
    tell_table((*HEAD[1:], HEAD[0]), shown, right=right, most=top, rest="more layers (--top)")
    if found.unmatched:
        say(f"without a counterpart: {', '.join(found.unmatched)}")
    say("; ".join(found.notes))
    tell_skipped(found.skipped)
