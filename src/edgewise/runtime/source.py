"""A model that is read when it is needed: with a plan in the cache, a run needs only its interface.

A file is then hashed and stays open, not in memory: it may lose its name. When it is read after
all, it must still have the same bytes.
"""

from __future__ import annotations

import os
import threading

from edgewise.errors import FormatError
from edgewise.files import OpenFile, read_model_file
from edgewise.ir.graph import Graph
from edgewise.ir.model import Model
from edgewise.runtime.cache import Cache, default_folder
from edgewise.runtime.collecting import nothing_collected
from edgewise.runtime.digest import Digest
from edgewise.runtime.library import NotBuilt, library
from edgewise.runtime.specialize import Stored
from edgewise.runtime.stored import Json, read_interface, write_interface

CacheOption = bool | str | os.PathLike[str]


class Source:
    """A Model, the path of a `.tflite` file, or its bytes. Models have no cache: they are no bytes.

    `interface` is the model as far as it was read: its graphs have at least their inputs and
    outputs, which, `with_tensors`, know their indices and what the file declares of them
    (stored.py). `file` is the name of bytes in errors.

    Raises:
        FormatError: the file is not a model. ShapeError: the model is not well formed.
    """

    def __init__(
        self,
        model: Model | str | os.PathLike[str] | bytes,
        cache: CacheOption = False,
        file: str = "",
        *,
        with_tensors: bool = False,
    ) -> None:
        self._lock = threading.Lock()
        self._model: Model | None = None
        self._glimpse: Model | None = None  # what the cache has of it
        self._cache: Cache | None = None
        self._digest, self._name = Digest(), file
        self._file: OpenFile | None = None  # until it is read
        self._data: memoryview | None = None  # of the file, between hashing and reading it
        if isinstance(model, Model):
            self._model = model.copy()
            _recognize(self._model)
            return
        self._origin = model if isinstance(model, str | os.PathLike) else bytes(model)
        self._cache = _cache_of(cache)
        if self._cache is not None:
            try:
                origin = self._origin
                if isinstance(origin, bytes):
                    self._digest = self._cache.digest_of(origin)
                else:
                    self._file = OpenFile(origin)
                    self._digest, self._data = self._cache.digest(self._file)
            except OSError:
                self._cache = None  # reading it says what is wrong
        self._unsaved: Json | None = None  # the interface, until a plan is stored
        if self._digest.is_known:
            self._glimpse = self._find_interface(with_tensors)
        if self._glimpse is None:
            self._model = self._read()
            if self._cache is not None:
                self._unsaved = write_interface(self._model)
        self._data = None

    @property
    def is_read(self) -> bool:
        """The whole model is there."""
        return self._model is not None

    @property
    def interface(self) -> Model:
        """The model as far as it was read."""
        model = self._model or self._glimpse
        assert model is not None
        return model

    @property
    def model(self) -> Model:
        """The whole model."""
        with self._lock:
            if self._model is None:
                self._model = self._read()
            return self._model

    def graph(self, name: str) -> Graph:
        """One graph of the whole model."""
        return self.model.graphs[name]

    def stored(self, graph: str) -> Stored | None:
        """The cached plans of a graph; None where there is no cache."""
        if self._cache is None:
            return None
        return Stored(self._cache, self._digest, graph, self._save_interface)

    def _find_interface(self, with_tensors: bool) -> Model | None:
        """The interface that the cache has."""
        if self._cache is None:
            return None
        found = self._cache.get(("interface", str(self._digest)))
        try:
            return None if found is None else read_interface(found[0], with_tensors=with_tensors)
        except (LookupError, TypeError, ValueError):
            return None

    @nothing_collected()
    def _read(self) -> Model:
        # the reader brings all operators with it
        from edgewise.format import load

        origin = self._origin
        if isinstance(origin, bytes):
            model = load(origin, file=self._name)
        else:
            model = load(self._data or self._read_hashed(), file=os.fspath(origin))
        _recognize(model)
        self._file = None
        return model

    def _save_interface(self) -> None:
        """Store the interface that was read: once, and when a plan is."""
        with self._lock:
            unsaved, self._unsaved = self._unsaved, None
        if unsaved is not None and self._cache is not None:
            self._cache.put(("interface", str(self._digest)), unsaved, {})

    def _read_hashed(self) -> bytes | memoryview:
        """The bytes of the file, which must still be the one that was hashed."""
        assert not isinstance(self._origin, bytes)
        if self._cache is None or self._file is None:
            return read_model_file(self._origin)
        digest, data = self._cache.digest(self._file)
        if str(digest) != str(self._digest):
            raise FormatError(
                "has changed since the interpreter was made; make a new one",
                file=os.fspath(self._origin),
            )
        # what is no model is told by its name
        return data or self._file.read() or read_model_file(self._origin)


def _cache_of(option: CacheOption) -> Cache | None:
    """The cache that is asked for; none without the library, which knows the checksums."""
    if option is False:
        return None
    try:
        library()
        return Cache(default_folder() if option is True else option)
    except (NotBuilt, RuntimeError):  # or without a home folder
        return None


def _recognize(model: Model) -> None:
    """Find recurrent layers, which are loops; of those that stay loops, what can go before them.
    What looks for them brings all operators and passes with it: not at import, and not for a model
    without loops (a fifth of a warm start)."""
    if any(node.op.name == "while" for g in model.graphs.values() for node in g.nodes):
        from edgewise.passes.before_loops import move_products
        from edgewise.passes.recurrent import recognize_layers

        recognize_layers(model)
        move_products(model)
