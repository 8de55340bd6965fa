"""The plan cache: what was planned for a file once is mapped when it is loaded again.

A folder of entries, each written to a temporary file and renamed, mapped read-only, and removed
when all together take more than `max_bytes`, the longest unused first. An entry's name is a hash
of everything its content depends on: the model's bytes, the target, the shapes, and this package
(version, and size and time of every file that plans or runs). A damaged entry is noticed by its
checksum, removed and made anew; a folder that cannot be written only costs the time to plan.

An entry: MAGIC, bytes of the JSON u64, checksum of the JSON u64, JSON, then every array at a
multiple of 64. The JSON says where, and their checksums.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np

from edgewise.files import OpenFile
from edgewise.hashing import hash_of
from edgewise.log import log
from edgewise.runtime.digest import Digest
from edgewise.runtime.library import library, structures
from edgewise.runtime.stored import Arrays, Json

MAX_BYTES = 1 << 30
MAGIC = b"EWCACHE1"
HEADER = struct.Struct("<8sQQ")
ALIGNMENT = 64  # of arrays: a vector, a cache line
SUFFIX = ".entry"
_LARGE_BYTES = 1 << 20  # a smaller file is hashed in less time than an entry is read
# Kinds of keys whose entries say something of a file: they depend on no version of this package.
_OF_FILES = ("file", "known")
_SAMPLE, _PLACES = 4096, 256  # bytes at each end of a model, and between, by which it may be known
_SETTLED_S = 2.0
_HEAD_START_S = 0.005
_FRESH_S = 3600  # an entry's time of use is not written more often
# files that decide what a plan holds: these folders of the package, and the library
_FOLDERS = ("runtime", "runtime/select", "passes", "ops", "ir", "format", "kernels")

# threads that write entries, by the file they make
_writers: dict[str, threading.Thread] = {}


def default_folder() -> str:
    """`edgewise` in the user's folder for caches (XDG Base Directory Specification 0.8)."""
    given = os.environ.get("XDG_CACHE_HOME") or ""
    # a relative path is to be ignored, says the specification
    base = given if os.path.isabs(given) else os.path.expanduser("~/.cache")
    # from the root: who has no home can make no folder there, and keeps nothing
    return os.path.join(os.sep, base, "edgewise")


@cache
def fingerprint() -> str:
    """What changes when this package does."""
    package = os.path.dirname(os.path.dirname(__file__))
    with open(os.path.join(package, "__init__.py"), encoding="utf-8") as file:
        found = [file.read()]  # has the version
    for folder in _FOLDERS:
        with os.scandir(os.path.join(package, folder)) as files:
            for entry in sorted(files, key=lambda f: f.name):
                if entry.is_file():
                    stat = entry.stat()
                    found.append(f"{folder}/{entry.name} {stat.st_size} {stat.st_mtime_ns}")
    return hash_of("\n".join(found).encode()).hex()


def mark_of(data: bytes | memoryview) -> tuple[object, ...]:
    """The key of the entry that says that something is stored for these bytes, or for others of the
    same size that are alike where this looks."""
    between = bytes(data[:: max(len(data) // _PLACES, 1)])
    sample = b"".join((data[:_SAMPLE], between, data[-_SAMPLE:]))
    return ("known", len(data), hash_of(sample).hex())


def finish_writing() -> None:
    """Wait for all entries that are being written in this process."""
    for path in list(_writers):
        writer = _writers.pop(path, None)
        if writer is not None:
            writer.join()


class Cache:
    """Entries in a folder, by key."""

    def __init__(self, folder: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> None:
        self.folder, self.max_bytes = os.fspath(folder), max_bytes

    def path(self, key: object) -> str:
        """The file of a key, which is anything that a `repr` tells apart."""
        is_of_file = isinstance(key, tuple) and key[0] in _OF_FILES
        version = "" if is_of_file else fingerprint()
        name = hash_of(f"{version}\n{key!r}".encode()).hex()
        return os.path.join(self.folder, f"{name}{SUFFIX}")

    def get(self, key: object) -> tuple[Json, Arrays] | None:
        """What is stored under a key; the arrays are read-only views of the mapped file."""
        path = self.path(key)
        writer = _writers.pop(path, None)
        if writer is not None:
            writer.join()
        try:
            with open(path, "rb") as file:
                body = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                stat = os.fstat(file.fileno())
        except (OSError, ValueError):  # an empty file cannot be mapped
            return None
        try:
            found = _decode(np.frombuffer(body, np.uint8))
        except (ValueError, KeyError, TypeError, struct.error) as problem:
            log().info("cache entry %s is damaged and made anew: %s", path, problem)
            self._remove(path)
            return None
        if time.time() - stat.st_mtime > _FRESH_S:
            with suppress(OSError):
                os.utime(path)
        return found

    def put(self, key: object, fields: Json, arrays: Arrays) -> None:
        """Store under a key; what cannot be written is not stored."""
        path = self.path(key)
        # not by the module tempfile, whose import takes as long as planning a small network
        temporary = f"{path.removesuffix(SUFFIX)}.{os.urandom(8).hex()}"
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            with open(temporary, "xb") as file:
                file.writelines(_encode(fields, arrays))
            os.replace(temporary, path)
            self._shrink()
        except OSError as error:
            self._remove(temporary)
            log().info("nothing is cached in %s: %s", self.folder, error)

    def soon(self, key: object, write: Callable[[], None]) -> None:
        """Call `write`, which makes entries, by a thread, for which `get` of this key and the end
        of the process wait."""
        path = self.path(key)
        before = _writers.get(path)

        def work() -> None:
            # the caller goes on first, also where both share one core
            time.sleep(_HEAD_START_S)
            try:
                if before is not None:
                    before.join()
                write()
            finally:
                if _writers.get(path) is writer:
                    _writers.pop(path, None)

        writer = threading.Thread(target=work)
        try:
            # known once it has begun: nobody can wait for a thread before. It sleeps first, so
            # that it is known before it ends.
            writer.start()
        except RuntimeError:  # no more threads, or the process ends
            write()
            return
        _writers[path] = writer

    def forget(self, key: object) -> None:
        """Remove what is stored under a key."""
        self._remove(self.path(key))

    def digest(self, file: OpenFile) -> tuple[Digest, memoryview | None]:
        """Of a file, and its bytes where they were read for it: a large file that was hashed
        before and has since kept its place, size and times is not. Raises OSError."""
        stat = file.stat()
        if stat.st_size < _LARGE_BYTES:
            data = file.read()
            return self.digest_of(data), data
        place = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        known = self.get(("file", place))
        if known is not None:
            return Digest(str(known[0]["digest"])), None
        # a file that was written just now may change again within the clock's resolution
        is_settled = time.time() - max(stat.st_mtime, stat.st_ctime) > _SETTLED_S
        data = file.read()
        return self.digest_of(data, ("file", place) if is_settled else None), data

    def digest_of(self, data: bytes | memoryview, place: object = None) -> Digest:
        """Of a model's bytes. Those of which nothing can be here are hashed when something is to
        be: a first start does not wait for it (2 ms of 4 MB). It is then stored under `place`."""
        mark = mark_of(data)

        def note(digest: str) -> None:
            self.put(mark, {}, {})
            if place is not None:
                self.put(place, {"digest": digest}, {})

        digest = Digest.of(data, mark, note)
        if self.get(mark) is not None:
            str(digest)
        return digest

    def _shrink(self) -> None:
        with os.scandir(self.folder) as files:
            shrink(files, SUFFIX, self.max_bytes)

    def _remove(self, path: str) -> None:
        with suppress(OSError):
            os.unlink(path)


def shrink(files: Iterable[os.DirEntry[str]], suffix: str, max_bytes: int) -> None:
    """Remove the files that were not used for longest, until those with this suffix take at most
    `max_bytes`; and what a killed process left."""
    entries = []
    for file in files:
        with suppress(OSError):  # another process removed it
            stat = file.stat()
            is_entry = file.name.endswith(suffix)
            if is_entry:
                entries.append((stat.st_mtime_ns, stat.st_size, file.path))
            elif time.time() - stat.st_mtime > _FRESH_S:
                os.unlink(file.path)
    total = sum(size for _, size, _ in entries)
    for _, size, name in sorted(entries):
        if total <= max_bytes:
            return
        with suppress(OSError):
            os.unlink(name)
        total -= size


def touch(path: str | os.PathLike[str]) -> None:
    """Note that a kept file was used; not more often than once an hour."""
    with suppress(OSError):
        if time.time() - os.stat(path).st_mtime > _FRESH_S:
            os.utime(path)


def _encode(fields: Json, arrays: Arrays) -> Iterator[bytes | memoryview]:
    flat = {n: np.ascontiguousarray(a).reshape(-1).view(np.uint8) for n, a in arrays.items()}
    places, offset = {}, 0
    for name, array in flat.items():
        places[name] = [offset, array.size, f"{_checksum(array):x}"]
        offset += _aligned(array.size)
    text = json.dumps({"fields": fields, "arrays": places}).encode()
    head = HEADER.pack(MAGIC, len(text), _checksum(np.frombuffer(text, np.uint8))) + text
    yield head.ljust(_aligned(len(head)), b"\0")
    for array in flat.values():
        yield array.data
        yield bytes(_aligned(array.size) - array.size)


def _decode(data: np.ndarray) -> tuple[Json, Arrays]:
    """Raises ValueError and its like for bytes that `_encode` did not make."""
    magic, length, checksum = HEADER.unpack_from(data.data)
    end = HEADER.size + length
    text = data[HEADER.size : end]
    if magic != MAGIC or text.size != length or _checksum(text) != checksum:
        raise ValueError("the head is not what was written")
    head: dict[str, Any] = json.loads(text.tobytes())
    start, arrays = _aligned(end), {}
    for name, (offset, size, wanted) in head["arrays"].items():
        array = arrays[name] = data[start + offset : start + offset + size]
        if array.size != size or f"{_checksum(array):x}" != wanted:
            raise ValueError(f"array {name!r} is not what was written")
    return head["fields"], arrays


def _checksum(array: np.ndarray) -> int:
    return int(library().ew_checksum(structures().from_buffer("uint8_t[]", array), array.size))


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
