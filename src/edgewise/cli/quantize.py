"""`edgewise quantize`: a .tflite file in narrower types."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from edgewise import api
from edgewise.cli.data_options import DataOptions, data_options
from edgewise.cli.output_option import output_option
from edgewise.cli.screen import progress_bar, say, size_text, table, time_text
from edgewise.data.source import TRAINING
from edgewise.errors import InputError, QuantizationError
from edgewise.files import check_output
from edgewise.ir.model import Model
from edgewise.optimize import Ranges, Recipe, Technique, quantize
from edgewise.optimize.sizes import LayerSize, Sizes, sizes
from edgewise.optimize.streamed import Streamed

_SAMPLES = 200  # of more, as many that are evenly apart
_TYPES = ("float32", "int8", "uint8", "int16")


@click.command("quantize")
@click.argument("model", type=click.Path(path_type=Path))
@output_option()
@click.option(
    "--recipe",
    required=True,
    help="static_wi8_ai8, static_wi8_ai16, dynamic_wi8_afp32, weight_only_wi4_afp32, float16, ..."
    " or a .json file of a recipe.",
)
@data_options(is_required=False)
@click.option(
    "--ranges",
    "ranges_file",
    type=click.Path(path_type=Path),
    help="Ranges that were measured before (a .json file), instead of --data.",
)
@click.option(
    "--input",
    "input_dtype",
    type=click.Choice(_TYPES),
    default="float32",
    show_default=True,
    help="The type of float inputs.",
)
@click.option(
    "--result",
    "output_dtype",
    type=click.Choice(_TYPES),
    default="float32",
    show_default=True,
    help="The type of float outputs.",
)
@click.option(
    "--keep-float",
    "kept",
    multiple=True,
    metavar="REGEX",
    help="Layers that stay float32, by a part of their name (repeat).",
)
@click.option(
    "--technique",
    "techniques",
    multiple=True,
    type=click.Choice([*(technique.value for technique in Technique), "none"]),
    help="What keeps accuracy (repeat): alike ranges of channels, by weights or by data; more "
    "channels and finer steps for what depthwise layers read; channels moved and stretched behind "
    "them; rounding for each layer's result; biases that take mean errors (with --data the last "
    "four, as far as the recipe is static, are done unless others are named).",
)
@click.option("--integers-only", is_flag=True, help="Refuse a model that keeps float operators.")
@click.option(
    "--target",
    default="litert-2.3",
    show_default=True,
    help="The release that has to run the file; 'none': Edgewise alone.",
)
@click.option("--layers", is_flag=True, help="Also list the bytes of every layer.")
@click.option("--json", "as_json", is_flag=True, help="Print the sizes as JSON.")
@click.option("--force", is_flag=True, help="Overwrite the output where it exists.")
def command(
    model: Path,
    output: Path,
    recipe: str,
    options: DataOptions | None,
    ranges_file: Path | None,
    input_dtype: str,
    output_dtype: str,
    kept: tuple[str, ...],
    techniques: tuple[str, ...],
    integers_only: bool,
    target: str,
    layers: bool,
    as_json: bool,
    force: bool,
) -> None:
    """Write a .tflite file with narrower weights and data.

    MODEL is a .tflite file or whatever `edgewise convert` reads. Operators that have no form in the
    types asked for stay float32 and are named.

    \b
    Examples:
      edgewise quantize model.tflite -o small.tflite --recipe dynamic_wi8_afp32 --layers
      edgewise quantize model.tflite -o small.tflite --recipe static_wi8_ai8 --data photos
      edgewise quantize model.tflite -o s.tflite --recipe static_wi8_ai8 --data photos --input int8
      edgewise quantize model.tflite -o s.tflite --recipe dynamic_wi8 --technique cross_layer
    """
    check_output(output, overwrite=force)
    plan = _recipe(recipe).keeping_float(kept)
    if techniques:
        named = [name for name in techniques if name != "none"]
        plan = plan.with_techniques(named)
    start = time.perf_counter()
    read = api.convert(model)
    ranges = None if ranges_file is None or not plan.is_static else Ranges.load(ranges_file)
    told: list[str] = []  # the same sentence, each time that samples are read
    with progress_bar("quantizing") as progress:
        made = quantize(
            read,
            plan,
            ranges,
            samples=None if ranges is not None else _samples(read, plan, options, progress, told),
            input_dtype=input_dtype,
            output_dtype=output_dtype,
            integers_only=integers_only,
            target=None if target == "none" else target,
        )
    made.save(output, overwrite=force)
    seconds = time.perf_counter() - start
    found = sizes(read, made)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1))
        return
    _tell(found, output, seconds, layers=layers)
    for sentence in told[:1]:
        say(sentence)


def _recipe(text: str) -> Recipe:
    """The recipe of a name or in a file."""
    if not text.endswith(".json"):
        return Recipe(text)
    try:
        return Recipe.from_json(Path(text).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{text}: cannot be read as a recipe: {error}") from error


def _samples(
    model: Model,
    recipe: Recipe,
    options: DataOptions | None,
    progress: Callable[[int, int], None],
    told: list[str],
) -> Streamed | None:
    """The samples, read as they are asked for; None where there is no data.
    Raises QuantizationError: scales need some."""
    if options is None:
        if recipe.is_static:
            raise QuantizationError(
                f"recipe {recipe.scheme}: scales of data come from samples; give --data (a folder "
                "of pictures, a .npy or .npz file) or --ranges"
            )
        return None
    return Streamed(
        model,
        options.open(TRAINING),
        normalize=options.normalize,
        crop=options.crop,
        limit=options.limit or _SAMPLES,
        progress=progress,
        told=told.append,
    )


def _tell(found: Sizes, output: Path, seconds: float, *, layers: bool) -> None:
    before, after = found.before, found.after
    facts = (
        f"{size_text(after.plain)} of {size_text(before.plain)} ({found.ratio:.2f} times smaller),"
        f" in {time_text(seconds)}"
    )
    say(facts, title=str(output))
    say(f"  zip   {size_text(after.zip)} of {size_text(before.zip)}")
    if after.zstd is not None and before.zstd is not None:
        say(f"  zstd  {size_text(after.zstd)} of {size_text(before.zstd)}")
    if layers:
        say()
        head = ("layer", "operator", "before", "after", "smaller", "type")
        for line in table(head, [_row(layer) for layer in found.layers], right=(2, 3, 4)):
            say(line)


def _row(layer: LayerSize) -> tuple[str, ...]:
    types = layer.dtype_after
    if layer.dtype_before != types:
        types = f"{layer.dtype_before} to {types}"
    ratio = f"{layer.ratio:.2f}"
    before, after = size_text(layer.before), size_text(layer.after)
    return layer.name, layer.operator, before, after, ratio, types
