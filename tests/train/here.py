"""Keras, where it is installed, on JAX unless something else is asked for."""

from __future__ import annotations

import warnings

import pytest

from edgewise.errors import MissingExtra
from edgewise.train.backend import keras


def need_keras() -> object:
    """The module; skips the module that asks where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return keras()
        except MissingExtra:
            pytest.skip("Keras is not installed here", allow_module_level=True)
