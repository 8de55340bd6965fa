"""Hostile and damaged Keras files: one clear error of ours, never a crash, a hang or a leak."""

from __future__ import annotations

import copy
import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest

from edgewise.errors import ConversionError, EdgewiseError, FormatError, UnsupportedOp
from edgewise.frontends.keras import read_file, read_keras

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = sorted(path.name for path in FIXTURES.iterdir() if path.suffix in (".keras", ".gz"))
Json = dict[str, object]


def plain(name: str) -> bytes:
    """A fixture as Keras wrote it: archives without compression."""
    data = (FIXTURES / name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else packed(members(name))


def members(name: str) -> dict[str, bytes]:
    with zipfile.ZipFile(FIXTURES / name) as archive:
        return {member: archive.read(member) for member in archive.namelist()}


def packed(contents: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def edited(name: str, edit: Callable[[h5py.File], None]) -> bytes:
    """A `.keras` fixture with its HDF5 file changed."""
    contents = members(name)
    buffer = io.BytesIO(contents["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        edit(file)
    return packed(contents | {"model.weights.h5": buffer.getvalue()})


def reconfigured(name: str, edit: Callable[[dict], None]) -> bytes:
    contents = members(name)
    config = json.loads(contents["config.json"])
    edit(config)
    return packed(contents | {"config.json": json.dumps(config).encode()})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "an empty file"),
        (b"# a model\nlayers: 3\n", "text"),
        (bytes(range(128, 168)), "40 bytes that begin with 80 81"),
        (b"\x1c\x00\x00\x00TFL3" + bytes(40), "a .tflite file"),
        (b"\x89HDF", "an HDF5 file cut off after 4 bytes"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
        (b"PK\x03\x04" + bytes(60), "damaged or cut off"),
        (packed({"a.txt": b""}), "a .keras archive has config.json; found a.txt"),
        (packed({"archive/data.pkl": b""}), "PyTorch"),
        (packed({"config.json": b"{}"}), "has model.weights.h5; it is missing"),
        (packed({"config.json": b"{", "model.weights.h5": b""}), "config.json must be JSON"),
        (packed({"config.json": b"[1]", "model.weights.h5": b""}), "found list"),
        (packed({"config.json": b"[" * 100_000, "model.weights.h5": b""}), "must be JSON"),
        (packed({"config.json": b"{}", "model.weights.h5": b"text"}), "must be HDF5; found text"),
    ],
)  # fmt: skip
def test_not_a_keras_file(data: bytes, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        read_keras(data)


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="found a folder"):
        read_keras(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(ConversionError, match="SavedModel"):
        read_keras(tmp_path)
    with pytest.raises(FormatError, match=r"absent\.keras: the file cannot be opened"):
        read_keras(tmp_path / "absent.keras")


def test_files_without_a_graph() -> None:
    with pytest.raises(ConversionError, match="holds only weights"):
        read_keras(plain("only.weights.h5.gz"))
    with pytest.raises(ConversionError, match="'Sub' is a subclassed model"):
        read_keras(plain("subclassed.keras"))


def test_unsupported_layers_are_named() -> None:
    with pytest.raises(UnsupportedOp, match="Twice"):
        read_file(FIXTURES / "custom.keras")


def test_weights_that_do_not_fit_are_listed() -> None:
    def edit(file: h5py.File) -> None:
        del file["layers/conv2d/vars/0"]
        file["layers/dense/vars/0"] = np.zeros(3)
        file["layers/separable_conv2d/vars/3"] = np.zeros(3)

    with pytest.raises(ConversionError) as caught:
        read_keras(edited("convolution.keras", edit))
    text = str(caught.value)
    assert text.startswith("model: 3 mismatches between the layers and the weights")
    assert "layer 'conv' needs kernel; 'layers/conv2d/vars' has 0 arrays" in text
    assert "layer 'sep' needs depthwise_kernel, pointwise_kernel, bias" in text
    assert "array 'layers/dense/vars/0' belongs to no layer" in text


def test_weights_of_another_layer_are_noticed() -> None:
    def edit(file: h5py.File) -> None:
        file["layers/conv2d/vars"].attrs["name"] = "other"

    with pytest.raises(ConversionError, match="holds layer 'other', expected 'conv'"):
        read_keras(edited("convolution.keras", edit))


def test_legacy_weights_that_do_not_fit_are_listed() -> None:
    buffer = io.BytesIO(plain("convolution.h5.gz"))
    with h5py.File(buffer, "r+") as file:
        file["model_weights/conv"].attrs["weight_names"] = np.array([], "S1")
        names = file["model_weights/dw"].attrs["weight_names"]
        file["model_weights/dw"].attrs["weight_names"] = [n.replace("bias", "extra") for n in names]
    with pytest.raises(ConversionError) as caught:
        read_keras(buffer.getvalue())
    assert "layer 'conv' needs kernel; the file has none" in str(caught.value)
    assert "layer 'dw' needs kernel, bias; the file has none" in str(caught.value)
    assert "dw/extra" in str(caught.value)


def test_links_do_not_leave_the_file() -> None:
    def soft(file: h5py.File) -> None:
        del file["layers/conv2d/vars/0"]
        file["layers/conv2d/vars/0"] = h5py.SoftLink("/layers/separable_conv2d/vars/0")

    def outside(file: h5py.File) -> None:
        del file["layers/conv2d/vars"]
        file["layers/conv2d/vars"] = h5py.ExternalLink("secret.h5", "/")

    def loop(file: h5py.File) -> None:
        file["layers/conv2d/vars/again"] = file["layers"]

    for edit, says in (
        (soft, "link elsewhere"),
        (outside, "link elsewhere"),
        (loop, "linked twice"),
    ):
        with pytest.raises(FormatError, match=says):
            read_keras(edited("convolution.keras", edit))


def test_arrays_lie_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(216))

    def external(file: h5py.File) -> None:
        del file["layers/conv2d/vars/0"]
        place = [(str(tmp_path / "raw"), 0, 216)]
        file.create_dataset("layers/conv2d/vars/0", (3, 3, 3, 2), "f4", external=place)

    def virtual(file: h5py.File) -> None:
        del file["layers/conv2d/vars/0"]
        layout = h5py.VirtualLayout((3, 3, 3, 2), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "x", shape=(3, 3, 3, 2))
        file.create_virtual_dataset("layers/conv2d/vars/0", layout)

    for edit in (external, virtual):
        with pytest.raises(FormatError, match="points to other files"):
            read_keras(edited("convolution.keras", edit))


@pytest.mark.parametrize(
    "options", [{}, {"chunks": (1 << 20,)}, {"chunks": (1 << 20,), "compression": "gzip"}]
)
def test_arrays_larger_than_their_bytes_are_refused(options: dict) -> None:
    def edit(file: h5py.File) -> None:
        del file["layers/conv2d/vars/0"]
        array = file.create_dataset("layers/conv2d/vars/0", (1 << 40,), "f4", **options)
        if options:
            array[:10] = 1

    with pytest.raises(FormatError, match="declares 4398046511104 bytes but stores"):
        read_keras(edited("convolution.keras", edit))


def test_compressed_arrays_are_read() -> None:
    def edit(file: h5py.File) -> None:
        kernel = file["layers/conv2d/vars/0"][()]
        del file["layers/conv2d/vars/0"]
        file.create_dataset("layers/conv2d/vars/0", data=kernel, compression="gzip", shuffle=True)

    weights = read_keras(edited("convolution.keras", edit)).model.layer("conv").weights
    np.testing.assert_array_equal(weights["kernel"].reshape(-1), np.arange(54))


def test_strings_that_claim_gigabytes_are_refused() -> None:
    """libhdf5 would clear 4 GiB for one string before it notices."""
    data = plain("nested_k2.h5.gz")
    heap = data.index(b"GCOL").to_bytes(8, "little")
    with h5py.File(io.BytesIO(data)) as file:
        length = len(file.attrs["model_config"])
    at = data.index(length.to_bytes(4, "little") + heap)
    with pytest.raises(FormatError, match="4294967280 bytes must lie in its heap"):
        read_keras(data[:at] + (2**32 - 16).to_bytes(4, "little") + data[at + 4 :])


@pytest.mark.ci
def test_zip_bomb_is_refused() -> None:
    contents = members("int8.keras") | {"assets/a": bytes(300 << 20)}
    with pytest.raises(FormatError, match="member 'assets/a' may have"):
        read_keras(packed(contents, zipfile.ZIP_DEFLATED))


def set_path(config: dict, *path: str | int, to: object) -> None:
    for key in path[:-1]:
        config = config[key]
    config[path[-1]] = to


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("config", "layers", 2, "name"), "x", "layer names must differ"),
        (("config", "layers"), 3, "'layers' must be a list"),
        (("config", "output_layers", "o"), ["absent", 0, 0], "no layer is called 'absent'"),
        (("config", "output_layers", "o"), ["shared", 7, 0], "is called 2 times; call 7 is used"),
        (("config", "output_layers"), 5, "a tensor must be"),
        (("config", "layers", 2, "inbound_nodes"), 5, "must be a list"),
        (("config", "layers", 2, "inbound_nodes", 0), 5, "must be a list or object"),
        (("config", "layers", 3, "config"), None, "must have class_name and config"),
    ],
)
def test_contradictions_in_a_config(path: tuple[str | int, ...], value: object, says: str) -> None:
    data = reconfigured("nested.keras", lambda config: set_path(config, *path, to=value))
    with pytest.raises(FormatError, match=says):
        read_keras(data)


def test_loops_are_refused() -> None:
    def edit(config: dict) -> None:
        layers = {layer["name"]: layer for layer in config["config"]["layers"]}
        node = copy.deepcopy(layers["shared"]["inbound_nodes"][1])
        layers["base"]["inbound_nodes"][0] = node

    with pytest.raises(FormatError, match="must not form a loop"):
        read_keras(reconfigured("nested.keras", edit))


def test_deep_nesting_is_refused() -> None:
    def edit(config: dict) -> None:
        for _ in range(60):
            config["config"] = {"name": "m", "layers": [copy.copy(config)]}
            config["class_name"] = "Sequential"

    with pytest.raises(FormatError, match="nested"):
        read_keras(reconfigured("convolution.keras", edit))


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_raise_our_errors(name: str) -> None:
    """Cut, flipped and overwritten bytes; larger sweeps (13,000 files) found nothing else."""
    whole, seed = plain(name), random.Random(name)
    for _ in range(12):
        data = bytearray(whole)
        if seed.random() < 0.2:
            del data[seed.randrange(len(data)) :]
        for _ in range(seed.choice((1, 2, 8, 64)) if data else 0):
            at = seed.randrange(len(data) if seed.random() < 0.7 else min(2048, len(data)))
            data[at : at + 1] = bytes([seed.choice((0, 255, data[at] ^ 1 << seed.randrange(8)))])
        with suppress(EdgewiseError):
            read_keras(bytes(data))


WRONG = (
    *(None, -1, 2**70, 1.5, "x", [], {}, [None], True, ["x", 0, 0], "Sequential"),
    {"class_name": 5},
    {"class_name": "Dense", "config": {}},
    {"class_name": "__numpy__", "config": {"value": [[1], []]}},
)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".keras")])
def test_wrong_configs_raise_our_errors(name: str) -> None:
    contents, seed = members(name), random.Random(name)
    for _ in range(12):
        config = json.loads(contents["config.json"])
        places: list[tuple[dict | list, str | int]] = []
        waiting: list[object] = [config]
        while waiting:
            item = waiting.pop()
            keys = (
                item
                if isinstance(item, dict)
                else range(len(item))
                if isinstance(item, list)
                else ()
            )
            places += [(item, key) for key in keys]
            waiting += [item[key] for key in keys]
        for where, key in seed.sample(places, k=min(2, len(places))):
            where[key] = copy.deepcopy(seed.choice(WRONG))
        with suppress(EdgewiseError):
            read_keras(packed(contents | {"config.json": json.dumps(config).encode()}))
