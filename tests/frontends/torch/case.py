"""Cases of PyTorch code: what is computed, of what. PyTorch is not needed to read them.

A case is code, as text: an expression, or statements with a `return`. It sees `torch`, `F`
(`torch.nn.functional`), its inputs and its weights by their names. PyTorch runs and exports it in
`make_fixtures.py`; the tests compare what we make of the exported graph with what PyTorch gave.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class Case:
    """`inputs` are arrays by name, `weights` constants likewise; the first axis of every input is
    unknown where `dynamic`; `no_litert` says why LiteRT does not run what is made of it."""

    name: str
    code: str
    inputs: dict[str, np.ndarray]
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    dynamic: bool = False
    tolerance: float = 1e-5
    no_litert: str = ""


CASES: dict[str, Case] = {}


def case(
    name: str,
    code: str,
    *,
    weights: dict[str, np.ndarray] | None = None,
    dynamic: bool = False,
    tolerance: float = 1e-5,
    no_litert: str = "",
    **inputs: np.ndarray,
) -> None:
    """Declares a case."""
    assert name not in CASES, name
    CASES[name] = Case(name, code, inputs, weights or {}, dynamic, tolerance, no_litert)


def floats(*shape: int, low: float = -2, high: float = 2, seed: int = 0) -> np.ndarray:
    """float32 numbers, each between the bounds."""
    generator = np.random.default_rng([seed, *shape])
    return generator.uniform(low, high, shape).astype(np.float32)


def ints(
    *shape: int, low: int = -5, high: int = 6, dtype: str = "int64", seed: int = 0
) -> np.ndarray:
    """Whole numbers from `low` up to below `high`."""
    return np.random.default_rng([seed, *shape]).integers(low, high, shape).astype(dtype)


def bools(*shape: int, seed: int = 0) -> np.ndarray:
    """Truth values."""
    return np.random.default_rng([seed, *shape]).integers(0, 2, shape).astype(np.bool_)
