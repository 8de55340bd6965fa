"""Files from the network, once: into the user's folder for caches, checked, resumed where a
download broke off, and without a network where they are there.

A file is written as `NAME.part`, and renamed when it is whole and its checksum is right. Where its
publisher tells none, the SHA-256 of what came is kept beside it (`NAME.sha256`), so that damage is
noticed later. Only https is spoken (http to this machine, for tests), also after redirections.
"""

from __future__ import annotations

import hashlib
import http.client
import os
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from edgewise.errors import FormatError, InputError, OutputError
from edgewise.runtime.cache import default_folder
from edgewise.values import dataclass

Progress = Callable[[int, int], None]

MAX_BYTES = 1 << 30  # of a file of weights; the largest here has 103 MB
_TIMEOUT_S = 30
_PIECE = 1 << 16
_LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the publisher tells of a file: SHA-256 or MD5 in hexadecimal; "": nothing."""

    sha256: str = ""
    md5: str = ""

    def holds(self, path: Path) -> bool:
        """The file is the one that was published, as far as is told."""
        for kind in ("sha256", "md5"):
            told = getattr(self, kind)
            if told and _digest(path, kind) != told:
                return False
        return True

    def __bool__(self) -> bool:
        return bool(self.sha256 or self.md5)

    def __str__(self) -> str:
        if self.sha256:
            return f"SHA-256 {self.sha256}"
        return f"MD5 {self.md5}" if self.md5 else "no checksum is published"


def cached(url: str, folder: Path | None = None) -> Path:
    """Where the file of a URL is, or would be."""
    return (folder or Path(default_folder(), "zoo")) / Path(urlsplit(url).path).name


def fetch(
    url: str,
    told: Checksum,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    max_bytes: int = MAX_BYTES,
) -> Path:
    """The file of a URL, from the cache or the network.

    Args:
        progress: called with (bytes here, bytes in all, or 0 where nobody knows).

    Raises:
        InputError: no network, no such file, or the connection broke (what came is kept).
        FormatError: it is not the file that was published; it is removed.
        OutputError: the folder cannot be written.
    """
    target = cached(url, folder)
    note = target.with_name(f"{target.name}.sha256")
    if target.is_file():
        known = told or Checksum(sha256=note.read_text().strip() if note.is_file() else "")
        if known.holds(target):
            return target
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _download(url, part, progress, max_bytes)
        if not told.holds(part):
            part.unlink()
            raise FormatError(
                f"what {url} gave is not the file that was published (its checksum differs); it "
                f"was removed. Try again, or {_give(told)}",
                file=str(target),
            )
        if not told:
            note.write_text(f"{_digest(part, 'sha256')}\n")
        part.replace(target)
    except HTTPError as error:
        raise InputError(f"{url}: {error.code} {error.reason}. {_way_out(told)}") from error
    except (URLError, TimeoutError, http.client.HTTPException, ConnectionError) as error:
        reason = getattr(error, "reason", "") or error
        raise InputError(f"{url}: cannot be downloaded: {reason}. {_way_out(told)}") from error
    except _Ended as error:
        raise InputError(f"{url}: {error}. {_way_out(told)}") from error
    except (FormatError, InputError):
        raise
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
    return target


class _Ended(Exception):
    """The server closed before all was there."""


def _way_out(told: Checksum) -> str:
    return f"What came is kept; run it again to go on, or {_give(told)}"


def _give(told: Checksum) -> str:
    return f"give the file ({told}): --from FILE, of train --weights FILE"


def _download(url: str, part: Path, progress: Progress | None, max_bytes: int) -> None:
    """Append to `part` what is missing of it."""
    have = part.stat().st_size if part.is_file() else 0
    request = Request(_allowed(url), headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = _opener().open(request, timeout=_TIMEOUT_S)
    except HTTPError as error:
        if error.code != 416 or not have:
            raise
        error.close()
        part.unlink()  # longer than the file, or whole: its checksum was wrong
        response = _opener().open(Request(url), timeout=_TIMEOUT_S)
        have = 0
    with response:
        starts = (response.headers.get("Content-Range") or "").removeprefix("bytes ")
        is_rest = response.status == 206 and starts.split("-")[0] == str(have)
        have = have if is_rest else 0
        length = int(response.headers.get("Content-Length") or 0)
        total = have + length if length else 0
        if max(total, have) > max_bytes:
            raise InputError(f"{url}: a file has {max_bytes} bytes at most; this one has {total}")
        with part.open("ab" if is_rest else "wb") as stream:
            while piece := response.read(_PIECE):
                have += stream.write(piece)
                if have > max_bytes:
                    raise InputError(f"{url}: a file has {max_bytes} bytes at most; this has more")
                if progress is not None:
                    progress(have, total)
            stream.flush()
            os.fsync(stream.fileno())
    if have < total:
        raise _Ended(f"the download ended after {have} of {total} bytes")


class _Redirections(HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        return super().redirect_request(req, fp, code, msg, headers, _allowed(newurl))


def _opener() -> OpenerDirector:
    return build_opener(_Redirections)


def _allowed(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise InputError(f"{url}: weights are fetched by https only")
    return url


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()
