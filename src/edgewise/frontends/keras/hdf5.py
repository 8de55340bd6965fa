"""HDF5 through h5py, for files nobody vouches for: hard links only, bounded objects and sizes.

Arrays must lie in the file itself (no external, soft or virtual ones), use only filters that HDF5
brings, and take no more memory than the stored bytes can expand to. h5py calls libhdf5 in this
process: for structures we do not see, its own checks are the last line.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import h5py
import ml_dtypes
import numpy as np
from h5py import h5a, h5o
from h5py.h5d import DatasetID
from h5py.h5g import GroupID

from edgewise.errors import EdgewiseError, FormatError
from edgewise.frontends.keras.attributes import Attributes
from edgewise.frontends.keras.structure import check_heaps, check_object, root_header

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_OBJECTS = 100_000
MAX_DEPTH = 64
MAX_EXPANSION = 1100  # deflate expands at most 1032 times
_BFLOAT16 = np.dtype("V2")  # how h5py sees it; Keras writes no other opaque type
_FILTERS = frozenset(
    (
        h5py.h5z.FILTER_DEFLATE,
        h5py.h5z.FILTER_SHUFFLE,
        h5py.h5z.FILTER_FLETCHER32,
        h5py.h5z.FILTER_LZF,
    )
)


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Any error of h5py becomes a FormatError: damaged files raise nearly every built-in type."""
    try:
        yield
    except EdgewiseError:
        raise
    except Exception as error:
        text = str(error).strip("'\"")[:200]
        raise FormatError(
            f"{what} cannot be read from the HDF5 data ({text}). Copy or save it again."
        ) from error


def _kind(node: object) -> str:
    return "nothing" if node is None else "a group" if isinstance(node, GroupID) else "an array"


class Hdf5:
    """A read-only HDF5 file in memory. Paths are `a/b/c` from the root; "" is the root.

    Works on h5py's low-level identifiers: half the time of its Group and Dataset on small arrays.
    """

    def __init__(self, data: bytes) -> None:
        """Opens `data`. Raises FormatError if it is not a whole HDF5 file."""
        self._data, self._read, self._seen = data, 0, 0
        check_heaps(data)
        self._headers = {"": root_header(data)}
        check_object(data, self._headers[""])
        with _reading("the file's root"):
            self._file = h5py.File(io.BytesIO(data), "r")
            root = h5o.open(self._file.id, b"/")
        self._places = set(self._headers.values())
        self._attributes = Attributes(data)
        self._nodes: dict[str, object] = {"": root}
        self._members: dict[str, frozenset[str]] = {}

    def close(self) -> None:
        """Releases the file; arrays that were read stay valid."""
        self._nodes.clear()
        with _reading("the end"):
            self._file.close()

    def text(self, path: str, name: str) -> str | None:
        """A string attribute; None if there is no such attribute."""
        with _reading(f"attribute '{name}' of '{path or '/'}'"):
            found = self._strings(path, name)
            return found[0] if found else None

    def texts(self, path: str, name: str) -> list[str]:
        """A list of strings in one attribute, or in several called `name0`, `name1`, ..."""
        with _reading(f"attribute '{name}' of '{path or '/'}'"):
            whole = self._strings(path, name)
            if whole is not None:
                return whole
            found: list[str] = []
            for i in count():
                chunk = self._strings(path, f"{name}{i}")
                if chunk is None:
                    break
                found += chunk
            return found

    def is_group(self, path: str) -> bool:
        """There is a group at `path`."""
        with _reading(f"'{path}'"):
            return isinstance(self._node(path), GroupID)

    def keys(self, path: str) -> list[str]:
        """Names in a group, sorted; none if there is no such group."""
        with _reading(f"group '{path or '/'}'"):
            return sorted(self._names(path))

    def arrays(self, path: str) -> list[str]:
        """Paths of all arrays below group `path`, depth first."""
        found: list[str] = []
        stack = [(name, path) for name in reversed(self.keys(path))]
        while stack:
            name, parent = stack.pop()
            full = f"{parent}/{name}" if parent else name
            if full.count("/") > MAX_DEPTH:
                raise FormatError(f"groups may be {MAX_DEPTH} deep; '{full[:80]}...' is deeper")
            if self.is_group(full):
                stack.extend((child, full) for child in reversed(self.keys(full)))
            else:
                found.append(full)
        return found

    def array(self, path: str) -> np.ndarray:
        """The array at `path`: any shape, bool, integer, float or bfloat16, in native byte order.

        Raises:
            FormatError: not an array, not numeric, outside the file, or too large for its bytes.
        """
        with _reading(f"array '{path}'"):
            dataset = self._node(path)
            if not isinstance(dataset, DatasetID):
                raise FormatError(f"'{path}' must be an array; found {_kind(dataset)}")
            dtype = dataset.dtype
            if dtype.kind not in "biuf" and dtype != _BFLOAT16:
                raise FormatError(f"array '{path}' must be numeric; found dtype {dtype}")
            self._check_storage(path, dataset)
            value = np.empty(dataset.shape, dtype)
            if value.size:
                dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, value)
        if dtype == _BFLOAT16:
            value = value.view(ml_dtypes.bfloat16)
        value = value.astype(value.dtype.newbyteorder("="), copy=False)
        value.flags.writeable = False
        return value

    def _group(self, path: str) -> GroupID:
        node = self._node(path)
        if not isinstance(node, GroupID):
            raise FormatError(f"'{path}' must be a group; found {_kind(node)}")
        return node

    def _node(self, path: str) -> object:
        """The group or array at `path`, opened once; None if there is none."""
        if path in self._nodes:
            return self._nodes[path]
        parent, _, name = path.rpartition("/")
        found = None
        if name in self._names(parent):
            group = self._group(parent)
            link = group.links.get_info(name.encode())
            if link.type != h5py.h5l.TYPE_HARD:
                raise FormatError(f"'{path}' must be stored in place; found a link elsewhere")
            if link.u in self._places:
                raise FormatError(f"'{path}' must be stored once; it is linked twice")
            self._places.add(link.u)
            check_object(self._data, link.u)
            self._headers[path] = link.u
            found = h5o.open(group, name.encode())
        self._nodes[path] = found
        return found

    def _names(self, path: str) -> frozenset[str]:
        if path not in self._members:
            node = self._node(path)
            members = node if isinstance(node, GroupID) else ()
            self._seen += len(members)
            if self._seen > MAX_OBJECTS:
                raise FormatError(f"a model file may have {MAX_OBJECTS} groups and arrays")
            names = frozenset(name.decode() for name in members)
            if any(name in ("", ".") or "/" in name for name in names):
                raise FormatError(f"names in group '{path or '/'}' must be one step of a path")
            self._members[path] = names
        return self._members[path]

    def _strings(self, path: str, name: str) -> list[str] | None:
        """The strings of an attribute; None if there is no such attribute."""
        group = self._group(path)
        found = self._attributes.texts(self._headers[path], name)
        if found is None and h5a.exists(group, name.encode()):
            raise FormatError(f"attribute '{name}' must be in the header, as Keras writes it")
        return found

    def _check_storage(self, path: str, dataset: DatasetID) -> None:
        properties = dataset.get_create_plist()
        layout = properties.get_layout()
        if layout == h5py.h5d.VIRTUAL or properties.get_external_count():
            raise FormatError(f"array '{path}' must be stored in place; it points to other files")
        filters = {properties.get_filter(i)[0] for i in range(properties.get_nfilters())}
        if not filters <= _FILTERS:
            raise FormatError(f"array '{path}' must use HDF5's own filters; found {filters}")
        declared = math.prod(dataset.shape) * dataset.dtype.itemsize
        stored = dataset.get_storage_size()
        self._read += stored
        limit = stored * (MAX_EXPANSION if filters else 1)
        if layout == h5py.h5d.CHUNKED and stored:
            limit += 1 << 20  # chunks that hold only the fill value are not stored
        if declared > limit or self._read > len(self._data):
            raise FormatError(f"array '{path}' declares {declared} bytes but stores {stored}")
