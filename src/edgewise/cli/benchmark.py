"""`edgewise benchmark`: how fast a model runs, beside other runtimes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import click

from edgewise.cli.operators import ops_option
from edgewise.cli.screen import progress_bar, say, size_text, tell_table
from edgewise.files import check_output
from edgewise.measure.peers import HEADS, Measurement, compare, difference

_HEADS = ("", *HEADS, "memory", "apart")


@click.command("benchmark")
@click.argument("model", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--vs", default="", help="Beside: litert,onnxruntime,openvino,openvino_bf16, or bf16."
)
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1, 256))
@click.option(
    "--runs",
    default=5,
    show_default=True,
    type=click.IntRange(1),
    help="At least so many inferences a turn.",
)
@click.option(
    "--rounds", default=5, show_default=True, type=click.IntRange(1), help="Turns of each runtime."
)
@click.option(
    "--seconds", default=0.5, show_default=True, type=click.FloatRange(0), help="Length of a turn."
)
@click.option("--python", help="Interpreter that has the other runtimes (default: this one).")
@click.option(
    "--onnx", type=click.Path(path_type=Path, exists=True), help="The model for ONNX Runtime."
)
@ops_option(is_loaded=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--html", type=click.Path(path_type=Path), help="Also write a page with charts.")
@click.option("--force", is_flag=True, help="Overwrite the page if it exists.")
def command(
    model: Path,
    vs: str,
    threads: int,
    runs: int,
    rounds: int,
    seconds: float,
    python: str | None,
    onnx: Path | None,
    ops: tuple[Path, ...],
    as_json: bool,
    html: Path | None,
    force: bool,
) -> None:
    """Time inferences of a .tflite file.

    Each runtime is a process of its own with the model loaded; they run by turns (A B A B) and
    are stopped in between, so that other load disturbs all alike. Trust ratios more than
    milliseconds. Inputs are random and set before the clock starts. `--vs bf16` is Edgewise with
    products of bfloat16; "apart" says how far that moves the outputs. openvino computes in float32,
    openvino_bf16 where it likes in bfloat16. The exit code is 1 where Edgewise does not run the
    model.

    \b
    Examples:
      edgewise benchmark model.tflite --rounds 2 --seconds 0.1
      edgewise benchmark model.tflite --rounds 2 --seconds 0.1 --json
    """
    if html is not None:
        check_output(html, overwrite=force)
    others = [name for name in vs.split(",") if name]
    with progress_bar(f"measuring {model.name}") as advance:
        found = compare(
            model,
            others,
            python=python,
            onnx=onnx,
            threads=threads,
            rounds=rounds,
            seconds=seconds,
            runs=runs,
            progress=advance,
            ops=ops,
        )
    if html is not None:
        from edgewise.measure.charts import benchmark_page

        benchmark_page(html, model, threads, found, overwrite=force)
    if as_json:
        plain = {"model": str(model), "threads": threads, "results": [m.as_json() for m in found]}
        click.echo(json.dumps(_without_nan(plain), indent=2))
    else:
        _print(model, threads, found)
        if html is not None:
            say(f"charts: {html}")
    if found[0].error:
        raise click.exceptions.Exit(1)


def _print(model: Path, threads: int, found: list[Measurement]) -> None:
    ours = found[0]
    say(f"{threads} thread{'s'[: threads != 1]}", title=str(model))
    rows = [_cells(m, ours) for m in found if not m.error]
    if rows:
        tell_table(_HEADS, rows, right=tuple(range(1, len(_HEADS))))
    for m in found:
        if m.error:
            say(f"does not run it: {m.error}", title=m.runtime)
    if ours.arena is not None:
        say(f"arena {size_text(ours.arena)}")


def _cells(m: Measurement, ours: Measurement) -> tuple[str, ...]:
    apart = difference(ours, m) if m is not ours else math.nan
    return (
        f"{m.runtime} {m.version}",
        *m.cells(ours),
        "" if m.memory is None else size_text(m.memory),
        "" if math.isnan(apart) else f"{apart:.1e}",
    )


def _without_nan(data: object) -> object:
    """JSON has no NaN: such numbers become null."""
    if isinstance(data, dict):
        return {key: _without_nan(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_without_nan(value) for value in data]
    return None if isinstance(data, float) and math.isnan(data) else data
