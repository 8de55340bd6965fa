"""The bundled photo and class names: complete, small, and with their origin written down."""

from __future__ import annotations

import csv
from importlib.resources import files

import numpy as np
from PIL import Image

ASSETS = files("edgewise") / "assets"


def test_every_asset_has_its_origin():
    names = {item.name for item in ASSETS.iterdir()} - {"SOURCE.txt"}
    origin = (ASSETS / "SOURCE.txt").read_text()
    assert names == {"cat.jpg", "imagenet_labels.txt", "imagenet_wnids.txt"}
    for name in names:
        assert f"\n{name}\n" in origin
    assert origin.count("Licence:") == len(names)


def test_the_photo():
    content = (ASSETS / "cat.jpg").read_bytes()
    assert len(content) < 150_000
    with (ASSETS / "cat.jpg").open("rb") as file, Image.open(file) as photo:
        assert photo.size == (451, 300)
        assert photo.mode == "RGB"
        assert np.asarray(photo).std() > 30


def test_class_names():
    names = (ASSETS / "imagenet_labels.txt").read_text().splitlines()
    assert len(names) == 1000
    assert names[0] == "tench, Tinca tinca"
    assert names[281] == "tabby, tabby cat"
    assert names[999] == "toilet tissue, toilet paper, bathroom tissue"


def test_class_names_are_in_imagenet_order(shared_data):
    """Index, WordNet id and name of 500 labelled photos agree with the lists."""
    wnids = (ASSETS / "imagenet_wnids.txt").read_text().split()
    assert len(set(wnids)) == 1000
    names = (ASSETS / "imagenet_labels.txt").read_text().splitlines()
    with (shared_data / "datasets" / "imagenet_sample" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 500
    for row in rows:
        synonyms = {n.strip().lower() for n in names[int(row["class_index_0_999"])].split(",")}
        assert row["name"].replace("_", " ").lower() in synonyms
        assert row["wnid"] == wnids[int(row["class_index_0_999"])]
