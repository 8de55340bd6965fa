"""Downloads, from a server on this machine that misbehaves as servers do."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from edgewise.errors import FormatError, InputError, OutputError
from edgewise.zoo.download import Checksum, cached, fetch

BODY = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Gives BODY; `cut`: closes after so many bytes; `ranges`: knows the Range header."""

    cut: int | None = None
    ranges = True
    told_length = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/files/weights.h5"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://example.org/weights.h5")
            self.end_headers()
            return
        if self.path != "/files/weights.h5":
            self.send_error(404)
            return
        start = (
            int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        )
        if start >= len(BODY):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        if self.server.told_length:
            self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        end = len(BODY) if self.server.cut is None else min(len(BODY), start + self.server.cut)
        self.wfile.write(BODY[start:end])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("told", [Checksum(SHA256), Checksum(md5=MD5), Checksum()])
def test_once(server: Server, tmp_path: Path, told: Checksum) -> None:
    seen: list[tuple[int, int]] = []
    for _ in range(3):
        path = fetch(server.url, told, folder=tmp_path, progress=lambda *at: seen.append(at))
        assert path.read_bytes() == BODY
    assert path == cached(server.url, tmp_path) == tmp_path / "weights.h5"
    assert len(server.asked) == 1
    assert seen[-1] == (len(BODY), len(BODY))
    assert not list(tmp_path.glob("*.part"))


def test_without_a_network_what_is_here_is_enough(server: Server, tmp_path: Path) -> None:
    url = server.url
    fetch(url, Checksum(SHA256), folder=tmp_path)
    server.shutdown()
    server.server_close()
    assert fetch(url, Checksum(SHA256), folder=tmp_path).read_bytes() == BODY
    with pytest.raises(InputError, match=rf"weights\.h5: .*refused.*SHA-256 {SHA256}.*--from FILE"):
        fetch(url, Checksum(SHA256), folder=tmp_path / "other")


def test_a_download_that_broke_off_goes_on(server: Server, tmp_path: Path) -> None:
    server.cut = 100_000
    for _ in range(2):
        with pytest.raises(
            InputError,
            match=r"weights\.h5: the download ended after \d+ of 300000 bytes. What came is kept",
        ):
            fetch(server.url, Checksum(SHA256), folder=tmp_path)
    assert not (tmp_path / "weights.h5").exists()
    server.cut = None
    assert fetch(server.url, Checksum(SHA256), folder=tmp_path).read_bytes() == BODY
    assert server.asked == [None, "bytes=100000-", "bytes=200000-"]


def test_a_server_that_knows_no_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    server.cut, server.ranges = 100_000, False
    with pytest.raises(InputError, match="ended after"):
        fetch(server.url, Checksum(SHA256), folder=tmp_path)
    server.cut = None
    assert fetch(server.url, Checksum(SHA256), folder=tmp_path).read_bytes() == BODY


def test_a_server_that_tells_no_length(server: Server, tmp_path: Path) -> None:
    """A file that ends early is told by its checksum."""
    server.told_length = False
    assert fetch(server.url, Checksum(SHA256), folder=tmp_path).read_bytes() == BODY
    server.cut = 1000
    with pytest.raises(FormatError, match="checksum differs"):
        fetch(server.url, Checksum(SHA256), folder=tmp_path / "other")
    assert not list((tmp_path / "other").iterdir())


def test_another_file_than_was_published(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="is not the file that was published"):
        fetch(server.url, Checksum("0" * 64), folder=tmp_path)
    assert not list(tmp_path.iterdir())
    # left over from somebody else, longer than the file
    (tmp_path / "weights.h5.part").write_bytes(b"x" * 400_000)
    assert fetch(server.url, Checksum(SHA256), folder=tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("told", [Checksum(md5=MD5), Checksum()])
def test_a_damaged_cache_is_noticed(server: Server, tmp_path: Path, told: Checksum) -> None:
    path = fetch(server.url, told, folder=tmp_path)
    path.write_bytes(BODY[:-1] + b"?")
    assert fetch(server.url, told, folder=tmp_path).read_bytes() == BODY
    assert len(server.asked) == 2


def test_what_is_not_fetched(server: Server, tmp_path: Path) -> None:
    base = server.url.removesuffix("/files/weights.h5")
    with pytest.raises(InputError, match="404 Not Found"):
        fetch(f"{base}/nothing.h5", Checksum(), folder=tmp_path)
    with pytest.raises(InputError, match=r"http://example\.org.* by https only"):
        fetch(f"{base}/away", Checksum(), folder=tmp_path)
    with pytest.raises(InputError, match="by https only"):
        fetch("file:///etc/passwd", Checksum(), folder=tmp_path)
    with pytest.raises(InputError, match="has 1000 bytes at most; this one has 300000"):
        fetch(server.url, Checksum(), folder=tmp_path, max_bytes=1000)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        fetch(server.url, Checksum(), folder=tmp_path / "file")
