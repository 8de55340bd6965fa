"""Keras layers whose code calls PyTorch, which traces them: converted and run next to Keras.

They need Keras on PyTorch (CONTRIBUTING.md).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed here")
torch = pytest.importorskip("torch", reason="PyTorch is not installed here")
if keras.backend.backend() != "torch":
    pytest.skip("only on the PyTorch back end", allow_module_level=True)

from keras import layers as L  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import edgewise  # noqa: E402
from edgewise.errors import UnsupportedOp  # noqa: E402
from tests.frontends.keras.live.checks import check, randomize  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


class Own(L.Layer):
    """A layer that runs a function."""

    def __init__(self, function, **options):
        super().__init__(**options)
        self.function = function

    def call(self, x, training=None):
        return self.function(self, x)


class Heads(L.Layer):
    """Attention by PyTorch, projections by Keras."""

    def __init__(self, **options):
        super().__init__(**options)
        self.project = L.Dense(24, name="project")

    def build(self, shape):
        self.project.build(shape)
        self.out = self.add_weight(shape=(8, 5), name="out")

    def call(self, x, training=None):
        q, k, v = (
            part.view(x.shape[0], -1, 2, 4).transpose(1, 2)
            for part in torch.chunk(self.project(x), 3, dim=-1)
        )
        y = F.scaled_dot_product_attention(q, k, v)
        y = F.dropout(y.transpose(1, 2).flatten(2), 0.5, training=bool(training))
        return torch.einsum("bti,io->bto", y, self.out.value)


def data(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def model_of(*own, shape=(6, 8)):
    """Layers of Keras around the user's own."""
    x = source = keras.Input(shape, name="x")
    x = L.LayerNormalization(name="before")(x)
    for layer in own:
        x = layer(x)
    return keras.Model(source, L.Dense(3, activation="softmax", name="after")(x))


def test_attention_by_pytorch_between_layers_of_keras():
    model = model_of(Heads(name="heads"))
    randomize(model)
    made = check(model, data(2, 6, 8))
    names = [value.name for value in made.main.values() if value.is_constant]
    assert any("heads/project/kernel" in name for name in names), names
    lines = {node.location.line for node in made.main.nodes if "heads" in node.location.layer}
    assert len(lines) > 3, lines  # each node has the line that made it


def test_convolutions_in_the_order_of_pytorch():
    class Block(L.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(4, shape[-1], 3, 3), name="w")

        def call(self, x):
            y = F.conv2d(x.permute(0, 3, 1, 2), self.w.value, padding=1, stride=2)
            return F.gelu(y).permute(0, 2, 3, 1)

    model = model_of(Block(name="block"), shape=(8, 8, 3))
    randomize(model)
    check(model, data(2, 8, 8, 3))


def test_only_the_layer_that_calls_pytorch_is_traced_by_it():
    class Inner(L.Layer):
        def call(self, x):
            return torch.sin(x) + torch.arange(x.shape[-1])

    class Outer(L.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.inner, self.dense = Inner(name="inner"), L.Dense(4, name="dense")

        def call(self, x):
            return self.dense(self.inner(x))

    model = model_of(Outer(name="outer"))
    randomize(model)
    made = check(model, data(2, 6, 8))
    layers = {node.location.layer for node in made.main.nodes}
    assert any("outer/dense" in layer for layer in layers), layers


def test_a_subclassed_model_whose_own_call_is_pytorch():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = L.Dense(8), L.Dense(3)

        def call(self, x):
            h = F.relu(self.first(x))
            return {"y": torch.softmax(self.second(h), -1), "h": h.mean(-1)}

    net, x = Net(), data(4, 5)
    net(x)
    check(net, x)


@pytest.mark.parametrize(
    "function",
    [
        lambda layer, x: x.view(x.size(0), -1, 2, 4).flatten(1).unsqueeze(1).repeat(1, 6, 1),
        lambda layer, x: torch.cat([x[:, :1].expand(-1, 6, -1), x], -1),
        lambda layer, x: torch.where(x > 0, x, x.exp() - 1).cumsum(1),
        lambda layer, x: F.normalize(x, dim=-1) @ x.transpose(1, 2),
        lambda layer, x: x * torch.ones(x.shape[0], 1, 1) * x.shape[0],
    ],
    ids=["views", "cat", "where", "normalize", "sizes"],
)
def test_functions_of_pytorch(function):
    model = model_of(Own(function, name="own"))
    randomize(model)
    check(model, data(3, 6, 8))


def refusal(function) -> str:
    with pytest.raises(UnsupportedOp) as caught:
        edgewise.convert(model_of(Own(function, name="own")))
    return str(caught.value)


def test_what_has_no_operator_is_refused_with_the_line():
    found = refusal(lambda layer, x: torch.linalg.inv(x[:, :4, :4]) @ x[:, :4])
    line = next(
        i
        for i, text in enumerate(Path(__file__).read_text().splitlines(), 1)
        if "linalg.inv(" in text
    )
    assert found.endswith(
        ": 1 layer cannot be converted:\n  - 'own' (Own): its call() as PyTorch traces it: 1"
        " operation of PyTorch cannot be converted:\n  - linalg_inv.default 'own/linalg_inv'"
        f" ({__file__}:{line}): matrices are not decomposed or solved in a .tflite model; compute"
        " it before and give the result as an input"
    ), found


def test_random_numbers_are_refused():
    assert "it draws random numbers, which a converted model cannot" in refusal(
        lambda layer, x: x + torch.rand_like(x)
    )


def test_updates_of_variables_are_refused():
    class Counts(L.Layer):
        def build(self, shape):
            self.count = self.add_weight(shape=(), name="count", trainable=False)

        def call(self, x):
            self.count.assign(self.count + 1.0)
            return torch.sin(x)

    with pytest.raises(UnsupportedOp, match=r"updates the variable 'count'; a converted model"):
        edgewise.convert(model_of(Counts(name="counts")))


def test_decisions_by_value_are_refused():
    found = refusal(lambda layer, x: torch.sin(x) if torch.sin(x).sum() > 0 else -torch.sin(x))
    assert "decides by the value of a tensor" in found, found


def test_modules_in_evaluation_mode_are_folded():
    class Block(L.Layer):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8)

        def call(self, x):
            y = self.norm(self.conv(x.permute(0, 3, 1, 2)))
            return F.relu(y, inplace=True).permute(0, 2, 3, 1)

    block, source = Block(), keras.Input((9, 9, 3))
    model = keras.Model(source, block(source))
    block.norm.module.running_mean += 0.3
    made = check(model, data(2, 9, 9, 3))
    assert [node.op.name for node in made.main.nodes] == ["conv_2d"]


def test_weights_of_modules_have_their_paths():
    class Block(L.Layer):
        def __init__(self):
            super().__init__(name="block")
            self.rnn = torch.nn.LSTM(8, 4, batch_first=True)
            self.head = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Tanh())

        def call(self, x):
            return self.head(self.rnn(x)[0])

    block, source = Block(), keras.Input((6, 8))
    made = check(keras.Model(source, block(source)), data(2, 6, 8))
    names = {value.name for value in made.main.values() if value.is_constant}
    assert "block/head/0/weight" in names, names
    assert not any("_torch_params" in name for name in names), names
    assert "unidirectional_sequence_lstm" in [node.op.name for node in made.main.nodes]
    assert all("held" not in node.location.layer for node in made.main.nodes)
