"""Keras files that were tampered with, through `convert`: our errors, soon, in little memory.

Each runs in a worker process (`tests.frontends.hostile`), because libhdf5 may crash.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import edgewise
from edgewise.errors import ConversionError, EdgewiseError, FormatError
from tests.frontends.hostile import attempt
from tests.frontends.keras.test_bad_input import members, packed, reconfigured

ARCHIVE = "tests.frontends.keras.keras_mutants:archive"
LEGACY = "tests.frontends.keras.keras_mutants:legacy"


def run(make: str, seed: int, count: int) -> None:
    turns = attempt(make, seed, count)
    assert {turn.outcome for turn in turns} == {"converted", "refused"}


@pytest.mark.ci
@pytest.mark.parametrize("make", [ARCHIVE, LEGACY])
def test_mutated_files(make: str) -> None:
    run(make, 1, 40)


@pytest.mark.ci
@pytest.mark.parametrize("make", [ARCHIVE, LEGACY])
def test_more_mutated_files(make: str, seed: int) -> None:
    run(make, seed, 200)


@pytest.mark.full
@pytest.mark.timeout(5000)
@pytest.mark.parametrize("make", [ARCHIVE, LEGACY])
def test_ten_thousand_mutated_files(make: str, seed: int) -> None:
    run(make, seed, 10_000)


# -- what the mutants found -------------------------------------------------------------------


def convert(data: bytes, folder: Path) -> None:
    path = folder / "m.keras"
    path.write_bytes(data)
    edgewise.convert(path).to_bytes()


def layer(config: dict, name: str) -> dict:
    (found,) = [item for item in config["config"]["layers"] if item["name"] == name]
    return found


def text_for_a_tensor(config: dict) -> None:
    """It was taken for a list of texts of one letter, and each of those again."""
    layer(config, "base")["inbound_nodes"][0]["args"] = ["x"]


def array_for_a_dtype(config: dict) -> None:
    value = {"value": [1, 2], "dtype": "int8"}
    config["config"]["layers"][0]["config"]["dtype"] = {"class_name": "__numpy__", "config": value}


def array_for_a_flag(config: dict) -> None:
    value = {"value": [1, 2], "dtype": "int8"}
    use_bias = {"class_name": "__numpy__", "config": value}
    layer(config, "base")["config"]["layers"][1]["config"]["use_bias"] = use_bias


def output_that_is_none(config: dict) -> None:
    config["config"]["output_layers"] = {"o": ["shared", 0, 5]}


def input_that_is_none(config: dict) -> None:
    config["config"]["input_layers"] = config["config"]["input_layers"][:0]


def deep_config(config: dict) -> None:
    value: object = 1
    for _ in range(600):
        value = [value]
    layer(config, "relu")["inbound_nodes"][0]["kwargs"] = {"x": value}


@pytest.mark.parametrize(
    ("edit", "error", "says"),
    [
        (text_for_a_tensor, ConversionError, "a tensor is expected here; found 'x'"),
        (array_for_a_dtype, FormatError, "its config must fit together; The truth value"),
        (array_for_a_flag, FormatError, "its config must fit together; The truth value"),
        (output_that_is_none, FormatError, "has 1 outputs; output 5 is used"),
        (input_that_is_none, FormatError, "is no input of its model"),
        (deep_config, FormatError, "may be nested 250 levels deep"),
    ],
)
def test_contradictions_found_late(
    edit: Callable[[dict], None], error: type[EdgewiseError], says: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=says):
        convert(reconfigured("nested.keras", edit), tmp_path)


def test_the_message_on_a_damaged_member_is_short(tmp_path: Path) -> None:
    """zipfile repeats the whole name that a header claims."""
    data = packed(
        members("nested.keras") | {"metadata.json": json.dumps({"x": "y" * 9999}).encode()}
    )
    at = data.index(b"metadata.json") - 4
    data = data[:at] + (9000).to_bytes(2, "little") + data[at + 2 :]
    with pytest.raises(FormatError, match=r"member 'metadata\.json' is damaged") as caught:
        convert(data, tmp_path)
    assert len(str(caught.value)) < 400
