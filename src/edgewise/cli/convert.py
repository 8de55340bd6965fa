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
    "--signature",
    "signatures",
    multiple=True,
    metavar="KEY",
    help="A signature of a SavedModel to convert (repeat for several; default: serving_default or"
    " the only one).",
)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="TAG",
    help="A tag of the graph of a SavedModel (repeat for several; default: serve).",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME",
    help="A tensor of a frozen graph that goes in (repeat; default: all placeholders).",
)
@click.option(
    "--result",
    "results",
    multiple=True,
    metavar="NAME",
    help="A tensor of a frozen graph that comes out (repeat; default: those that none reads).",
)
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="NAME=N,N,..",
    help="The shape of an input that the source leaves open, such as image=1,224,224,3; ? is a"
    " dimension that varies.",
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
    source: Path,
    output: Path | None,
    signatures: tuple[str, ...],
    tags: tuple[str, ...],
    inputs: tuple[str, ...],
    results: tuple[str, ...],
    shapes: tuple[str, ...],
    release: str | None,
    force: bool,
    verbose: int,
) -> None:
    """Turn a trained model into a .tflite file.

    SOURCE is a Keras file (.keras, .h5), the folder of a TensorFlow SavedModel, or a frozen graph
    (.pb, .pbtxt). Neither TensorFlow nor Keras is needed, and nothing in the file is executed. Or
    it is a program that torch.export.save wrote (.pt2), which PyTorch reads: it has to be
    installed.

    \b
    Examples:
      edgewise convert model.keras -o model.tflite
      edgewise convert model.keras --target litert-2.3 --force
      edgewise convert model.keras -v
      edgewise convert saved_model/ --signature serving_default -o model.tflite
      edgewise convert frozen.pb --input input --result softmax
    """
    target = output or _beside(source)
    check_output(target, overwrite=force)
    start = time.perf_counter()
    report = PipelineReport() if verbose else None
    with progress_bar(f"converting {source.name}"):
        converted = api.convert(
            source,
            inputs=inputs or None,
            outputs=results or None,
            shapes=dict(map(_shape, shapes)) or None,
            signature_keys=signatures or None,
            tags=tags or None,
            target=release,
            report=report,
        )
        model = to_tflite(converted, report=report)
        size = model.save(target, overwrite=force)
    seconds = time.perf_counter() - start
    operators = sum(map(len, model.graphs.values()))
    work = f"{operators} operator{'s' if operators != 1 else ''}"
    facts = f"{size_text(size)}, {work}, in {time_text(seconds)}"
    say(facts, title=str(target))
    for signature in model.signatures:
        ins, outs = ", ".join(signature.inputs), ", ".join(signature.outputs)
        named = f"signature {signature.key}: " if signature.key else ""  # a frozen graph has none
        say(f"  {named}{ins or 'no inputs'} -> {outs}")
    if report is not None:
        say()
        for line in report.account(nodes=verbose > 1).splitlines():
            say(line)


def _beside(source: Path) -> Path:
    """SOURCE.tflite; the suffix of a file is replaced, a folder's name is kept whole."""
    path = source.absolute() if source.name in ("", "..") else source
    return path.with_name(f"{path.name}.tflite") if path.is_dir() else path.with_suffix(".tflite")


def _shape(text: str) -> tuple[str, tuple[int | None, ...]]:
    """NAME=1,?,3 as a name and a shape. Raises UsageError."""
    name, _, dims = text.rpartition("=")
    try:
        given = tuple(None if d.strip() == "?" else int(d) for d in dims.split(",") if d.strip())
    except ValueError:
        name, given = "", ()
    if not name or any(d is not None and d < 0 for d in given):
        raise click.UsageError(f"--shape must be NAME=N,N,..; got {text!r}")
    return name, given
