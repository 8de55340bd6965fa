"""Bad input: one clear message on standard error, exit code 1 (2 for wrong usage), no traceback,
and nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import edgewise
import edgewise.ops
from edgewise.cli import main as edgewise_main
from edgewise.ir.build import Builder

from .terminal import CONVOLUTION, FIXTURES

RANDOM = np.random.default_rng(0).bytes(4096)


@pytest.fixture
def bad(tmp_path, model):
    """Files that are no models, by name."""
    whole = model.read_bytes()
    (tmp_path / "truncated.tflite").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.tflite").touch()
    (tmp_path / "text.tflite").write_text("This is a shopping list.\n" * 50)
    (tmp_path / "random.tflite").write_bytes(RANDOM)
    (tmp_path / "folder.tflite").mkdir()
    keras = CONVOLUTION.read_bytes()
    (tmp_path / "truncated.keras").write_bytes(keras[: len(keras) // 2])
    (tmp_path / "empty.keras").touch()
    (tmp_path / "text.keras").write_text("This is a shopping list.\n" * 50)
    (tmp_path / "random.keras").write_bytes(RANDOM)
    (tmp_path / "random.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + RANDOM)
    (tmp_path / "folder.keras").mkdir()
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("notes.txt", "x")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").touch()
    (tmp_path / "model.onnx").write_bytes(RANDOM)
    return tmp_path


def test_a_benchmark_of_no_model_fails(terminal, bad):
    said = terminal("benchmark", bad / "empty.tflite", "--rounds", "1", "--seconds", "0")
    assert said.code == 1
    assert "empty.tflite: is empty; the copy or download may have failed" in said.out
    assert "median" not in said.out


@pytest.mark.parametrize("verb", ["inspect", "run"])
@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("truncated.tflite", "truncated.tflite at byte"),
        ("empty.tflite", "empty.tflite: is empty; the copy or download may have failed"),
        ("text.tflite", "text.tflite"),
        ("random.tflite", "random.tflite"),
        ("folder.tflite", "folder.tflite: is a directory"),
        ("missing.tflite", "missing.tflite: does not exist; check the path"),
        ("truncated.keras", "truncated.keras"),
    ],
)
def test_models_that_are_none(terminal, bad, verb, file, says):
    assert f"error: {says}" in terminal.refuses(verb, file)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("truncated.keras", "truncated.keras"),
        ("empty.keras", "empty.keras"),
        ("text.keras", "text.keras"),
        ("random.keras", "random.keras"),
        ("random.h5", "random.h5"),
        ("folder.keras", "folder.keras"),
        ("other.keras", "other.keras"),
        ("missing.keras", "missing.keras: does not exist; check the path"),
        ("saved", "saved/saved_model.pb: is empty; the copy or download may have failed"),
        ("model.onnx", "model.onnx: is a file with suffix '.onnx'; the sources"),
        ("truncated.tflite", "truncated.tflite at byte"),
        (FIXTURES / "lambda.keras", "lambda.keras: 1 layer cannot be converted"),
    ],
)
def test_sources_that_cannot_be_converted(terminal, bad, file, says):
    before = sorted(p.name for p in bad.iterdir())
    assert f"error: {says}" in terminal.refuses("convert", file, "-o", "out.tflite")
    assert sorted(p.name for p in bad.iterdir()) == before


# -- outputs ------------------------------------------------------------------------------------


def test_an_output_that_exists(terminal, model):
    whole = model.read_bytes()
    said = terminal.refuses("convert", CONVOLUTION, "-o", "model.tflite")
    assert "error: model.tflite: exists already; choose another name or overwrite it" in said
    assert "--force" in said
    said = terminal.refuses("run", "model.tflite", "-o", "model.tflite")
    assert "exists already" in said
    assert model.read_bytes() == whole
    assert terminal("convert", CONVOLUTION, "-o", "model.tflite", "--force").code == 0
    assert model.read_bytes() != whole


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("folder", "folder: is a directory; give a file name"),
        ("no/such/m.tflite", "no/such/m.tflite: the folder no/such does not exist; create it"),
        ("m.onnx", "m.onnx: no format has the suffix '.onnx'; known: .tflite"),
    ],
)
def test_outputs_that_cannot_be(terminal, tmp_path, output, says):
    (tmp_path / "folder").mkdir()
    assert f"error: {says}" in terminal.refuses("convert", CONVOLUTION, "-o", output)
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_folder_that_cannot_be_written(terminal, tmp_path, monkeypatch):
    """Root may write anywhere, so the system's refusal is played."""

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    said = terminal.refuses("convert", CONVOLUTION, "-o", "m.tflite")
    assert "error: m.tflite: cannot be written: Permission denied" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(terminal, tmp_path):
    (tmp_path / "fixed").mkdir(mode=0o500)
    said = terminal.refuses("convert", CONVOLUTION, "-o", "fixed/m.tflite")
    assert "fixed/m.tflite: cannot be written: Permission denied" in said


# -- inputs of a run ----------------------------------------------------------------------------


@pytest.fixture
def inputs(tmp_path, model):
    fits = np.zeros((1, 8, 8, 3), np.float32)
    np.save(tmp_path / "rank.npy", fits[0])
    np.save(tmp_path / "shape.npy", fits[:, 1:])
    np.save(tmp_path / "dtype.npy", fits.astype(np.float64))
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.savez(tmp_path / "name.npz", picture=fits)
    np.savez(tmp_path / "more.npz", image=fits, other=fits)
    np.savez(tmp_path / "none.npz")
    (tmp_path / "random.npy").write_bytes(RANDOM)
    (tmp_path / "random.npz").write_bytes(RANDOM)
    (tmp_path / "random.jpg").write_bytes(RANDOM)
    (tmp_path / "empty.npy").touch()
    (tmp_path / "empty.png").touch()
    whole = (tmp_path / "name.npz").read_bytes()
    (tmp_path / "truncated.npz").write_bytes(whole[: len(whole) // 2])
    damaged = bytearray(whole)
    damaged[200:210] = b"0123456789"
    (tmp_path / "damaged.npz").write_bytes(damaged)
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "truncated.png").write_bytes(data[: len(data) // 2])
    (tmp_path / "folder.jpg").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("rank.npy", "input 'image' takes shape ['batch', 8, 8, 3]; got [8, 8, 3]"),
        ("shape.npy", "input 'image' takes shape ['batch', 8, 8, 3]; got [1, 7, 8, 3]"),
        ("dtype.npy", "input 'image' takes float32; got float64. Convert it with"),
        ("objects.npy", "objects.npy: cannot be read as NumPy arrays"),
        ("name.npz", "no input is named picture; inputs are image"),
        ("more.npz", "no input is named other; inputs are image"),
        ("none.npz", "missing inputs: image; the model takes image"),
        ("random.npy", "random.npy: cannot be read as NumPy arrays"),
        ("random.npz", "random.npz: cannot be read as NumPy arrays"),
        ("empty.npy", "empty.npy: cannot be read as NumPy arrays"),
        ("truncated.npz", "truncated.npz: cannot be read as NumPy arrays"),
        ("damaged.npz", "damaged.npz: cannot be read as NumPy arrays"),
        ("missing.npy", "missing.npy: no such file"),
        ("missing.png", "missing.png: no such picture"),
        ("folder.jpg", "folder.jpg: is a directory; give the picture in it"),
        ("random.jpg", "random.jpg: cannot be read as a picture"),
        ("empty.png", "empty.png: cannot be read as a picture"),
        ("truncated.png", "truncated.png: cannot be read as a picture"),
    ],
)
def test_inputs_that_do_not_fit(terminal, inputs, file, says):
    before = sorted(p.name for p in inputs.iterdir())
    said = terminal.refuses("run", "model.tflite", file, "-o", "out.npz")
    assert f"error: {says}" in said
    assert sorted(p.name for p in inputs.iterdir()) == before


def test_a_picture_for_a_model_without_one(terminal, shared_data, inputs):
    file = shared_data / "tflite" / "micro" / "hello_world_float.tflite"
    said = terminal.refuses("run", file, "whole.png")
    assert "a picture needs an input [N, H, W, 1 or 3]; the model takes float32[batch,1]" in said


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ("missing.txt", "missing.txt: cannot be read as a list of labels"),
        ("random.jpg", "random.jpg: cannot be read as a list of labels"),
        ("two.txt", "4 classes need as many labels; got 2"),
    ],
)
def test_labels(terminal, inputs, labels, says):
    (inputs / "two.txt").write_text("cat\ndog\n")
    said = terminal("run", "model.tflite", "--labels", labels)
    assert said.code == 1
    assert f"error: {says}" in said.err


def test_a_signature_that_does_not_exist(terminal, model):
    said = terminal.refuses("run", "model.tflite", "--signature", "train")
    assert "error: no signature 'train'; the model has ['serving_default']" in said


def test_operators_that_cannot_run_are_all_named(terminal, shared_data):
    file = shared_data / "tflite" / "litert_unit" / "testdata__multi_add_flex.bin"
    said = terminal.refuses("run", file)
    assert "error: 3 operators of 1 kind cannot run:\n" in said
    assert "  - 3 x FlexAddV2: TensorFlow's AddV2, which only TensorFlow runs; convert the" in said


@pytest.mark.parametrize("verb", ["run", "inspect"])
def test_a_source_where_a_tflite_file_belongs(terminal, verb):
    said = terminal.refuses(verb, CONVOLUTION)
    assert "it is a Keras file or another zip archive; convert it first (edgewise convert)" in said


def test_a_picture_for_the_demo_that_is_none(terminal, inputs):
    said = terminal.refuses("demo", "--image", "random.jpg")
    assert "random.jpg: cannot be read as a picture" in said


# -- usage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["insepct", "m"], "No such verb 'insepct'. Did you mean 'inspect'?"),
        (["quux"], "No such verb 'quux'. Verbs are benchmark, compare, convert, "),
        (["run", "m", "--inptu", "x"], "No such option"),
        (["--nope"], "No such option"),
        (["run"], "Missing argument 'MODEL'"),
        (["run", "m", "--top", "0"], "0 is not in the range x>=1"),
        (["run", "m", "--top", "many"], "'many' is not a valid integer"),
        (["run", "m", "--normalize", "0..2"], "'0..2' is not one of"),
        (["inspect", "a", "b"], "unexpected extra argument (b)"),
    ],
)
def test_wrong_usage(terminal, arguments, says):
    said = terminal.refuses(*arguments, code=2)
    assert said.startswith("Usage: edgewise")
    assert "--help' for help." in said
    assert says in said


def test_the_nearest_option(terminal):
    assert "--labels" in terminal.refuses("run", "m", "--lables", "x", code=2).split("error:")[1]


# -- what nobody expects ------------------------------------------------------------------------


def test_a_bug_of_ours_is_told_as_one(terminal, model, monkeypatch):
    def broken(path: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("edgewise.cli.inspect.load", broken)
    said = terminal("inspect", "model.tflite")
    assert said.code == 1
    assert "error: KeyError: 'x'\nThis is a bug in Edgewise. Please report it" in said.err
    monkeypatch.setenv("EDGEWISE_DEBUG", "1")
    with pytest.raises(KeyError):
        terminal("inspect", "model.tflite")


def test_an_interrupt(terminal, model, monkeypatch):
    def interrupted(path: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgewise.cli.inspect.load", interrupted)
    said = terminal("inspect", "model.tflite")
    assert (said.code, said.err) == (130, "\nerror: interrupted\n")


def test_a_reader_that_closes_the_pipe_early(model):
    """`edgewise inspect ... | head -1` ends quietly."""
    line = "import sys; from edgewise.cli.main import main; sys.argv[0] = 'edgewise'; main()"
    command = [sys.executable, "-c", line, "inspect", str(model), "--json"]
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        run = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    assert (run.returncode, run.stderr) == (1, "")


def test_no_memory(terminal, model, monkeypatch):
    def too_big(path: object) -> None:
        raise MemoryError

    monkeypatch.setattr("edgewise.cli.inspect.load", too_big)
    assert "error: not enough memory" in terminal.refuses("inspect", "model.tflite")


def test_the_exit_code_reaches_the_system(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["edgewise", "inspect", str(tmp_path / "no.tflite")])
    with pytest.raises(SystemExit) as exit_:
        edgewise_main.main()
    assert exit_.value.code == 1
    assert "does not exist" in capsys.readouterr().err


def test_random_inputs_that_would_fill_the_memory_are_refused(terminal, tmp_path):
    b = Builder()
    model = edgewise.Model()
    model.add(b.finish(b.relu(b.input("x", (1 << 20, 1 << 20)))))
    model.save(tmp_path / "huge.tflite")
    assert "would fill the memory; give an INPUT" in terminal.refuses("run", "huge.tflite")
