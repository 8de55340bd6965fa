"""`edgewise export-c`: a model as C sources for a microcontroller."""

from __future__ import annotations

from pathlib import Path

import click

from edgewise import api
from edgewise.cli.output_option import output_option
from edgewise.cli.screen import say, size_text


def shapes_of(texts: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """`input=1,32,32,3` as a mapping."""
    found = {}
    for text in texts:
        name, equals, dims = text.rpartition("=")
        sizes = dims.split(",")
        if not equals or not all(size.strip().isdecimal() for size in sizes):
            raise click.BadParameter(f"{text!r}: write NAME=1,32,32,3", param_hint="--shape")
        found[name] = tuple(int(size) for size in sizes)
    return found


@click.command("export-c")
@click.argument("model", type=click.Path(path_type=Path))
@output_option("The folder to write to; made where it does not exist.")
@click.option("--name", default="model", show_default=True, help="Of the files and functions.")
@click.option("--signature", help="Which one of the model (default: its default one).")
@click.option(
    "--shape", multiple=True, help="Of an input, NAME=1,32,32,3 (default: unknowns are 1)."
)
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
def command(
    model: Path,
    output: Path,
    name: str,
    signature: str | None,
    shape: tuple[str, ...],
    force: bool,
) -> None:
    """Write a .tflite file as C: one function, its constants, and the kernels it needs.

    The sources need no C library, allocate nothing, and compile with clang or GCC for any
    processor of 32 bits or more. NAME.h says how. Integer results are the interpreter's, bit for
    bit.

    \b
    Examples:
      edgewise export-c model.tflite -o firmware/model
      edgewise export-c model.tflite -o firmware/model --name resnet8 --force
    """
    made = api.export_c(
        api.load(model),
        output,
        name=name,
        signature=signature,
        shapes=shapes_of(shape),
        overwrite=force,
    )
    say(f"{len(made.files)} files", title=str(output))
    say(f"  constants {size_text(made.constant_bytes)} (flash)")
    say(f"  arena {size_text(made.arena_bytes)}, scratch {size_text(made.scratch_bytes)} (memory)")
    say(f"  see {made.files[0]}")
