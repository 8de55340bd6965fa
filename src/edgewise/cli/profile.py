"""`edgewise profile`: where the time of an inference goes."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgewise.cli.operators import ops_option
from edgewise.cli.screen import say, tell_table
from edgewise.files import check_output, write_atomically
from edgewise.measure.profile import Profile, profile

_OUT = click.Path(path_type=Path, dir_okay=False)


@click.command("profile")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1, 256))
@click.option("--runs", default=30, show_default=True, type=click.IntRange(1))
@click.option("--top", type=click.IntRange(1), help="Only the slowest operators, slowest first.")
@ops_option()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--trace", type=_OUT, help="Also write a trace for Perfetto (ui.perfetto.dev).")
@click.option("--html", type=_OUT, help="Also write a page with charts.")
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
def command(
    model: Path,
    threads: int,
    runs: int,
    top: int | None,
    as_json: bool,
    trace: Path | None,
    html: Path | None,
    force: bool,
) -> None:
    """Time every operator of a .tflite file, and compare it with the peak of this machine.

    "Of peak" is the time that the operator's arithmetic would take at full rate (or its bytes from
    cache, if that is longer), as a share of the time measured. Inputs are random, unknown
    dimensions are 1.

    \b
    Examples:
      edgewise profile model.tflite
      edgewise profile model.tflite --top 10 --trace trace.json
    """
    for path in (trace, html):
        if path is not None:
            check_output(path, overwrite=force)
    found = profile(model, runs=runs, threads=threads)
    if trace is not None:
        write_atomically(trace, [found.as_trace(model.name).encode()], overwrite=force)
    if html is not None:
        from edgewise.measure.charts import profile_page

        profile_page(html, model, found, overwrite=force)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
        return
    _print(model, found, top)
    for what, path in (("trace", trace), ("charts", html)):
        if path is not None:
            say(f"{what}: {path}")


def _print(model: Path, found: Profile, top: int | None) -> None:
    say(title=str(model))
    rows = list(found.rows)
    if top is not None:
        rows = sorted(rows, key=lambda r: -r.seconds)[:top]
    heads = ("#", "operator", "ms", "share", "MMAC", "GFLOP/s", "GB/s", "of peak", "runs in")
    cells = [(str(r.index), r.operator, *r.cells()) for r in rows]
    tell_table(heads, cells, right=(0, 2, 3, 4, 5, 6, 7))
    say()
    kinds = found.by_kind()[:6]
    total = found.watched_seconds or 1.0
    say(", ".join(f"{count} {kind} {s / total:.0%}" for kind, count, s in kinds))
    say(found.facts())
