"""`edgewise evaluate` with one model and with two: text, JSON, and the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgewise
from edgewise import metadata
from edgewise.data import open_data
from edgewise.errors import InputError
from edgewise.ir.build import Builder
from edgewise.measure.evaluation_page import verdict
from edgewise.optimize.evaluate import evaluate, versus
from tests.cli.test_data import Links

NAMES = ("blue", "green", "red <b>")


def network(order: list[int]) -> edgewise.Model:
    """Says the channel that is brightest; `order` may exchange channels."""
    b = Builder()
    x = b.input("image", (1, 4, 4, 3))
    y = b.mean(x, b.constant(np.array([1, 2], np.int32)))
    y = b.softmax(b.gather(y, b.constant(np.array(order, np.int32)), axis=1))
    model = edgewise.Model()
    model.add(b.finish(y))
    return metadata.attach(model, labels=NAMES, mean=0.0, std=60.0)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five pictures of each colour, of which the last is a mistake: it shows the next colour."""
    for i, name in enumerate(NAMES):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(5):
            colour = [20, 20, 20]
            colour[2 - (i + 1) % 3 if k == 4 else 2 - i] = 200 + k
            path = tmp_path / "photos" / name / f"{k}.png"
            Image.new("RGB", (8, 8), tuple(colour)).save(path)
    network([2, 1, 0]).save(tmp_path / "float.tflite")
    network([2, 0, 1]).save(tmp_path / "int8.tflite")
    return tmp_path / "photos"


def test_figures_of_classes(photos: Path) -> None:
    data = open_data(photos)
    found = evaluate(photos.parent / "float.tflite", data)
    assert found.top1.value == 0.8
    assert found.labels == NAMES
    matrix, places = found.confusion()
    assert (matrix.tolist(), places) == ([[4, 1, 0], [0, 4, 1], [1, 0, 4]], [0, 1, 2])
    assert [(s.index, s.precision, s.recall) for s in found.class_scores] == [
        (i, 0.8, 0.8) for i in range(3)
    ]
    assert found.macro_f1 == pytest.approx(0.8)
    assert 0 < found.calibration.error < 0.2
    mistakes = np.flatnonzero(found.outcomes.rank)
    assert [data.get(int(found.outcomes.place[i])).name for i in mistakes] == [  # type: ignore[misc]
        f"{name}/4.png" for name in NAMES
    ]


def test_places_of_chosen_examples(photos: Path) -> None:
    data = open_data(photos)
    found = evaluate(photos.parent / "float.tflite", data, limit=4)
    names = [data.get(int(i)).name for i in found.outcomes.place]  # type: ignore[misc]
    assert tuple(names) == found.outcomes.names


def test_one_against_the_other(photos: Path) -> None:
    data = open_data(photos)
    first, second = (evaluate(photos.parent / f"{n}.tflite", data) for n in ("float", "int8"))
    known = versus(first, second)
    assert (known.lost, known.gained) == (8, 1)
    assert known.difference.value == pytest.approx(-7 / 15)
    sentences = verdict([first, second])
    assert sentences[0].startswith("float is right on 80.0 %")
    assert "int8 is 46.7 points worse than float [" in sentences[1]
    assert "8 examples are right in float only, 1 in int8 only (McNemar p = 0.039)" in sentences[1]
    same = verdict([first, first])
    assert "photos" not in same[1]
    assert "is right as often as" in same[1]
    with pytest.raises(InputError, match="evaluated on other examples"):
        versus(first, evaluate(photos.parent / "int8.tflite", data, limit=3))


@pytest.mark.ci
def test_a_page_that_loads_nothing(terminal, photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    files = ("float.tflite", "int8.tflite")
    said = terminal("evaluate", *files, "--data", "photos", "--html", "page.html")
    assert (said.code, said.err) == (0, "")
    assert "int8 is 46.7 points worse than float" in said.out
    assert said.out.endswith("page: page.html\n")
    page = (tmp_path / "page.html").read_text()
    links = Links()
    links.feed(page)
    pictures = [link for link in links.found if link.startswith("data:image/jpeg;base64,/9j/")]
    assert len(pictures) == 3 + 8
    assert all(link in pictures or link.startswith("#") for link in links.found)
    assert "<b>says green 9" in page
    assert "is blue; blue/<wbr>4.png" in page
    assert "red &lt;b&gt;" in page
    assert "red <b>" not in page
    assert re.search(r"<strong[^>]*>80.0 %</strong>.*<strong[^>]*>33.3 %</strong>", page, re.DOTALL)
    again = terminal("evaluate", *files, "--data", "photos", "--html", "page.html")
    assert again.code == 1
    assert "exists already" in again.err


def test_as_json(terminal, photos: Path) -> None:
    one = json.loads(terminal("evaluate", "float.tflite", "--data", "photos", "--json").out)
    assert one["top1"]["value"] == 0.8
    assert one["class_scores"][2]["label"] == "red <b>"
    assert one["confusion"]["counts"][0] == [4, 1, 0]
    assert len(one["calibration"]["bins"]) >= 1
    files = ("float.tflite", "int8.tflite")
    both = json.loads(terminal("evaluate", *files, "--data", "photos", "--json").out)
    assert [m["model"] for m in both["models"]] == list(files)
    assert both["against_first"][0]["lost"] == 8
    assert json.loads(json.dumps(both, allow_nan=False)) == both
