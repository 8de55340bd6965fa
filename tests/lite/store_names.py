"""Store what `tf.lite` and `ai_edge_litert.interpreter` offer: names, parameters, defaults.

    ORACLE_PYTHON tests/lite/store_names.py > tests/lite/names.json

`ORACLE_PYTHON` has tensorflow and ai-edge-litert. `inventory` works on any module, so the test asks
it the same of `edgewise.lite`. It stands alone: standard library only, besides what it describes.
"""

from __future__ import annotations

import enum
import inspect
import json
import os
import sys
from types import ModuleType
from typing import Any

CONSTRUCTORS = (
    "from_keras_model",
    "from_saved_model",
    "from_concrete_functions",
    "experimental_from_jax",
)


def main() -> None:
    """Print the inventory of the real modules as JSON."""
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the tests run on
    import ai_edge_litert.interpreter as litert
    import tensorflow as tf

    found = {
        "tf.lite": inventory(tf.lite, "tensorflow"),
        "ai_edge_litert.interpreter": inventory(litert, "ai_edge_litert.interpreter"),
        "converter_attributes": _converter_attributes(tf),
        "target_spec": plain_attributes(tf.lite.TargetSpec()),
    }
    json.dump(found, sys.stdout, indent=1, sort_keys=True)
    print()


def inventory(module: ModuleType, package: str) -> dict[str, Any]:
    """Public names of a module and of its submodules inside `package`, described."""
    found = {}
    for name in dir(module):
        if name.startswith("_"):
            continue
        value = getattr(module, name)
        if isinstance(value, ModuleType):
            if value.__name__.startswith(f"{package}."):
                found[name] = {"names": inventory(value, package)}
        elif inspect.isclass(value) and issubclass(value, enum.Enum):
            found[name] = {"values": {m.name: m.value for m in value}}
        elif inspect.isclass(value):
            found[name] = {"members": _members(value), "parameters": _parameters(value.__init__)}
        elif callable(value):
            found[name] = {"parameters": _parameters(value)}
    return found


def plain_attributes(thing: object) -> dict[str, Any]:
    """Public attributes of an object with their values as text."""
    return {k: _text(v) for k, v in sorted(vars(thing).items()) if not k.startswith("_")}


def _members(kind: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in dir(kind):
        if name.startswith("_"):
            continue
        static = inspect.getattr_static(kind, name)
        if isinstance(static, property):
            found[name] = "property"
        elif callable(getattr(kind, name)):
            found[name] = _parameters(getattr(kind, name))
    return found


def _parameters(function: Any) -> list[list[str]]:
    """[name, default as text] of each parameter; the default is "" where there is none."""
    if function is object.__init__:
        return []
    starred = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [
        [starred.get(p.kind, "") + p.name, "" if p.default is p.empty else _text(p.default)]
        for p in inspect.signature(function).parameters.values()
        if p.name != "self"
    ]


def _text(value: Any) -> str:
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(map(_text, value)))}}}"
    if value is None or isinstance(value, (bool, int, str)):
        return repr(value)
    named = getattr(value, "name", None) or getattr(value, "__name__", None)
    return str(named or type(value).__name__)


def _converter_attributes(tf: Any) -> dict[str, Any]:
    """Public attributes of a converter of each kind, as set when it is made."""
    keras = tf.keras.Sequential([tf.keras.layers.Input((2,)), tf.keras.layers.Dense(1)])
    function = tf.function(lambda x: x + 1.0).get_concrete_function(tf.TensorSpec([2], tf.float32))
    lite = sys.modules[tf.lite.TFLiteConverter.__module__]
    converters = {
        "from_keras_model": tf.lite.TFLiteConverter.from_keras_model(keras),
        "from_saved_model": lite.TFLiteSavedModelConverterV2(None, None, None, None),
        "from_concrete_functions": tf.lite.TFLiteConverter.from_concrete_functions([function]),
        "experimental_from_jax": tf.lite.TFLiteConverter.experimental_from_jax([lambda x: x], [[]]),
    }
    return {name: plain_attributes(converter) for name, converter in converters.items()}


if __name__ == "__main__":
    main()
