"""`.keras` and `.h5` files whose own classes and functions the caller gives."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed here")

from keras import layers as L  # noqa: E402
from keras import ops  # noqa: E402

import edgewise  # noqa: E402
from edgewise.errors import ConversionError, UnsupportedOp  # noqa: E402

from . import networks  # noqa: E402
from .checks import answers, compare, randomize  # noqa: E402

pytestmark = [pytest.mark.ci, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(8)


def image(*shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


@keras.saving.register_keras_serializable("mine")
class Scaled(L.Layer):
    """A dense layer inside, a factor of its own."""

    def __init__(self, units=3, factor=2.0, **options):
        super().__init__(**options)
        self.units, self.factor = units, factor
        self.parts = [L.Dense(units), {"norm": L.LayerNormalization()}]

    def build(self, shape):
        self.parts[0].build(shape)
        self.parts[1]["norm"].build((*shape[:-1], self.units))
        self.shift = self.add_weight(shape=(self.units,), name="shift")
        self.built = True

    def call(self, x):
        return self.parts[1]["norm"](self.parts[0](x)) * self.factor + self.shift

    def get_config(self):
        return {**super().get_config(), "units": self.units, "factor": self.factor}


def run(made: edgewise.Model, *data: np.ndarray) -> list[np.ndarray]:
    return list(edgewise.Interpreter(made.to_bytes())(*data).values())


@pytest.mark.parametrize("name", ["mine>Scaled", "Scaled"])
def test_a_custom_layer(tmp_path, name):
    source = keras.Input((4,))
    model = keras.Model(source, L.Dense(2)(Scaled(5, 3.0)(source)))
    randomize(model)
    model.save(tmp_path / "model.keras")
    x = image(3, 4)
    made = edgewise.convert(tmp_path / "model.keras", custom_objects={name: Scaled})
    compare(run(made, x), answers(model, x))


def test_custom_layers_without_build_inside_others(tmp_path):
    model = keras.Sequential(
        [
            L.Input((8, 6, 8)),
            networks.ResidualBlock(8, name="block"),
            L.Reshape((8, 48)),
            L.RNN(networks.Leaky(4)),
        ]
    )
    networks.ResidualBlock.get_config = lambda self: {"filters": 8, "name": self.name}
    networks.Leaky.get_config = lambda self: {"units": self.units, "name": self.name}
    try:
        randomize(model)
        model.save(tmp_path / "model.keras")
        objects = {"ResidualBlock": networks.ResidualBlock, "Leaky": networks.Leaky}
        made = edgewise.convert(tmp_path / "model.keras", custom_objects=objects)
    finally:
        del networks.ResidualBlock.get_config, networks.Leaky.get_config
    x = image(2, 8, 6, 8)
    compare(run(made, x), answers(model, x))


def test_a_subclassed_model(tmp_path):
    model, x = networks.Pictures(), image(2, 32, 24, 3) * 100
    model(x)
    randomize(model)
    networks.Pictures.get_config = lambda self: {"classes": 5}
    try:
        model.save(tmp_path / "model.keras")
        with pytest.raises(ConversionError, match=r"'Pictures' is a subclassed model: its graph"):
            edgewise.convert(tmp_path / "model.keras")
        objects = {"Pictures": networks.Pictures}
        made = edgewise.convert(tmp_path / "model.keras", custom_objects=objects)
    finally:
        del networks.Pictures.get_config
    compare(run(made, x), answers(model, x))


def test_functions(tmp_path):
    def bent(x):
        return ops.maximum(x, 0.25 * x)

    def times(x, factor):
        return x * factor

    source = keras.Input((4,))
    y = L.Lambda(times, arguments={"factor": 3.0}, name="times")(
        L.Dense(3, activation=bent)(source)
    )
    model = keras.Model(source, L.Lambda(lambda t: t + 1.0, name="more")(y))
    randomize(model)
    model.save(tmp_path / "model.keras")
    objects = {"bent": bent, "times": times, "more": lambda t: t + 1.0}
    x = image(5, 4)
    compare(
        run(edgewise.convert(tmp_path / "model.keras", custom_objects=objects), x),
        answers(model, x),
    )
    with pytest.raises(UnsupportedOp) as caught:
        edgewise.convert(tmp_path / "model.keras", custom_objects={"bent": bent})
    assert str(caught.value) == (
        "model.keras: 2 layers cannot be converted:\n"
        "  - 'times' (Lambda): holds Python code, which is never executed; use keras.ops or"
        " built-in layers instead, or give the function: convert(path,"
        " custom_objects={'times': ...})\n"
        "  - 'more' (Lambda): holds Python code, which is never executed; use keras.ops or"
        " built-in layers instead, or give the function: convert(path,"
        " custom_objects={'more': ...})"
    )


def test_an_h5_file(tmp_path):
    source = keras.Input((4,))
    model = keras.Model(source, Scaled(5, 3.0)(source))
    randomize(model)
    model.save(tmp_path / "model.h5")
    x = image(3, 4)
    made = edgewise.convert(tmp_path / "model.h5", custom_objects={"mine>Scaled": Scaled})
    compare(run(made, x), answers(model, x))


def test_a_class_that_does_not_fit(tmp_path):
    source = keras.Input((4,))
    model = keras.Model(source, Scaled(5)(source))
    model.save(tmp_path / "model.keras")

    class Scaled2(Scaled):
        def __init__(self, **options):
            super().__init__(2, **options)

    with pytest.raises(ConversionError) as caught:
        edgewise.convert(tmp_path / "model.keras", custom_objects={"Scaled": Scaled2})
    assert "custom_objects: Scaled2.from_config does not accept what the file says" in str(
        caught.value
    )

    class Wider(Scaled):
        def __init__(self, **options):
            super().__init__(**options)
            self.more = L.Dense(2)

        def build(self, shape):
            super().build(shape)
            self.more.build(shape)

    with pytest.raises(ConversionError) as caught:
        edgewise.convert(tmp_path / "model.keras", custom_objects={"Scaled": Wider})
    assert str(caught.value) == (
        f"'{model.layers[1].name}': 1 weights do not fit:\n"
        "  - 'more/' (Dense) has 2 arrays; the file has 0"
    )
    with pytest.raises(UnsupportedOp, match=r"custom_objects=\{'mine>Scaled': \.\.\.\}"):
        edgewise.convert(tmp_path / "model.keras", custom_objects={"Other": Scaled})
