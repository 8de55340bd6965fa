"""`edgewise metadata`: what a model says of itself, shown or changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path

import click

from edgewise import api, metadata
from edgewise.cli.screen import say, size_text
from edgewise.errors import InputError
from edgewise.files import check_output, write_atomically
from edgewise.ir.model import Model
from edgewise.tasks.classify import read_labels

_TEXTS = ("name", "description", "version", "author", "license")
_SHOWN = 5  # labels


class _Numbers(click.ParamType[tuple[float, ...]]):
    """`127.5`, or one number per channel: `123.7,116.3,103.5`."""

    name = "numbers"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not a number, or several with commas between", param, ctx)


@click.command("metadata")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--name", help="Of the model.")
@click.option("--description", help="What it does.")
@click.option("--version", help="Of the model.")
@click.option("--author", help="Who made it.")
@click.option("--license", help="Under which it may be used.")
@click.option("--labels", type=click.Path(path_type=Path), help="Text file, one class a line.")
@click.option(
    "--mean", type=_Numbers(), help="Taken from pixels 0..255: 127.5, or one per channel."
)
@click.option("--std", type=_Numbers(), help="What they are then divided by.")
@click.option(
    "--file",
    "files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A file that travels with the model; may be given several times.",
)
@click.option("--export-labels", type=click.Path(path_type=Path), help="Write the labels there.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The changed .tflite file.")
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
def command(
    model: Path,
    labels: Path | None,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    files: Sequence[Path],
    export_labels: Path | None,
    as_json: bool,
    output: Path | None,
    force: bool,
    **texts: str | None,
) -> None:
    """Show what a .tflite file says of itself, or write one that says more.

    Android's task library reads it, and the verb run takes labels and normalization from it.

    \b
    Examples:
      edgewise metadata model.tflite
      edgewise metadata model.tflite --labels labels.txt --mean 127.5 --std 127.5 -o out.tflite
      edgewise metadata model.tflite --license Apache-2.0 --author me -o out.tflite
      edgewise metadata model.tflite --json
    """
    given = [labels, mean, std, *files, *(texts[name] for name in _TEXTS)]
    is_changed = any(value is not None for value in given)
    if is_changed and output is None:
        raise click.UsageError("a changed model needs a file: give --output")
    if output is not None:
        check_output(output, overwrite=force)
    loaded = api.load(model)
    if is_changed:
        loaded = metadata.attach(
            loaded,
            name=texts["name"],
            description=texts["description"],
            version=texts["version"],
            author=texts["author"],
            license=texts["license"],
            labels=None if labels is None else read_labels(labels),
            mean=mean,
            std=std,
            files={path.name: _content(path) for path in files},
        )
    if output is not None:
        loaded.save(output, overwrite=force)
    if export_labels is not None:
        _export(loaded, export_labels, force)
    said = metadata.read(loaded)
    if as_json:
        sizes = {name: len(data) for name, data in loaded.files.items()}
        click.echo(json.dumps({"metadata": _plain(said), "files": sizes}, indent=2))
        return
    say(title=str(output or model))
    for line in _lines(loaded, said):
        say(line)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _export(model: Model, path: Path, force: bool) -> None:
    found = metadata.labels(model)
    if found is None:
        raise InputError(f"{model.file}: no labels travel with the model")
    text = "".join(f"{label}\n" for label in found)
    write_atomically(path, [text.encode()], overwrite=force)


def _lines(model: Model, said: metadata.ModelMetadata | None) -> Iterator[str]:
    if said is None:
        yield "  no metadata; edgewise metadata MODEL --description ... -o OUT attaches some"
        return
    for name in (*_TEXTS, "min_parser_version"):
        if text := getattr(said, name):
            yield f"  {name}: {text}"
    for graph in said.subgraph_metadata[:1]:
        for kind, tensors in (
            ("input", graph.input_tensor_metadata),
            ("output", graph.output_tensor_metadata),
        ):
            for tensor in tensors:
                yield from _tensor(kind, tensor, model)
    for name, data in model.files.items():
        yield f"file {name}: {size_text(len(data))}"


def _tensor(kind: str, tensor: metadata.TensorMetadata, model: Model) -> Iterator[str]:
    yield f"{kind} {tensor.name or '(without a name)'}"
    if tensor.description:
        yield f"  {tensor.description}"
    content = None if tensor.content is None else tensor.content.content_properties
    if content is not None:
        yield f"  {_described(content)}"
    for unit in tensor.process_units:
        if unit.options is not None:
            yield f"  {_described(unit.options)}"
    if tensor.stats is not None and (tensor.stats.min or tensor.stats.max):
        low, high = (", ".join(map(str, part)) for part in (tensor.stats.min, tensor.stats.max))
        yield f"  from {low} to {high}"
    for file in tensor.associated_files:
        yield f"  {file.type.name.lower()} in {file.name}{_first_labels(model, file)}"


def _first_labels(model: Model, file: metadata.AssociatedFile) -> str:
    if "LABELS" not in file.type.name or file.name not in model.files:
        return ""
    lines = model.files[file.name].decode("utf-8", "replace").splitlines()
    more = ", ..." if len(lines) > _SHOWN else ""
    return f": {len(lines)}, {', '.join(lines[:_SHOWN])}{more}"


def _described(value: object) -> str:
    """`image_properties color_space=rgb`: a table and what is set in it."""
    fields = {name: getattr(value, name) for name in value.__match_args__}  # type: ignore[attr-defined]
    words = [f"{name}={_word(field)}" for name, field in fields.items() if field not in (None, ())]
    return " ".join([type(value).__name__, *words])


def _word(value: object) -> str:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, tuple):
        return ",".join(_word(item) for item in value)
    return getattr(value, "name", None) or str(value)


def _plain(value: object) -> object:
    """Values as JSON has them; a table names itself where it is one of several kinds."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    names = getattr(type(value), "__match_args__", None)
    if names is None:
        return value
    fields = {name: _plain(getattr(value, name)) for name in names}
    shown = {name: field for name, field in fields.items() if field not in (None, "", [])}
    return {"table": type(value).__name__, **shown}
