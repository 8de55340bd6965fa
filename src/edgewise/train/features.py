"""What a frozen network makes of pictures: computed by the native runtime on all cores, and kept.

The features of a picture's views are one file, named by the picture's contents, in a folder named
by all else they depend on: the network's bytes, the size, normalization and crop of its input, how
many views there are and how they are drawn. A file that is damaged, or of another shape, is made
anew; a folder that cannot be written costs only the time. All of them together take MAX_BYTES at
most: the longest unused go first. Who wants them gone removes the folder.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np

from edgewise.data import Data, Pixels
from edgewise.data.image import size, to_tensor
from edgewise.data.split import content
from edgewise.errors import InputError, listing
from edgewise.ir.model import Model
from edgewise.ir.text import print_model
from edgewise.log import log
from edgewise.runtime.cache import default_folder, shrink, touch
from edgewise.runtime.interpreter import Interpreter
from edgewise.runtime.workers import cores, ordered
from edgewise.train import views
from edgewise.values import dataclass

MAX_BYTES = 4 << 30  # 200,000 pictures in 4 views by MobileNetV2
_SUFFIX = ".npy"

_MOST_SHOWN = 5
_READ_ERRORS = (OSError, ValueError, EOFError)


@dataclass(frozen=True, slots=True)
class Features:
    """`x` float32 [N, K, ...]: of each picture K views; `y` int64 [N]: its class."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, slots=True)
class Extractor:
    """A network with one picture in and one array out, and how pictures become its input."""

    network: Model
    pixels: Pixels
    views: int = 1
    folder: Path | None = None  # where features are kept; None: in the user's folder for caches

    def __call__(
        self,
        data: Data,
        *,
        skipped: list[str] | None = None,
        progress: Callable[[int, int], None] | None = None,
        workers: int | None = None,
    ) -> Features:
        """The features of all pictures that can be read; the others are told in `skipped`.

        Raises:
            InputError: pictures without classes, or none that can be read.
        """
        if data.size is None or data.get is None:
            raise InputError(f"{data.name}: gives examples one by one; give a folder of pictures")
        count = cores() if workers is None else workers
        work = _Work(self, data)
        rows: list[np.ndarray] = []
        labels: list[int] = []
        unread: list[str] = []
        for done, found in enumerate(ordered(work.row, range(data.size), count), 1):
            if isinstance(found, str):
                unread.append(found)
                log().warning("skipped: %s", found)
            else:
                label, row = found
                rows.append(row)
                labels.append(label)
            if progress is not None:
                progress(done, data.size)
        work.shrink()
        if skipped is not None:
            skipped += unread
        if not rows:
            told = listing(unread, "pictures cannot be read", most=_MOST_SHOWN) if unread else ""
            raise InputError(f"{data.name}: holds no pictures{told and f'; {told}'}")
        return Features(np.stack(rows), np.array(labels, np.int64))


class _Work:
    """One pass over the pictures: interpreters, one a worker, and the folder."""

    def __init__(self, extractor: Extractor, data: Data) -> None:
        self.own, self.data = extractor, data
        graph = extractor.network.main
        self.type = graph.inputs[0].type
        self.size = size(self.type)
        own = [extent for extent in graph.outputs[0].shape[1:] if isinstance(extent, int)]
        self.shape = (extractor.views, *own)
        self.base = extractor.folder or Path(default_folder(), "features")
        self.folder: Path | None = self.base / _key(extractor)
        self.free: SimpleQueue[Interpreter] = SimpleQueue()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._give_up(error)

    def row(self, place: int) -> tuple[int, np.ndarray] | str:
        """(class, float32 [K, ...]) of a picture, or why it cannot be read."""
        data = self.data
        assert data.get is not None
        try:
            digest = None if data.digest is None else data.digest(place)
            label = None if data.labels is None else data.labels[place]
            kept = None if digest is None or label is None else self._kept(digest)
            if kept is not None and label is not None:
                return label, kept
            item = data.get(place)
            if not isinstance(item.label, int):
                raise InputError(f"{data.name}: {item.name} has no class; give a folder for each")
            if not hasattr(item.inputs, "resize"):
                raise InputError(f"{item.name}: training needs pictures; got arrays")
            digest = digest or content(item)
            kept = self._kept(digest)
            if kept is None:
                kept = self._computed(item.inputs, digest)
                self._keep(digest, kept)
            return item.label, kept
        except InputError as error:
            return str(error)

    def _computed(self, image: object, digest: bytes) -> np.ndarray:
        own = self.own
        try:
            network = self.free.get_nowait()
        except Empty:
            network = Interpreter(own.network)
        try:
            made = np.empty(self.shape, np.float32)
            for number in range(own.views):
                pixels = views.view(image, digest, number, self.size, own.pixels.crop)  # type: ignore[arg-type]
                outputs = network(to_tensor(pixels, self.type, own.pixels.normalization))
                made[number] = next(iter(outputs.values()))[0]
            return made
        finally:
            self.free.put(network)

    def _kept(self, digest: bytes) -> np.ndarray | None:
        if self.folder is None:
            return None
        path = self.folder / f"{digest.hex()}{_SUFFIX}"
        try:
            found: np.ndarray = np.load(path, allow_pickle=False)
        except _READ_ERRORS:
            return None
        touch(path)
        return found if found.shape == self.shape and found.dtype == np.float32 else None

    def _keep(self, digest: bytes, row: np.ndarray) -> None:
        """Renamed into place, so that a kill leaves no half of a file. Not synchronised: after a
        power cut a file may be empty, and is made anew."""
        if self.folder is None:
            return
        temporary: Path | None = None
        try:
            with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".", delete=False) as stream:
                temporary = Path(stream.name)
                np.save(stream, row)
            temporary.replace(self.folder / f"{digest.hex()}{_SUFFIX}")
        except OSError as error:
            self._give_up(error)
            if temporary is not None:
                with suppress(OSError):
                    temporary.unlink()

    def shrink(self) -> None:
        """Keep all that is kept, of this network and of others, below MAX_BYTES."""
        with suppress(OSError):
            folders = [path for path in self.base.iterdir() if path.is_dir()]
            shrink(chain.from_iterable(map(os.scandir, folders)), _SUFFIX, MAX_BYTES)

    def _give_up(self, error: OSError) -> None:
        if self.folder is not None:
            log().warning("%s: features are not kept: %s", self.folder, error.strerror or error)
        self.folder = None


def _key(own: Extractor) -> str:
    """What features depend on besides the picture."""
    digest = hashlib.sha256(print_model(own.network, elide=True).encode())
    said = (views.VERSION, own.views, own.pixels.crop, str(own.pixels.normalization))
    digest.update(repr(said).encode())
    return digest.hexdigest()[:32]
