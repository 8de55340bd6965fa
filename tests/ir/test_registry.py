"""Operators by name, imported when they are asked for; and what selects their kernels."""

from __future__ import annotations

import subprocess
import sys

import pytest

import edgewise.ops  # noqa: F401  (says where the operators are)
from edgewise.ir.op import Op, by_builtin, by_custom
from edgewise.ir.registry import Registry


def test_a_name_imports_its_module() -> None:
    program = (
        "import sys, edgewise.ops; from edgewise.ir.op import Op;"
        "assert Op.registry.is_known('lstm') and not Op.registry.is_known('no_such');"
        "assert 'edgewise.ops.lstm' not in sys.modules;"
        "assert Op.registry['lstm'].__module__ == 'edgewise.ops.lstm';"
        "assert 'edgewise.ops.svdf' not in sys.modules;"
        "names = list(Op.registry); assert 'edgewise.ops.svdf' in sys.modules;"
        "assert names == sorted(names) and len(names) == len(Op.registry)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_names_of_files() -> None:
    found = by_builtin("CONV_2D")
    assert found is Op.registry["conv_2d"]
    assert by_builtin("conv_2d") is None
    assert by_builtin("NO_SUCH") is None
    assert by_builtin("CUSTOM") is None
    custom = by_custom("Convolution2DTransposeBias")
    assert custom is not None
    assert by_builtin("Convolution2DTransposeBias") is None
    assert by_custom("convolution2dtransposebias") is None


def test_a_registry_of_its_own() -> None:
    registry: Registry[int] = Registry()
    registry["b"], registry["a"] = 2, 1
    assert list(registry.items()) == [("a", 1), ("b", 2)]
    del registry["a"]
    assert "a" not in registry
    assert not registry.is_known("a")
    with pytest.raises(KeyError):
        registry["a"]
