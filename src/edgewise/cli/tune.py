"""`edgewise tune`: how a model runs fastest on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgewise.cli.export_c import shapes_of
from edgewise.cli.screen import progress_bar, say, tell_table
from edgewise.runtime.plan import Precision
from edgewise.runtime.tune import Tuned, Tuning, tune


@click.command("tune")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--signature", help="Which one of the model (default: its default one).")
@click.option(
    "--shape", multiple=True, help="Of an input, NAME=1,32,32,3 (default: unknowns are 1)."
)
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1, 256))
@click.option(
    "--precision",
    default=Precision.FLOAT32.value,
    show_default=True,
    type=click.Choice([p.value for p in Precision]),
    help="Of products of float weights, as the interpreter's.",
)
@click.option(
    "--seconds",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0),
    help="To measure, about.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the plan cache (default: the user's).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(
    model: Path,
    signature: str | None,
    shape: tuple[str, ...],
    threads: int,
    precision: str,
    seconds: float,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Measure how a .tflite file runs fastest on this machine, and keep that plan.

    Operators run in several ways with the same result: in tiles of other sizes, tile by tile with
    the operator before or by themselves, with threads or alone. Each way is timed in whole
    inferences by turns with the plan there is; one that is clearly faster, twice, replaces it. The
    plan goes into the plan cache, where the next interpreter of the file with as many threads finds
    it. No bit of any result changes. "Of time" is what the best way takes of the time now.

    \b
    Examples:
      edgewise tune model.tflite --seconds 1
      edgewise tune model.tflite --seconds 1 --threads 2 --json
    """
    with progress_bar(f"tuning {model.name}") as advance:
        found = tune(
            model,
            signature=signature,
            shapes=shapes_of(shape),
            num_threads=threads,
            precision=precision,
            cache=True if cache is None else cache,
            seconds=seconds,
            progress=advance,
        )
    if as_json:
        click.echo(json.dumps({"model": str(model), **found.as_json()}, indent=2))
        return
    _print(model, found)


def _print(model: Path, found: Tuning) -> None:
    count = found.target.threads
    facts = f"{found.target.isa.name.lower()}, {count} thread{'s'[: count != 1]}"
    several = sum(len(group.nodes) for group in found.groups)
    say(f"{facts}; {several} of {found.operators} operators run in several ways", title=str(model))
    if not found.groups:
        return
    heads = ("#", "ms", "ways", "best of them", "of time", "kept", "operators")
    tell_table(heads, [_cells(group) for group in found.groups], right=(0, 1, 2, 4))
    say()
    kept = len(found.changed)
    if not kept:
        say(f"no way is clearly faster: {found.seconds * 1e3:.3f} ms as planned")
        return
    before, after = found.seconds * 1e3, found.seconds * found.ratio * 1e3
    say(
        f"{kept} changed: {before:.3f} ms -> {after:.3f} ms ({found.ratio:.1%} of the time), "
        f"kept in {found.folder}"
    )


def _cells(group: Tuned) -> tuple[str, ...]:
    best = group.best
    return (
        str(group.nodes[0]),
        f"{group.seconds * 1e3:.3f}",
        str(len(group.tried)),
        str(best.choice),
        f"{best.ratio:.1%}",
        "as planned" if group.chosen is None else str(group.chosen),
        ", ".join(group.names),
    )
