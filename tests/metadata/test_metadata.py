"""Metadata through a file and back, and what is refused."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgewise
from edgewise import metadata
from edgewise.cli.main import cli, run
from edgewise.errors import FormatError, InputError
from edgewise.format import load
from edgewise.format.metadata import decode_metadata, encode_metadata
from edgewise.format.package import MAX_FILES
from edgewise.passes import canonicalize
from tests.oracle.litert import Oracle

from .example import EVERYTHING, FILES, LABELS, classifier, described, everything

SHARED = {
    "classify/mobilenet_v1_0.25_224_quant.tflite": 1001,
    "classify/mobilenet_v2_1.0_224_quant.tflite": 1001,
    "classify/mobilenet_v2_035_96_embedder_with_metadata.tflite": None,
    "vision/selfie_segmentation.tflite": 1,
}


def test_what_is_attached_is_read_back() -> None:
    model = load(described().to_bytes())
    said = metadata.read(model)
    assert said is not None
    assert (said.name, said.version, said.license) == ("Pets", "v2", "Apache-2.0")
    assert metadata.labels(model) == LABELS
    assert metadata.normalization(model) == metadata.NormalizationOptions((127.5,), (127.5,))
    [graph] = said.subgraph_metadata
    assert [t.name for t in graph.input_tensor_metadata] == ["image"]
    assert [t.name for t in graph.output_tensor_metadata] == ["scores"]
    content = graph.input_tensor_metadata[0].content
    assert content == metadata.Content(metadata.ImageProperties(metadata.ColorSpaceType.RGB))
    assert said.min_parser_version == "1.0.0"


def test_the_model_given_is_untouched() -> None:
    model = classifier()
    metadata.attach(model, description="x", labels=LABELS)
    assert metadata.read(model) is None
    assert (model.metadata, model.files) == ({}, {})


def test_more_is_added_to_what_is_there() -> None:
    model = metadata.attach(described(), author="Somebody else", mean=0, std=[1])
    said = metadata.read(model)
    assert said is not None
    assert (said.name, said.author) == ("Pets", "Somebody else")
    assert metadata.labels(model) == LABELS
    assert metadata.normalization(model) == metadata.NormalizationOptions((0.0,), (1.0,))


def test_every_field_survives() -> None:
    model = load(everything().to_bytes())
    assert metadata.read(model) == replace(EVERYTHING, min_parser_version="1.5.0")
    assert model.files == FILES


def test_an_archive_that_others_read() -> None:
    """Offsets count from the front of the file, and nothing is compressed."""
    data = everything().to_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        assert {e.filename: archive.read(e) for e in entries} == FILES
        assert {e.compress_type for e in entries} == {zipfile.ZIP_STORED}
        for entry in entries:
            assert data[entry.header_offset :][:4] == b"PK\3\4"
        directory = data.rindex(b"PK\5\6")
        start = int.from_bytes(data[directory + 16 : directory + 20], "little")
        assert data[start : start + 4] == b"PK\1\2"
    assert everything().to_bytes() == data, "the same model is the same bytes"


def test_an_independent_reader_agrees() -> None:
    """tflite-support's answer to this very file: tools/oracle/store_metadata.py."""
    stored = json.loads(Path(__file__).with_name("displayed.json").read_text())
    data = everything().to_bytes()
    assert sha256(data).hexdigest() == stored["sha256"], "run tools/oracle/store_metadata.py"
    assert stored["files"] == {name: text.decode() for name, text in FILES.items()}
    shown = json.loads(stored["displayed"])
    assert shown["min_parser_version"] == "1.5.0"
    [graph] = shown["subgraph_metadata"]
    image, sound = graph["input_tensor_metadata"]
    assert image["dimension_names"] == ["batch", "height", "width", "channel"]
    assert image["content"]["content_properties"] == {
        "color_space": "RGB",
        "default_size": {"width": 4, "height": 5},
    }
    assert [unit["options_type"] for unit in image["process_units"][:4]] == [
        "NormalizationOptions",
        "BertTokenizerOptions",
        "SentencePieceTokenizerOptions",
        "RegexTokenizerOptions",
    ]
    assert sound["content"]["content_properties"] == {"sample_rate": 16000, "channels": 1}
    assert graph["custom_metadata"][0]["data"] == [0, 1, 2]
    assert graph["output_tensor_groups"] == [{"name": "found", "tensor_names": ["boxes", "scores"]}]


@pytest.mark.parity
def test_litert_runs_it(oracle: Oracle) -> None:
    x = np.random.default_rng(1).uniform(0, 1, (1, 4, 4, 3)).astype(np.float32)
    data = everything().to_bytes()
    answer = oracle.run(data, [x])
    assert answer.error is None
    (ours,) = edgewise.Interpreter(data)(x).values()
    np.testing.assert_allclose(answer.outputs[0], ours, atol=1e-6)


@pytest.mark.parametrize("file", SHARED)
def test_files_of_others_keep_what_they_say(file: str, shared_data: Path) -> None:
    model = load(shared_data / "tflite" / file)
    labels = metadata.labels(model)
    assert (None if labels is None else len(labels)) == SHARED[file]
    for again in (load(model.to_bytes()), load(canonicalize(model).to_bytes())):
        assert metadata.read(again) == metadata.read(model)
        assert again.files == model.files
    said = metadata.read(model)
    assert said is not None
    assert decode_metadata(encode_metadata(said)) == said


# -- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"labels": ["a", "b"]}, "2 labels fit no output; outputs are scores (3)"),
        ({"labels": {"boxes": LABELS}}, "3 labels fit no output; outputs are scores (3)"),
        ({"labels": ["a", "b\nc", "d"]}, "a label is one line; got 'b\\nc'"),
        ({"mean": 1.0}, "mean and std belong together; give both"),
        (
            {"mean": 1.0, "std": [1, 0]},
            "std must be as many numbers as mean, none of them 0; got [1, 0]",
        ),
        (
            {"inputs": {"x": metadata.TensorMetadata("x")}},
            "no input is named x; inputs are image",
        ),
        (
            {
                "outputs": {
                    "scores": metadata.TensorMetadata(
                        associated_files=(metadata.AssociatedFile("gone.txt"),)
                    )
                }
            },
            "the metadata names gone.txt; give the contents with files={name: bytes}",
        ),
    ],
)
def test_what_does_not_fit(said: dict[str, object], text: str) -> None:
    with pytest.raises(InputError) as caught:
        metadata.attach(classifier(), **said)  # type: ignore[arg-type]
    assert str(caught.value) == text


def test_a_damaged_entry() -> None:
    model = described()
    model.metadata[metadata.ENTRY] = b"\x10\0\0\0M002" + bytes(20)
    with pytest.raises(FormatError, match=r"identifier b'M001'; found b'M002'"):
        metadata.read(model)


def test_mutated_entries_are_refused() -> None:
    """Nothing but FormatError, whatever the bytes are."""
    entry = everything().metadata[metadata.ENTRY]
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(3000):
        data = bytearray(entry)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            data[place] = rng.integers(0, 256)
        try:
            decode_metadata(bytes(data[: rng.integers(8, len(data) + 1)]))
        except FormatError:
            refused += 1
    print(f"seed 3: {refused} of 3000 refused")
    assert refused > 500


def _bomb(model: bytes) -> bytes:
    """80 MiB of zeros, deflated to 80 kB."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(80 << 20))
    return model + stream.getvalue()


def _many(model: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(MAX_FILES + 1):
            archive.writestr(f"{number}", b"")
    return model + stream.getvalue()


def _lying(model: bytes) -> bytes:
    """The directory claims fewer bytes than the data unpacks to."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(1 << 22))
    data = bytearray(stream.getvalue())
    place = data.rindex(b"PK\1\2") + 24
    data[place : place + 4] = (16).to_bytes(4, "little")
    return model + bytes(data)


def _encrypted(model: bytes) -> bytes:
    data = bytearray(model)
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.rindex(mark) + place] |= 1
    return bytes(data)


def _method(model: bytes) -> bytes:
    data = bytearray(model)
    data[data.rindex(b"PK\1\2") + 10] = 97
    return bytes(data)


HOSTILE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "bomb": (_bomb, "at most 67108864 bytes are unpacked; the archive claims 83886080"),
    "many": (_many, "at most 1024 files are read; the archive has 1025"),
    "lying": (_lying, "Bad CRC-32"),
    "encrypted": (_encrypted, "encrypted"),
    "method": (_method, "files are stored or deflated; the archive has method 97"),
    "cut": (lambda model: model[:-30] + model[-22:], "lost on writing"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_archives_are_bounded(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """The model is read, its files are not, and that is told."""
    spoil, text = HOSTILE[kind]
    model = load(spoil(described().to_bytes()))
    assert model.files == {}
    assert metadata.labels(model) is None
    assert text in caplog.text
    assert "the files behind the model are left out, and lost on writing" in caplog.text


def test_mutated_archives(caplog: pytest.LogCaptureFixture) -> None:
    """No exception, whatever stands behind the model."""
    data = described().to_bytes()
    start = data.index(b"PK\3\4")
    rng = np.random.default_rng(5)
    for _ in range(500):
        changed = bytearray(data)
        for place in rng.integers(start, len(data), rng.integers(1, 5)):
            changed[place] = rng.integers(0, 256)
        load(bytes(changed))
    caplog.clear()


# -- the command, and who uses what it says -------------------------------------------------------


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, out, labels = (tmp_path / n for n in ("plain.tflite", "out.tflite", "labels.txt"))
    classifier().save(plain)
    labels.write_text("".join(f"{label}\n" for label in LABELS))
    words = ["--labels", labels, "--mean", "127.5", "--std", "127.5", "--license", "MIT"]
    assert run(cli, ["metadata", *map(str, [plain, *words, "--file", labels, "-o", out])]) == 0
    said = capsys.readouterr().out
    assert "license: MIT" in said
    assert "NormalizationOptions mean=127.5 std=127.5" in said
    assert "tensor_axis_labels in labels.txt: 3, cat, dog, or wolf, se" in said
    again = tmp_path / "again.txt"
    assert run(cli, ["metadata", str(out), "--export-labels", str(again)]) == 0
    assert again.read_text() == labels.read_text()
    capsys.readouterr()
    assert run(cli, ["metadata", str(out), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["metadata"]["license"] == "MIT"
    assert shown["files"] == {"labels.txt": labels.stat().st_size}


def test_the_command_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = tmp_path / "plain.tflite"
    classifier().save(plain)
    assert run(cli, ["metadata", str(plain), "--license", "MIT"]) == 2
    assert "a changed model needs a file: give --output" in capsys.readouterr().err
    assert run(cli, ["metadata", str(plain), "--export-labels", str(tmp_path / "x")]) == 1
    assert "no labels travel with the model" in capsys.readouterr().err
    assert run(cli, ["metadata", str(plain), "--mean", "much", "-o", str(plain)]) == 2
    assert "'much' is not a number" in capsys.readouterr().err


def test_run_takes_labels_and_normalization(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, picture = tmp_path / "pets.tflite", tmp_path / "pet.png"
    described().save(model)
    Image.new("RGB", (8, 8), (200, 90, 10)).save(picture)
    assert run(cli, ["run", str(model), str(picture), "--top", "1"]) == 0
    said = capsys.readouterr().out
    assert "pixels as the model says: (pixel - 127.5) / 127.5" in said
    pixels = np.array([[[[200, 90, 10]]]], np.float32).repeat(4, 1).repeat(4, 2)
    scores = edgewise.Interpreter(model)((pixels - 127.5) / np.float32(127.5))["scores"][0]
    best = int(scores.argmax())
    assert f"{scores[best]:8.4f}  {LABELS[best][:2]}" in said
