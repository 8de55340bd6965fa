"""Which output of a classifier each class of a data set is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from edgewise.errors import InputError
from edgewise.values import dataclass

_WNID = re.compile(r"n\d{8}")


@dataclass(frozen=True, slots=True)
class Order:
    """Class `i` of the data is output `outputs[i]`, or `i + first` where the data has numbers
    only; `said` tells how that is known."""

    outputs: tuple[int, ...] | None
    first: int
    said: str

    def __call__(self, label: int) -> int:
        """The output of a class; -1 of one that is none."""
        if self.outputs is None:
            return label + self.first
        return self.outputs[label] if 0 <= label < len(self.outputs) else -1


@cache
def imagenet_wnids() -> tuple[str, ...]:
    """WordNet numbers of ImageNet's 1000 classes in the order of a classifier's outputs, which is
    the order of the numbers."""
    text = files("edgewise").joinpath("assets/imagenet_wnids.txt").read_text("utf-8")
    return tuple(text.split())


def imagenet_labels() -> list[str]:
    """The 1000 ImageNet classes in the order of a classifier's outputs."""
    text = files("edgewise").joinpath("assets/imagenet_labels.txt").read_text("utf-8")
    return text.splitlines()


def order_of(
    classes: Sequence[str] | None,
    count: int,
    labels: Sequence[str] | None = None,
    *,
    first: int | None = None,
) -> Order:
    """How classes map to `count` outputs.

    Names are looked up in the labels that a model has; names that are WordNet numbers (folders of
    ImageNet) in ImageNet's order; else they are taken in their own order, if there are as many as
    outputs. Of 1001 outputs for ImageNet the first is the background.

    Args:
        first: the output of class 0, where the data has numbers only or names in their own order;
            by default 1 of 1001 outputs, else 0.

    Raises:
        InputError: another number of classes than outputs.
    """
    background = int(count == 1001)
    start = background if first is None else first
    if classes is None:
        return Order(None, start, f"class 0 is output {start}")
    if labels is not None:
        by_name = {_plain(name): i for i, name in reversed(list(enumerate(labels)))}
        if all(_plain(name) in by_name for name in classes):
            found = tuple(by_name[_plain(name)] for name in classes)
            return Order(found, 0, "classes by the model's labels")
    if all(_WNID.fullmatch(name) for name in classes) and count in (1000, 1001):
        places = {wnid: i for i, wnid in enumerate(imagenet_wnids())}
        unknown = [name for name in classes if name not in places]
        if unknown:
            raise InputError(f"not among ImageNet's 1000 classes: {', '.join(unknown[:10])}")
        found = tuple(places[name] + background for name in classes)
        return Order(found, 0, "classes in ImageNet's order")
    if len(classes) + start != count:
        raise InputError(
            f"the model has {count} outputs and the data {len(classes)} classes "
            f"({', '.join(classes[:5])}{', ...' if len(classes) > 5 else ''}), whose names are not "
            "the model's labels. Give the labels in the order of the outputs"
        )
    return Order(tuple(range(start, count)), 0, "classes in alphabetical order")


def _plain(name: str) -> str:
    return name.strip().replace("_", " ").lower()
