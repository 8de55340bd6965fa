"""Pytest options and fixtures for the oracles; `tests/conftest.py` imports these names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .litert import Oracle, find_python


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--oracle-python PATH`, `--micro-python PATH`: a Python that has LiteRT, one with TFLM."""
    parser.addoption("--oracle-python", default=None, help="a Python with ai-edge-litert")
    parser.addoption("--micro-python", default=None, help="a Python with tflite-micro")


@pytest.fixture(scope="session")
def oracle(request: pytest.FixtureRequest) -> Iterator[Oracle]:
    """LiteRT in its worker process; skips where it is not installed."""
    yield from _started(request, "--oracle-python", "ai_edge_litert")


@pytest.fixture(scope="session")
def micro_oracle(request: pytest.FixtureRequest) -> Iterator[Oracle]:
    """TensorFlow Lite Micro in its worker process (resolver="micro"); skips where absent."""
    yield from _started(request, "--micro-python", "tflite_micro")


def _started(request: pytest.FixtureRequest, option: str, module: str) -> Iterator[Oracle]:
    python = find_python(request.config.getoption(option), module)
    if python is None:
        pytest.skip(f"{module} is not installed; install it or pass {option} PATH")
    with Oracle(python) as found:
        yield found
