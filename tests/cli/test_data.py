"""`edgewise data check`: on the screen, as JSON, as a page."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser

import pytest

from tests.data.test_check import photo


class Links(HTMLParser):
    """Everything that a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.fixture
def photos(tmp_path):
    for i, name in enumerate(("cat", "dog")):
        for k in range(12):
            photo(tmp_path / "photos" / name / f"{k}.png", 100 * i + k)
    shutil.copy(tmp_path / "photos/cat/1.png", tmp_path / "photos/dog/<b>.png")
    (tmp_path / "photos/dog/2.png").write_bytes(b"")
    return tmp_path / "photos"


def test_on_the_screen(terminal, photos):
    said = terminal("data", "check", "photos")
    assert (said.code, said.err) == (0, "")
    unread = "photos/dog/2.png: cannot be read as a picture: not a format that Pillow knows"
    assert said.out.splitlines() == [
        "photos  24 pictures that can be read, 2 classes",
        "class  pictures  share",
        "cat          12  50.0 %",
        "dog          12  50.0 %",
        "sizes 48 x 40 to 48 x 40, median 48 x 40 pixels",
        "",
        "error    1 file cannot be read",
        f"         {unread}; give a JPEG or PNG",
        "error    2 pictures are the same in several classes",
        "         cat/1.png = dog/<b>.png",
        "2 things will make results wrong.",
    ]


def test_as_json(terminal, photos):
    said = json.loads(terminal("data", "check", "photos", "--json").out)
    assert said["counts"] == {"cat": {"": 12}, "dog": {"": 12}}
    assert [f["weight"] for f in said["findings"]] == ["error", "error"]
    assert said["findings"][1]["groups"] == [["cat/1.png", "dog/<b>.png"]]


@pytest.mark.ci
def test_as_a_page_that_loads_nothing(terminal, photos, tmp_path):
    pytest.importorskip("matplotlib")
    said = terminal("data", "check", "photos", "--html", "a page.html")
    assert said.out.splitlines()[-1] == "page: a page.html"
    page = (tmp_path / "a page.html").read_text()
    links = Links()
    links.feed(page)
    assert len(links.found) == 2 + 12 + 12
    assert all(link.startswith(("data:image/jpeg;base64,/9j/", "#")) for link in links.found)
    assert "dog/<wbr>&lt;b&gt;.png" in page
    again = terminal("data", "check", "photos", "--html", "a page.html")
    assert again.code == 1
    assert "exists already" in again.err
    assert "does not exist" in terminal("data", "check", "photos", "--html", "no/page.html").err


def test_what_cannot_be_checked(terminal, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in ("nothing", "empty"):
        said = terminal("data", "check", folder)
        assert said.code == 1
        assert said.err.startswith(f"error: {folder}: ")
        assert "Traceback" not in said.err
