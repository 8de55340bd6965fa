"""`edgewise convert`: a source model to `.tflite`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from edgewise import api
from edgewise.cli.screen import progress_bar, say, size_text, time_text
from edgewise.files import check_output
from edgewise.passes import PipelineReport, to_tflite


@click.command("convert")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The .tflite file to write (default: SOURCE with the suffix .tflite).",
)
@click.option(
    "--target",
    "release",
    help="The release that has to run the file, such as litert-2.3: what it cannot run is refused.",
)
@click.option("--force", is_flag=True, help="Overwrite the output where it exists.")
@click.option(
    "-v",
    "--verbose",
    count=True,
    help="Also tell what became of the model's operators, and why some stayed (-vv: of each).",
)
def command(
    source: Path, output: Path | None, release: str | None, force: bool, verbose: int
) -> None:
    """Turn a trained model into a .tflite file.

    SOURCE is a Keras file (.keras, .h5). Neither TensorFlow nor Keras is needed, and nothing in
    the file is executed.

    \b
    Examples:
      edgewise convert model.keras -o model.tflite
      edgewise convert model.keras --target litert-2.3 --force
      edgewise convert model.keras -v
    """
    target = output or source.with_suffix(".tflite")
    check_output(target, overwrite=force)
    start = time.perf_counter()
    report = PipelineReport() if verbose else None
    with progress_bar(f"converting {source.name}"):
        converted = api.convert(source, target=release, report=report)
        model = to_tflite(converted, report=report)
        size = model.save(target, overwrite=force)
    seconds = time.perf_counter() - start
    operators = sum(map(len, model.graphs.values()))
    facts = f"{size_text(size)}, {operators} operators, in {time_text(seconds)}"
    say(facts, title=str(target))
    for signature in model.signatures:
        ins, outs = ", ".join(signature.inputs), ", ".join(signature.outputs)
        say(f"  signature {signature.key}: {ins} -> {outs}")
    if report is not None:
        say()
        for line in report.account(nodes=verbose > 1).splitlines():
            say(line)
