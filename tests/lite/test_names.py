"""Every public name, parameter, default and member of `tf.lite` and LiteRT exists here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import edgewise.lite
import edgewise.lite.experimental.authoring
import edgewise.lite.interpreter
from tests.oracle.litert import find_python

from .store_names import CONSTRUCTORS, inventory, plain_attributes

FOLDER = Path(__file__).parent
REAL = json.loads((FOLDER / "names.json").read_text())
MODULES = {
    "tf.lite": edgewise.lite,
    "ai_edge_litert.interpreter": edgewise.lite.interpreter,
}


def missing(real: dict, ours: dict, where: str = "") -> list[str]:
    """What the real inventory has and ours has not, or has otherwise; ours may have more."""
    problems = []
    for name, facts in real.items():
        here = f"{where}{name}"
        if name not in ours:
            problems.append(f"{here}: missing")
            continue
        for aspect, wanted in facts.items():
            found = ours[name].get(aspect)
            if aspect == "names":
                problems += missing(wanted, found or {}, f"{here}.")
            elif aspect == "members":
                extra = {k: v for k, v in wanted.items() if (found or {}).get(k) != v}
                problems += [f"{here}.{k}: {v}" for k, v in extra.items()]
            elif aspect == "parameters":
                if (found or [])[: len(wanted)] != wanted:
                    problems.append(f"{here}({wanted}): ours are {found}")
            elif found != wanted:
                problems.append(f"{here}: {aspect} {wanted}; ours are {found}")
    return problems


@pytest.mark.parametrize("module", MODULES)
def test_names_and_parameters(module):
    ours = inventory(MODULES[module], "edgewise.lite")
    assert missing(REAL[module], ours) == []


@pytest.mark.parametrize("constructor", CONSTRUCTORS)
def test_attributes_of_a_converter(constructor):
    arguments = {"experimental_from_jax": ([], []), "from_saved_model": (object(),)}
    make = getattr(edgewise.lite.TFLiteConverter, constructor)
    ours = plain_attributes(make(*arguments.get(constructor, ([object()],))))
    assert REAL["converter_attributes"][constructor].items() <= ours.items()


def test_attributes_of_a_target_spec():
    assert plain_attributes(edgewise.lite.TargetSpec()) == REAL["target_spec"]


@pytest.mark.parametrize(
    ("thing", "wrong", "right"),
    [
        (edgewise.lite, "TFLiteConvertor", "TFLiteConverter"),
        (edgewise.lite, "Interpeter", "Interpreter"),
        (edgewise.lite.interpreter, "load_delegates", "load_delegate"),
        (edgewise.lite.experimental, "Analyser", "Analyzer"),
        (edgewise.lite.experimental.authoring, "compatable", "compatible"),
        (edgewise.lite.TFLiteConverter.from_keras_model(None), "optimization", "optimizations"),
        (edgewise.lite.TFLiteConverter.from_keras_model(None), "convrt", "convert"),
        (edgewise.lite.Interpreter.__new__(edgewise.lite.Interpreter), "set_tensors", "set_tensor"),
    ],
)
def test_an_unknown_attribute_names_the_nearest(thing, wrong, right):
    with pytest.raises(AttributeError, match=rf"'{wrong}'; did you mean '{right}'\?"):
        getattr(thing, wrong)


def test_setting_an_unknown_attribute_names_the_nearest():
    converter = edgewise.lite.TFLiteConverter.from_keras_model(None)
    with pytest.raises(AttributeError, match="did you mean 'representative_dataset'"):
        converter.representative_data_set = None


def test_completion_shows_the_public_names():
    assert dir(edgewise.lite) == sorted(edgewise.lite.__all__)
    assert dir(edgewise.lite.interpreter) == edgewise.lite.interpreter.__all__
    assert {"optimizations", "convert"} <= set(
        dir(edgewise.lite.TFLiteConverter.from_keras_model(None))
    )


@pytest.mark.parity
def test_the_inventory_is_that_of_the_real_modules(request):
    python = find_python(request.config.getoption("--oracle-python"), "tensorflow")
    if python is None:
        pytest.skip("tensorflow is not installed; install it or pass --oracle-python PATH")
    script = FOLDER / "store_names.py"
    run = subprocess.run([python, script], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == REAL
