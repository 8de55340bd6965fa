"""A checkpoint (TensorBundle): tensors by key, from an index and one or several data files.

    variables.index                  table: "" -> header; key -> dtype, shape, shard, offset, CRC
    variables.data-00000-of-00002    the tensors' bytes

A tensor is read, and its checksum verified, when somebody asks for it: exports of Keras store each
variable twice. Only its bytes are read, into private memory (a mapped file that shrinks would kill
us). A partitioned variable is an entry without bytes that names slices; each lies under a key of
its own.

**Source:** tensorflow/core/util/tensor_bundle/{tensor_bundle.h,naming.cc} and
tensorflow/core/util/saved_tensor_slice_util.cc, TensorFlow 2.21.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import ConversionError, FormatError, listing
from edgewise.files import read_model_file
from edgewise.frontends.protobuf import decode
from edgewise.frontends.tensorflow.checkpoint.crc32c import crc32c, masked
from edgewise.frontends.tensorflow.checkpoint.slices import slice_key
from edgewise.frontends.tensorflow.checkpoint.table import read_table
from edgewise.frontends.tensorflow.messages_saved import (
    BundleEntryProto,
    BundleHeaderProto,
    TensorSliceProto,
)
from edgewise.frontends.tensorflow.tensors import Budget, static_shape
from edgewise.frontends.tensorflow.types import STORED_AS, element_type
from edgewise.frontends.varints import BadVarint, varints

MAX_SHARDS = 10_000


class Bundle:
    """The checkpoint whose files begin with `prefix` (`.../variables/variables`)."""

    def __init__(self, prefix: Path, folder: str = "") -> None:
        """Reads the index. Errors call its folder `folder`, by default by its name.

        Raises FormatError; ConversionError where data files are missing."""
        self._prefix, self._folder = prefix, folder or prefix.parent.name
        self.file = f"{self._folder}/{prefix.name}.index"
        table = read_table(read_model_file(f"{prefix}.index"), self.file)
        if b"" not in table:
            raise FormatError("the first key is empty and holds the header", file=self.file)
        header = decode(BundleHeaderProto, table.pop(b""), file=self.file)
        if header.endianness:
            raise FormatError("numbers must be little-endian; found big-endian", file=self.file)
        if not 0 < header.num_shards <= MAX_SHARDS:
            raise FormatError(f"has {header.num_shards} data files", file=self.file)
        self._shards = header.num_shards
        self._table = table
        self._budget = Budget(self.file)
        paths = [self._shard(number) for number in range(self._shards)]
        missing = [path.name for path in paths if not path.is_file()]
        if missing:
            raise ConversionError(
                f"{self.file}: "
                + listing(missing, f"of {self._shards} data files are missing", most=20)
                + "\nCopy them to where the index is."
            )
        # entries may overlap; those of honest checkpoints do not, and each is read once or twice
        self._left = 4096 + 8 * sum(path.stat().st_size for path in paths)

    def __contains__(self, key: str) -> bool:
        return key.encode() in self._table

    def keys(self) -> list[str]:
        """The keys of all tensors, without those of slices."""
        return [key.decode("utf-8", "replace") for key in self._table if not key.startswith(b"\0")]

    def tensor(self, key: str) -> np.ndarray:
        """The tensor, read only; elements of STRING are `bytes`.

        Raises:
            KeyError: there is none.
            FormatError: a wrong checksum, bytes that do not fit shape and type.
        """
        return self._tensor(key.encode(), key)

    def _tensor(self, key: bytes, name: str, *, is_slice: bool = False) -> np.ndarray:
        entry = decode(BundleEntryProto, self._table[key], file=self.file)
        kind = element_type(entry.dtype)
        dtype = STORED_AS.get(kind) if isinstance(kind, str) else kind
        if dtype is None or dtype in (DType.RESOURCE, DType.VARIANT):
            known = kind if isinstance(kind, str) else f"DT_{kind.name}"
            raise self._error(f"tensor '{name}' has type {known}, which is not supported")
        shape = static_shape(entry.shape, f"tensor '{name}'", self._budget)
        if entry.slices and is_slice:
            raise self._error(f"a slice of tensor '{name}' is sliced itself")
        if entry.slices:
            return self._sliced(name, entry.slices, dtype, shape)
        if dtype is DType.STRING:
            return self._strings(entry, name, shape)
        expected = math.prod(shape) * dtype.numpy.itemsize
        if entry.size != expected:
            raise self._error(
                f"tensor '{name}' ({dtype.text} {list(shape)}) has {expected} bytes;"
                f" found {entry.size}"
            )
        data = self._read(entry, name)
        self._check(masked(crc32c(data)), entry, name)
        if dtype is DType.BOOL:
            data = (data != 0).view(np.uint8)
        found = data.view(dtype.numpy.newbyteorder("<")).reshape(shape)
        found.flags.writeable = False
        return found

    def _read(self, entry: BundleEntryProto, name: str) -> np.ndarray:
        """The entry's bytes, uint8 [size]."""
        if not 0 <= entry.shard_id < self._shards:
            raise self._error(f"tensor '{name}' lies in data file {entry.shard_id}; there is none")
        path = self._shard(entry.shard_id)
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                if min(entry.offset, entry.size) < 0 or entry.offset + entry.size > size:
                    raise FormatError(
                        f"tensor '{name}' ends at byte {entry.offset + entry.size}, but the file"
                        f" has {size}; it is cut off. Copy it again.",
                        file=f"{self._folder}/{path.name}",
                    )
                self._left -= entry.size
                if self._left < 0:
                    raise self._error("tensors overlap more than those of any checkpoint")
                file.seek(entry.offset)
                return np.fromfile(file, np.uint8, entry.size)
        except OSError as error:
            raise FormatError(
                f"cannot be read: {error.strerror}", file=f"{self._folder}/{path.name}"
            ) from error

    def _check(self, found: int, entry: BundleEntryProto, name: str) -> None:
        if found != entry.crc32c:
            path = self._shard(entry.shard_id)
            raise FormatError(
                f"tensor '{name}' must have checksum {entry.crc32c:#010x}; found {found:#010x}."
                " The file is damaged: copy it again.",
                file=f"{self._folder}/{path.name}",
                offset=entry.offset,
            )

    def _strings(self, entry: BundleEntryProto, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Lengths as varints, the CRC of the lengths, then the strings one after the other."""
        count = math.prod(shape)
        data = self._read(entry, name)
        where = f"tensor '{name}' of {count} strings"
        ends = np.flatnonzero(data < 128)[:count]
        head = int(ends[-1]) + 1 if len(ends) else 0
        if len(ends) < count or head + 4 > len(data):
            raise self._error(f"{where} ends inside its lengths")
        try:
            lengths = varints(data[:head])
        except BadVarint as problem:
            raise self._error(f"{where} {problem}") from None
        stored = data[head : head + 4]
        content = data[head + 4 :]
        if int(lengths.max(initial=0)) > len(content) or int(lengths.sum()) != len(content):
            raise self._error(f"{where} has {len(content)} bytes, not those of its lengths")
        # the CRC is that of the lengths as 32-bit words, of their own CRC, and of the strings
        crc = crc32c(lengths.astype("<u4"))
        if masked(crc) != int.from_bytes(stored.tobytes(), "little"):
            raise self._error(f"the lengths of {where} have another checksum")
        self._check(masked(crc32c(content, crc32c(stored, crc))), entry, name)
        bounds = [0, *np.cumsum(lengths).tolist()]
        text = content.tobytes()
        found = np.empty(count, np.object_)
        found[:] = [text[start:end] for start, end in pairwise(bounds)]
        found.flags.writeable = False
        return found.reshape(shape)

    def _sliced(
        self, name: str, slices: Iterable[TensorSliceProto], dtype: DType, shape: tuple[int, ...]
    ) -> np.ndarray:
        """A partitioned variable, put together. The slices must cover it once."""
        stored = 0
        parts = []
        for part in slices:
            bounds, key = slice_key(name, part, shape) or ((), b"")
            if key not in self._table:
                raise self._error(f"a slice of tensor '{name}' is missing: {bounds or 'malformed'}")
            data = self._tensor(key, name, is_slice=True)
            if data.shape != tuple(end - start for start, end in bounds):
                raise self._error(f"a slice of tensor '{name}' has shape {list(data.shape)}")
            parts.append((tuple(slice(*bound) for bound in bounds), data))
            stored += data.size
        if stored != math.prod(shape):
            raise self._error(
                f"slices of tensor '{name}' have {stored} of {math.prod(shape)} elements"
            )
        found = np.empty(shape, dtype.numpy)
        seen = np.zeros(shape, np.bool_)
        for place, data in parts:
            if data.dtype != found.dtype:
                raise self._error(f"a slice of tensor '{name}' has type {data.dtype}")
            found[place], seen[place] = data, True
        if not seen.all():
            raise self._error(f"slices of tensor '{name}' overlap")
        found.flags.writeable = False
        return found

    def _shard(self, number: int) -> Path:
        name = f"{self._prefix.name}.data-{number:05d}-of-{self._shards:05d}"
        return self._prefix.with_name(name)

    def _error(self, rule: str) -> FormatError:
        return FormatError(f"{rule}; the index is damaged", file=self.file)
