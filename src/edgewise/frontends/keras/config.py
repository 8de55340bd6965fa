"""Keras's JSON to plain values: arrays, slices, references, objects, dtype policies.

Source: keras/src/saving/serialization_lib.py and legacy/saving/json_utils.py (Keras 3.15), and the
encoder of Keras 2 (`json_utils.get_json_type`) for `__tuple__`, `TensorShape` and `__ellipsis__`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from edgewise.errors import FormatError
from edgewise.frontends.keras.description import (
    DTypePolicy,
    FunctionRef,
    KerasObject,
    PythonCode,
    TensorRef,
)

MAX_DEPTH = 150  # levels of JSON in a layer; one nested model takes about six
MAX_JSON_DEPTH = 250


def parse_json(text: bytes | str, what: str) -> dict[str, object]:
    """The JSON object in `text`.

    Raises:
        FormatError: not JSON, not an object, or nested too deeply to be a model.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{what} must be JSON; {error}. Save the model again.") from error
    if not isinstance(value, dict):
        raise FormatError(f"{what} must be a JSON object; found {type(value).__name__}")
    if _is_deeper(value, MAX_JSON_DEPTH):
        raise FormatError(f"{what} may be nested {MAX_JSON_DEPTH} levels deep; it is deeper")
    return value


def _is_deeper(value: dict[object, object], limit: int) -> bool:
    """There are more levels of lists and dicts than `limit`: our readers take two calls for one."""
    level: list[dict[object, object] | list[object]] = [value]
    for _ in range(limit):
        children = [item for v in level for item in (v.values() if isinstance(v, dict) else v)]
        level = [item for item in children if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def decode(value: object, depth: int = 0) -> object:
    """A config value with Keras's special objects replaced by those of `description`."""
    if depth > MAX_DEPTH:
        raise FormatError(f"a config may be nested {MAX_DEPTH} levels deep; this one is deeper")
    if isinstance(value, list):
        return [decode(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if "class_name" in value:
        return _decode_object(value, depth + 1)
    return {key: decode(item, depth + 1) for key, item in value.items()}


def _decode_object(value: Mapping[str, object], depth: int) -> object:
    name, config = value["class_name"], value.get("config")
    if not isinstance(name, str):
        raise FormatError(f"class_name must be a string; found {name!r:.80}")
    if name == "__ellipsis__":
        return Ellipsis
    if name in ("__tuple__", "TensorShape"):
        return decode(value.get("items"), depth)
    if name == "__lambda__":
        code = config.get("code") if isinstance(config, dict) else value.get("code")
        return PythonCode(len(code) if isinstance(code, str) else 0)
    if name == "__typespec__":
        return KerasObject(name, decode(config, depth))
    if not name.startswith("__"):
        return _decode_named(name, value, depth)
    if not isinstance(config, dict):
        raise FormatError(f"'{name}' must have a config object; found {config!r:.80}")
    if name == "__keras_tensor__":
        return tensor_ref(config.get("keras_history"))
    if name in ("__numpy__", "__tensor__"):
        return _array(config)
    if name == "__bytes__":
        return str(config.get("value")).encode()
    if name == "__slice__":
        parts = (decode(config.get(key), depth) for key in ("start", "stop", "step"))
        return slice(*parts)
    return KerasObject(name, decode(config, depth))


def _decode_named(name: str, value: Mapping[str, object], depth: int) -> object:
    module, registered = (
        text_or_none(value.get("module")),
        text_or_none(value.get("registered_name")),
    )
    if name == "function":
        return FunctionRef(str(value.get("config")), module, registered)
    return KerasObject(name, decode(value.get("config"), depth), module, registered)


def tensor_ref(history: object) -> TensorRef:
    """The reference written as `[layer name, node index, tensor index]` (and kwargs).

    Raises:
        FormatError: another shape, or a negative index.
    """
    if is_tensor_ref(history):
        assert isinstance(history, list)
        return TensorRef(history[0], history[1], history[2])
    raise FormatError(f"a tensor must be [layer, call, output]; found {history!r:.80}")


def is_tensor_ref(value: object) -> bool:
    """`value` has the form `[str, int >= 0, int >= 0]` or that with a dict of keyword arguments."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(type(index) is int and 0 <= index < 1 << 31 for index in value[1:3])
        and (len(value) == 3 or isinstance(value[3], dict))
    )


def _array(config: Mapping[str, object]) -> np.ndarray:
    try:
        dtype = np.dtype(str(config.get("dtype")))
        if dtype.kind not in "biuf":
            raise ValueError(f"dtype {dtype} is not numeric")
        return np.array(config.get("value"), dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"an array in the config cannot be read: {error}") from error


def text_or_none(value: object) -> str | None:
    """`value` if it is a string."""
    return value if isinstance(value, str) else None


def dtype_policy(raw: object) -> DTypePolicy:
    """The policy in a layer's `dtype` entry: a name, or a serialized policy of Keras 2 or 3.

    `raw` is the JSON value, not decoded. Unknown names stay as they are for all three dtypes.
    """
    if isinstance(raw, str):
        return _named_policy(raw)
    if not isinstance(raw, dict) or not isinstance(raw.get("config"), dict):
        return DTypePolicy()
    config = raw["config"]
    if raw.get("class_name") == "DTypePolicyMap":
        return _policy_map(config)
    if "mode" in config:
        return _quantized_policy(str(config["mode"]), config.get("source_name"))
    return _named_policy(str(config.get("name", "float32")))


def _policy_map(config: Mapping[str, object]) -> DTypePolicy:
    default = dtype_policy(config.get("default_policy"))
    entries = config.get("policy_map")
    overrides = (
        {path: dtype_policy(entry) for path, entry in entries.items() if entry is not None}
        if isinstance(entries, dict)
        else {}
    )
    return DTypePolicy(
        default.name, default.compute, default.variable, default.quantization, overrides
    )


def _quantized_policy(mode: str, source: object) -> DTypePolicy:
    """`int4/128` (mode and group size) and `int8` with the float policy they were made from."""
    base = _named_policy(source if isinstance(source, str) else "float32")
    kind = mode.split("/")[0]
    return DTypePolicy(f"{mode}_from_{base.name}", base.compute, base.variable, kind)


def _named_policy(name: str) -> DTypePolicy:
    if "_from_" in name:
        return _quantized_policy(*name.split("_from_", 1))
    if name.startswith("mixed_"):
        return DTypePolicy(name, name.removeprefix("mixed_"), "float32")
    if name in ("_infer", "infer"):
        return DTypePolicy()
    return DTypePolicy(name, name, name)
