"""Files that travel with a model: a ZIP archive behind the FlatBuffer, as TFLite Metadata has it.

Readers of FlatBuffers look at the front of a file, readers of archives at its end, so one file is
both; the archive's offsets count from the front of the file. Files are stored uncompressed, which
Android's task library demands.

What is read is bounded, whatever the archive claims. One that cannot be read as a whole is left
out with a notice: the model is as good without it.

**Source:** APPNOTE.TXT 6.3.10 (ZIP); the TFLite Metadata guide, "Read the associated files".
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgewise.log import log

if TYPE_CHECKING:
    import zipfile

MAX_FILES = 1024
MAX_BYTES = 64 << 20  # of all files of a model, unpacked

_END = b"PK\5\6"  # begins the record at the end of an archive ...
_END_BYTES = 22 + 0xFFFF  # ... which has at most a comment of 64 KiB

_METHODS = {0, 8}  # stored, deflated


def read_files(data: bytes | memoryview, file: str) -> dict[str, bytes]:
    """The files behind a model; none where there is no archive, or it is not sound."""
    if _END not in bytes(data[-_END_BYTES:]):
        return {}
    import struct  # few models have one
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check(entries)
            # reading stops at the size that was checked, whatever the data unpacks to
            return {entry.filename: archive.read(entry) for entry in entries}
    except (
        zipfile.BadZipFile,
        struct.error,
        zlib.error,
        EOFError,
        LookupError,
        NotImplementedError,
        OSError,
        RuntimeError,  # encrypted
        ValueError,
    ) as problem:
        log().warning(
            "%s: the files behind the model are left out, and lost on writing: %s", file, problem
        )
        return {}


def _check(entries: Sequence[zipfile.ZipInfo]) -> None:
    """Raise ValueError where the archive asks for too much."""
    if len(entries) > MAX_FILES:
        raise ValueError(f"at most {MAX_FILES} files are read; the archive has {len(entries)}")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_BYTES:
        raise ValueError(f"at most {MAX_BYTES} bytes are unpacked; the archive claims {total}")
    methods = {entry.compress_type for entry in entries} - _METHODS
    if methods:
        raise ValueError(f"files are stored or deflated; the archive has method {min(methods)}")


def pack_files(files: Mapping[str, bytes], start: int) -> bytes:
    """The archive of these files that begins at byte `start` of a file."""
    import zipfile

    stream = _Behind(start)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            # one date for all: the same model is the same bytes
            archive.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()


class _Behind(io.BytesIO):
    """A stream that says it stands at byte `start` of a file."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start = start

    def tell(self) -> int:
        return super().tell() + self.start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return super().seek(offset - (self.start if whence == io.SEEK_SET else 0), whence)
