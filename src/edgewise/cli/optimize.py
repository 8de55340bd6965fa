"""`edgewise optimize`: the smallest or fastest model that loses no more than it may."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgewise import api
from edgewise.cli.data_options import DataOptions, data_options, tell_skipped
from edgewise.cli.output_option import output_option
from edgewise.cli.screen import progress_bar, say, tell_table
from edgewise.files import check_output, write_atomically
from edgewise.measure.optimize_page import HEAD, optimize_page, row, verdict
from edgewise.optimize.autopilot import LIMIT, SCHEMES, autopilot
from edgewise.optimize.bench import METRICS
from edgewise.optimize.optimized import Optimized

_LAYERS = 10  # the most sensitive ones, on screen


@click.command("optimize")
@click.argument("model", type=click.Path(path_type=Path))
@output_option()
@data_options()
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    help="Points (1 of 100 examples) that the metric may fall by.",
)
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    help="By default top1; without labels agreement with the float model.",
)
@click.option(
    "--for",
    "goal",
    type=click.Choice(tuple(SCHEMES)),
    default="size",
    show_default=True,
    help="Bytes of the file, or one inference on one thread of this machine.",
)
@click.option("--scheme", "schemes", multiple=True, help="What layers may become (repeat).")
@click.option(
    "--target",
    default="litert-2.3",
    show_default=True,
    help="The release that has to run the file; 'none': Edgewise alone.",
)
@click.option("--first-class", type=int, help="Output of class 0 (default: 1 of 1001, else 0).")
@click.option("--signature", help="Which signature to run (default: serving_default).")
@click.option("--seed", type=int, default=0, show_default=True, help="Of how examples are parted.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What was measured: a run that was interrupted goes on there (default: OUTPUT.state).",
)
@click.option("--workers", type=click.IntRange(1), help="Models at a time (default: the cores).")
@click.option("--cluster", "address", help="Measure on a Ray cluster: its address, or 'local'.")
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the recipe, for `edgewise quantize`.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page, too.")
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
def command(
    model: Path,
    output: Path,
    options: DataOptions,
    max_drop: float,
    metric: str | None,
    goal: str,
    schemes: tuple[str, ...],
    target: str,
    first_class: int | None,
    signature: str | None,
    seed: int,
    state: Path | None,
    workers: int | None,
    address: str | None,
    recipe_file: Path | None,
    as_json: bool,
    html: Path | None,
    force: bool,
) -> None:
    """Find the smallest or fastest model that loses no more than --max-drop.

    MODEL is a .tflite file of floats or whatever `edgewise convert` reads. The techniques of
    `edgewise quantize` are tried first, then every layer in every type, then mixed recipes.
    Examples are parted: some calibrate, some decide, and whether the budget is met is measured on
    the rest, with an interval.

    \b
    Examples:
      edgewise optimize model.tflite -o s.tflite --data photos --max-drop 0.5 --html why.html
      edgewise optimize model.tflite -o s.tflite --data photos --for latency --metric agreement
    """
    for file in (output, recipe_file, html):
        if file is not None:
            check_output(file, overwrite=force)
    scoring = {**options.scoring, "limit": options.limit or LIMIT}
    with progress_bar(f"optimizing {model.name}") as advance:
        found = autopilot(
            api.convert(model),
            options.open(),
            max_drop=max_drop,
            metric=metric,
            goal=goal,
            schemes=schemes or None,
            target=None if target == "none" else target,
            first_class=first_class,
            signature=signature,
            seed=seed,
            state=state or output.with_name(f"{output.name}.state"),
            workers=workers,
            address=address,
            progress=advance,
            **scoring,  # type: ignore[arg-type]  # a TypedDict with another limit
        )
    found.model.save(output, overwrite=force)
    if recipe_file is not None:
        text = found.chosen.recipe.to_json()
        write_atomically(recipe_file, [text.encode()], overwrite=force)
    if html is not None:
        optimize_page(html, found, model.name, overwrite=force)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
        return
    _print(found, output, html)


def _print(found: Optimized, output: Path, html: Path | None) -> None:
    say(verdict(found), title=str(output))
    say(found.proof.sentence)
    say()
    shown = [c for c in found.candidates if c.name in found.front or c == found.chosen]
    shown.sort(key=lambda c: c.score.bytes)
    tell_table(HEAD, [row(found, c) for c in shown], right=(2, 3, 4, 5))
    say()
    rows = [(x.operator, x.scheme, x.name, x.why) for x in found.layers]
    names = ("operator", "type", "layer, most sensitive first", "why")
    tell_table(names, rows, most=_LAYERS, rest="more layers (--html, --json)")
    if found.resumed:
        say(f"{found.resumed} measurements were known from an earlier run")
    say("; ".join(found.notes))
    tell_skipped(found.skipped)
    if html is not None:
        say(f"page: {html}")
