"""Features are computed once, kept where they can be, and cuts are where a network is narrow."""

from __future__ import annotations

import logging
import os

import numpy as np
import pytest
from PIL import Image

import edgewise
from edgewise.data import open_data, pixels_for
from edgewise.data.image import centre
from edgewise.errors import InputError
from edgewise.ir import Builder
from edgewise.runtime.interpreter import Interpreter
from edgewise.train import features, views
from edgewise.train.blocks import top_blocks, up_to
from edgewise.train.features import Extractor
from tests.tasks.pictures import fill, picture
from tests.train.networks import backbone


def extractor(folder, count=3) -> Extractor:
    network = backbone()
    pixels = pixels_for([network], [network.main.inputs[0].type])
    return Extractor(network, pixels, count, folder)


def kept(folder):
    return sorted(folder.rglob("*.npy"))


def test_features_are_those_of_the_network(tmp_path):
    fill(tmp_path / "data", 2)
    own = extractor(tmp_path / "kept")
    found = own(open_data(tmp_path / "data"))
    assert found.x.shape == (4, 3, 12)
    assert found.y.tolist() == [0, 0, 1, 1]
    pixels = centre(picture("blue", 0), 32, 32, own.pixels.crop)
    wanted = Interpreter(own.network)(own.pixels.normalization(pixels)[None])
    np.testing.assert_array_equal(found.x[0, 0], next(iter(wanted.values()))[0])
    assert not np.array_equal(found.x[0, 0], found.x[0, 1])


def test_features_are_computed_once(tmp_path, monkeypatch):
    fill(tmp_path / "data", 2)
    first = extractor(tmp_path / "kept")(open_data(tmp_path / "data"))
    assert len(kept(tmp_path / "kept")) == 4
    monkeypatch.setattr(views, "view", None)
    again = extractor(tmp_path / "kept")(open_data(tmp_path / "data"))
    np.testing.assert_array_equal(first.x, again.x)


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"\0" * 500])
def test_damaged_files_are_made_anew(tmp_path, damage):
    fill(tmp_path / "data", 1)
    first = extractor(tmp_path / "kept")(open_data(tmp_path / "data"))
    kept(tmp_path / "kept")[0].write_bytes(damage)
    again = extractor(tmp_path / "kept")(open_data(tmp_path / "data"))
    np.testing.assert_array_equal(first.x, again.x)


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path, caplog):
    fill(tmp_path / "data", 1)
    (tmp_path / "kept").write_text("a file")
    with caplog.at_level(logging.WARNING):
        assert extractor(tmp_path / "kept")(open_data(tmp_path / "data")).x.shape[0] == 2
    assert "features are not kept" in caplog.text


def test_a_full_disk_only_costs_time(tmp_path, caplog, monkeypatch):
    fill(tmp_path / "data", 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgewise.train.features.np.save", full)
    with caplog.at_level(logging.WARNING):
        found = extractor(tmp_path / "kept")(open_data(tmp_path / "data"), workers=1)
    assert found.x.shape[0] == 2
    assert caplog.text.count("No space left on device") == 1
    assert list((tmp_path / "kept").rglob("*.*")) == []


def test_broken_and_huge_pictures_are_told_and_left_out(tmp_path, monkeypatch):
    fill(tmp_path / "data", 2)
    (tmp_path / "data/red/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    Image.new("RGB", (90, 90)).save(tmp_path / "data/red/huge.png")
    monkeypatch.setattr("edgewise.data.image.MAX_PIXELS", 8000)
    skipped: list[str] = []
    found = extractor(tmp_path / "kept")(open_data(tmp_path / "data"), skipped=skipped)
    assert found.y.tolist() == [0, 0, 1, 1]
    assert len(skipped) == 2
    assert "broken.jpg" in skipped[0]
    assert "90 x 90" in skipped[1]


def test_nothing_that_can_be_read_is_an_error_with_the_reasons(tmp_path):
    (tmp_path / "data/red").mkdir(parents=True)
    (tmp_path / "data/red/broken.jpg").write_bytes(b"no")
    with pytest.raises(InputError, match=r"holds no pictures; 1 pictures? cannot be read"):
        extractor(tmp_path / "kept")(open_data(tmp_path / "data"))


def test_views_follow_from_contents_and_number():
    image = picture("red", 3)
    size = (32, 32)
    shown = [views.view(image, b"digest", number, size, 0.875) for number in range(4)]
    np.testing.assert_array_equal(shown[0], centre(image, 32, 32))
    np.testing.assert_array_equal(shown[2], views.view(image, b"digest", 2, size, 0.875))
    assert len({s.tobytes() for s in shown}) == 4
    assert not np.array_equal(shown[2], views.view(image, b"other", 2, size, 0.875))
    assert all(s.shape == (32, 32, 3) and s.dtype == np.uint8 for s in shown)


@pytest.mark.parametrize("extent", [(1, 1), (1, 300), (300, 1), (5, 4)])
def test_views_of_strange_pictures(extent):
    image = Image.new("RGB", extent)
    for number in range(6):
        assert views.view(image, b"x", number, (32, 32), 0.875).shape == (32, 32, 3)


def test_the_top_blocks_begin_where_pictures_are_smallest():
    network = backbone()
    cut = top_blocks(network.main)
    assert cut.name == "down"
    below = up_to(network, cut)
    assert [n.op.name for n in below.main.nodes] == ["conv_2d", "conv_2d"]
    assert len(network.main) == 5
    x = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32)
    whole = Interpreter(network, keep_all=True)
    whole(x)
    np.testing.assert_array_equal(edgewise.Interpreter(below)(x)["down"], whole.tensors["down"])


def test_a_network_without_blocks_has_no_top():
    b = Builder()
    graph = b.finish(b.relu(b.relu(b.input("x", (1, 5)))))
    with pytest.raises(InputError, match="no blocks on pictures"):
        top_blocks(graph)


def test_what_is_kept_is_bounded_and_the_longest_unused_goes_first(tmp_path, monkeypatch):
    fill(tmp_path / "data", 4)
    own = extractor(tmp_path / "kept")
    data = open_data(tmp_path / "data")
    first = own(data)
    files = kept(tmp_path / "kept")
    size = files[0].stat().st_size
    for age, path in enumerate(files):
        os.utime(path, (0, 1000 + age))
    other = tmp_path / "kept" / "of another network" / "old.npy"
    other.parent.mkdir()
    other.write_bytes(bytes(size))
    os.utime(other, (0, 500))
    half_written = files[0].with_name(".left")
    half_written.write_bytes(b"x")
    os.utime(half_written, (0, 0))
    monkeypatch.setattr(features, "MAX_BYTES", 3 * size)
    used = data.take([0, 1])
    own(used)  # their files are touched
    left = kept(tmp_path / "kept")
    assert len(left) == 3
    assert {used.digest(i).hex() for i in range(2)} <= {path.stem for path in left}
    assert not other.exists()
    assert not half_written.exists()
    np.testing.assert_array_equal(own(data).x, first.x)
