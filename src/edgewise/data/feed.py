"""From items to the arrays that a model takes: cropped, scaled, normalized, shaped, quantized."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

import numpy as np
from PIL import Image

from edgewise.data.image import Pixels, centre, size, to_tensor, to_type
from edgewise.data.source import Data, Item, itself
from edgewise.dtypes import DType
from edgewise.errors import InputError, listing
from edgewise.ir.types import TensorType
from edgewise.log import log
from edgewise.runtime.workers import ordered
from edgewise.values import dataclass

Arrays = tuple[np.ndarray, ...]

_MOST_SHOWN = 5  # items that could not be read, in an error


@dataclass(frozen=True, slots=True)
class Feeder:
    """Turns items into the arrays of one model's inputs, which are in the signature's order.

    What an array means follows from its type. One of the input's own integer type goes in as it
    is. Bytes (uint8) for another input are pixels, like those of a picture, and are normalized.
    Everything else are real numbers, quantized where the input is.
    """

    inputs: Mapping[str, TensorType]
    pixels: Pixels

    def __call__(self, item: Item) -> Arrays:
        """One array for each input. Raises InputError, naming the item."""
        try:
            return self._arrays(item)
        except InputError as error:
            raise InputError(f"{item.name}: {error}") from None

    def meets_pixels(self, item: Item) -> bool:
        """Something in the item is normalized: it is a picture, or bytes that are like one."""
        given = item.inputs
        if isinstance(given, Image.Image):
            return True
        arrays = given.values() if isinstance(given, Mapping) else given
        owns = {t.dtype for t in self.inputs.values()}
        return any(
            a.dtype == np.uint8 and (self.pixels.is_given or DType.UINT8 not in owns)
            for a in arrays
        )

    def _arrays(self, item: Item) -> Arrays:
        given, types = item.inputs, self.inputs
        if isinstance(given, Image.Image):
            if len(types) != 1:
                raise InputError(f"a picture feeds one input; the model takes {', '.join(types)}")
            return (self._picture(given, next(iter(types.values()))),)
        if isinstance(given, Mapping) and set(types) <= set(given):
            arrays = [given[name] for name in types]
        else:
            arrays = list(given.values() if isinstance(given, Mapping) else given)
        if len(arrays) != len(types):
            names = f" ({', '.join(given)})" if isinstance(given, Mapping) else ""
            raise InputError(
                f"needs an array for each input: {', '.join(types)}; got {len(arrays)}{names}"
            )
        pairs = zip(arrays, types.items(), strict=True)
        return tuple(self._fit(array, name, type_) for array, (name, type_) in pairs)

    def _picture(self, image: Image.Image, type_: TensorType) -> np.ndarray:
        window = centre(image, *size(type_), self.pixels.crop)
        return to_tensor(window, type_, self.pixels.normalization)

    def _fit(self, array: np.ndarray, name: str, type_: TensorType) -> np.ndarray:
        are_own = array.dtype == type_.dtype.numpy and not type_.dtype.is_float
        are_pixels = array.dtype == np.uint8 and (not are_own or self.pixels.is_given)
        shaped = _shaped(array, type_)
        if shaped is None and are_pixels:
            return self._picture(_image(array, name, type_), type_)
        if shaped is None:
            raise InputError(f"input {name!r} takes {type_}; got {array.dtype}{list(array.shape)}")
        if are_pixels:
            return to_type(self.pixels.normalization(shaped), type_)
        if are_own:
            return shaped
        if shaped.dtype.kind not in "fiub" and shaped.dtype != type_.dtype.numpy:
            raise InputError(f"input {name!r} takes {type_.dtype.text}; got {array.dtype}")
        return to_type(shaped, type_)

    def split(self, item: Item) -> Iterator[Item]:
        """The examples of an item of a stream, which may be a batch: arrays have the rank of their
        inputs then, and more than one row."""
        given = item.inputs
        if isinstance(given, Image.Image):
            yield item
            return
        arrays = list(given.values() if isinstance(given, Mapping) else given)
        first = next(iter(self.inputs.values())).shape if self.inputs else None
        is_batch = bool(
            arrays
            and first
            and all(a.ndim and a.shape[0] == arrays[0].shape[0] for a in arrays)
            and arrays[0].ndim == len(first)
            and first[0] != arrays[0].shape[0]
        )
        if not is_batch:
            label = item.label
            yield replace(item, label=None if label is None else _number(label, item.name))
            return
        for row in range(arrays[0].shape[0]):
            inputs = (
                {name: a[row] for name, a in given.items()}
                if isinstance(given, Mapping)
                else tuple(a[row] for a in given)
            )
            label = item.label
            own = label[row] if isinstance(label, np.ndarray) and label.ndim else label
            number = None if own is None else _number(own, item.name)
            yield Item(f"{item.name}[{row}]", inputs, number)


def _number(label: int | np.ndarray, where: str) -> int:
    """A class number, from one or from a row with a single 1. Raises InputError."""
    array = np.asarray(label)
    if array.size == 1 and array.dtype.kind in "iufb" and float(array.flat[0]).is_integer():
        return int(array.flat[0])
    if array.ndim == 1 and array.sum() == 1 and array.max() == 1:
        return int(array.argmax())
    raise InputError(
        f"{where}: a label is a class number or a row with a single 1; "
        f"got {array.dtype}{list(array.shape)}"
    )


def _shaped(array: np.ndarray, type_: TensorType) -> np.ndarray | None:
    """The array in the input's shape with a batch of 1; None where it does not fit. Missing
    dimensions of 1 are added; channels that come first (torch) go to the end."""
    shape = type_.shape
    if shape is None:
        return array
    if _fits(array.shape, shape):
        return array
    single = [1 if i == 0 and not isinstance(d, int) else d for i, d in enumerate(shape)]
    known = [d for d in single if d != 1]
    real = [d for d in array.shape if d != 1]
    if len(known) == len(real) and _fits(real, known):
        sizes = iter(real)
        return array.reshape([1 if d == 1 else next(sizes) for d in single])
    if array.ndim in (3, 4) and len(shape) == 4:
        moved = np.moveaxis(array, -3, -1)
        moved = moved[None] if moved.ndim == 3 else moved
        if _fits(moved.shape, single):
            _tell_once()
            return np.ascontiguousarray(moved)
    return None


def _fits(have: Sequence[int], want: Sequence[object]) -> bool:
    return len(have) == len(want) and all(
        not isinstance(w, int) or w == h for h, w in zip(have, want, strict=True)
    )


@cache
def _tell_once() -> None:
    log().warning("pictures [channels, height, width] are turned to [height, width, channels]")


def _image(array: np.ndarray, name: str, type_: TensorType) -> Image.Image:
    """Pixels of another size than the input's. Raises InputError."""
    pixels = array[0] if array.ndim == 4 and array.shape[0] == 1 else array
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3):
        return Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    raise InputError(f"input {name!r} takes {type_}; got {array.dtype}{list(array.shape)}")


@dataclass(frozen=True, slots=True)
class Sample:
    """An example ready to run: for each feeder its arrays. Of data that knows its size, `get` gives
    the item at `place` again. `are_pixels`: it was normalized."""

    name: str
    label: int | None
    feeds: tuple[Arrays, ...]
    place: int = 0
    are_pixels: bool = False


def samples(
    data: Data,
    feeders: Sequence[Feeder],
    *,
    limit: int | None = None,
    skipped: list[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> Iterator[Sample]:
    """The examples of `data` in order, made on all cores, a few ahead.

    Args:
        limit: at most so many, evenly apart where the data knows how many it has.
        skipped: gets a sentence for each item that cannot be read; without it, they are logged.
        progress: called with (samples given, samples in all, or 0 where nobody knows).

    Raises:
        InputError: items that do not fit the model's inputs; or none that can be read.
    """
    total = data.count(limit) or 0
    unread: list[str] = []

    def make(numbered: tuple[int, Callable[[], Item]]) -> Sample | str:
        number, job = numbered
        try:
            item = job()
        except InputError as error:
            return str(error)
        label = item.label
        assert label is None or isinstance(label, int)
        place = data.place(number, limit)
        are_pixels = any(feeder.meets_pixels(item) for feeder in feeders)
        feeds = tuple(feeder(item) for feeder in feeders)
        return Sample(item.name, label, feeds, place, are_pixels)

    given = 0
    for made in ordered(make, enumerate(_single(data, feeders, limit)), workers):
        if isinstance(made, str):
            unread.append(made)
            if skipped is None:
                log().warning("skipped: %s", made)
            else:
                skipped.append(made)
        else:
            given += 1
            yield made
        if progress is not None:
            progress(given + len(unread), total)
    if not given:
        found = listing(unread, "items cannot be read", most=_MOST_SHOWN)
        raise InputError(f"{data.name}: holds no examples" + (f"; {found}" if unread else ""))


def _single(
    data: Data, feeders: Sequence[Feeder], limit: int | None
) -> Iterator[Callable[[], Item]]:
    """Jobs of one example each."""
    if data.size is not None or not feeders:
        yield from data.jobs(limit)
        return
    count = 0
    for job in data.jobs():
        for item in feeders[0].split(job()):
            if limit is not None and count >= limit:
                return
            count += 1
            yield partial(itself, item)
