"""JSON changed by somebody who knows that it is JSON: values, keys and places, not bytes."""

from __future__ import annotations

import copy
import random
from typing import Any

WRONG: tuple[Any, ...] = (
    *(None, -1, 0, 1, 2, 3, 2**31 - 1, 2**31, 2**63, 2**70, -(2**63), 1.5, -0.0, 1e308, 1e-320),
    *(float("nan"), float("inf"), True, False, "", "x", "\0", "x" * 5000, "../../x", "{}", "%s"),
    *([], {}, [None], [[]], [1, 2], [-1, 0], [2**40, 3], ["x", 0, 0], [0.5], [[1, 2], [3]]),
    *("Sequential", "Functional", "Dense", "float32", "float99", "int4", "mixed_float16"),
    *("channels_first", "same", "valid", "causal", "linear", "relu", "softmax", "string", "bool"),
    {"class_name": 5},
    {"class_name": "Dense", "config": {}},
    {"class_name": "__numpy__", "config": {"value": [[1], []], "dtype": "float32"}},
    {"class_name": "__numpy__", "config": {"value": [1, 2], "dtype": "int8"}},
    {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}},
    {"class_name": "__slice__", "config": {"start": None, "stop": -(2**70), "step": 0}},
    {"class_name": "__tuple__", "items": [1, None]},
    {"class_name": "__lambda__", "config": {"code": "4wEAAA==", "defaults": None}},
)
Place = tuple[Any, Any]  # a list or dict, and the key in it


def places(value: object) -> list[Place]:
    """Every entry of every list and dict in `value`."""
    found: list[Place] = []
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item))
        found += [(item, key) for key in keys]
        waiting += [item[key] for key in keys if isinstance(item[key], (dict, list))]
    return found


def change_json(config: dict[str, Any], generator: random.Random) -> dict[str, Any]:
    """A copy in which a few entries are others, are gone, or stand elsewhere."""
    config = copy.deepcopy(config)
    for _ in range(generator.choice((1, 1, 1, 2, 4))):
        found = places(config)
        if not found:
            break
        where, key = generator.choice(found)
        match generator.randrange(10):
            case 0:
                del where[key]
            case 1:
                other, place = generator.choice(found)
                where[key] = copy.deepcopy(other[place])
            case 2 if isinstance(where, list):
                where.insert(generator.randrange(len(where) + 1), copy.deepcopy(where[key]))
            case 2 | 3 if isinstance(where[key], list):
                generator.shuffle(where[key])
            case 3 | 4:
                where[key] = _near(where[key], generator)
            case 5 if isinstance(where, dict):
                where[generator.choice(("name", "layers", "config", "x"))] = where.pop(key)
            case 6:
                _rename(found, generator)
            case 7 if generator.random() < 0.3:
                _deepen(where, key, generator)
            case _:
                where[key] = copy.deepcopy(generator.choice(WRONG))
    return config


def _near(value: Any, generator: random.Random) -> Any:
    """A value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return generator.choice((value + 1, value - 1, -value, value * 1000, 2**31, 0))
    if isinstance(value, float):
        return generator.choice((-value, 0.0, value * 1e30, float("nan"), float("inf")))
    if isinstance(value, str):
        return generator.choice((value[1:], value.upper(), value + "_1", "keras." + value))
    if isinstance(value, list):
        return generator.choice((value * 2, value[:-1], [value], value[::-1]))
    return copy.deepcopy(generator.choice(WRONG))


def _rename(found: list[Place], generator: random.Random) -> None:
    """One name becomes another one that is there: double layers, cyclic connections."""
    names = [place for place in found if isinstance(place[0][place[1]], str)]
    if names:
        where, key = generator.choice(names)
        other, place = generator.choice(names)
        where[key] = other[place]


def _deepen(where: Any, key: Any, generator: random.Random) -> None:
    value = where[key]
    for _ in range(generator.choice((5, 30, 200, 400))):
        value = {"class_name": "X", "config": value} if generator.random() < 0.5 else [value]
    where[key] = value
