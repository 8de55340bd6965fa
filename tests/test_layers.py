"""Imports go one way: a package of `src/edgewise` imports only what stands before it.

    errors, {dtypes, hashing, lazy, log}, files, values < metrics < ir < ops
        < {format, frontends, passes} < runtime < metadata < data < {optimize, delegates, deploy}
        < custom < {train, zoo} < tasks < api, __init__, lite, measure, cli

Packages in one brace do not import each other. Imports inside functions count too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "edgewise"

# Packages of one inner set do not import each other; those of one tuple and different sets may,
# leftwards.
LAYERS: tuple[tuple[frozenset[str], ...], ...] = (
    (
        frozenset({"errors"}),
        frozenset({"dtypes", "hashing", "lazy", "log"}),
        frozenset({"files"}),
        frozenset({"values"}),
    ),
    (frozenset({"metrics"}),),
    (frozenset({"ir"}),),
    (frozenset({"ops"}),),
    (frozenset({"format", "frontends", "passes"}),),
    (frozenset({"runtime"}),),
    (frozenset({"metadata"}),),
    (frozenset({"data"}),),
    (frozenset({"optimize", "delegates", "deploy"}),),
    (frozenset({"custom"}),),
    (frozenset({"train", "zoo"}), frozenset({"tasks"})),
    (
        frozenset({"api"}),
        frozenset({"__init__"}),
        frozenset({"lite"}),
        frozenset({"measure"}),
        frozenset({"cli"}),
    ),
    (frozenset({"__main__"}),),
)
RANK = {
    name: rank
    for rank, group in enumerate(group for layer in LAYERS for group in layer)
    for name in group
}


def package_of(path: Path, root: Path) -> str:
    """The package (or module) directly under the root that a file belongs to."""
    return path.relative_to(root).parts[0].removesuffix(".py")


def imports(tree: ast.AST, path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """(line, package) of every import of `edgewise`, absolute or relative, lazy ones included."""
    here = ("edgewise", *path.relative_to(root).parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(here[: len(here) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            targets = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for target in targets:
            if target[0] == "edgewise":
                name = target[1] if len(target) > 1 else "__init__"
                yield node.lineno, name if name in RANK else "__init__"


def violations(root: Path) -> list[str]:
    """A sentence for each import that goes the wrong way, and for each package without a layer."""
    found = []
    for path in sorted(root.rglob("*.py")):
        package = package_of(path, root)
        where = path.relative_to(root)
        if package not in RANK:
            found.append(f"{where}: package '{package}' has no layer; add it to LAYERS")
            continue
        for line, target in imports(ast.parse(path.read_bytes()), path, root):
            if target != package and RANK[target] >= RANK[package]:
                found.append(f"{where}:{line}: {package} must not import {target}")
    return found


def test_imports_go_one_way():
    assert violations(SOURCE) == []


CASES = {
    "ops/conv.py: from edgewise.ir import Node": [],
    "ops/conv.py: from edgewise import ir, dtypes": [],
    "ops/conv.py: from ..errors import ShapeError": [],
    "ops/conv.py: from . import base": [],
    "lite.py: import edgewise": [],
    "cli/run.py: import edgewise.lite": [],
    "ir/graph.py: from edgewise.ops import conv": ["ir/graph.py:1: ir must not import ops"],
    "ir/graph.py: def f():\n  import edgewise.ops": ["ir/graph.py:2: ir must not import ops"],
    "ir/graph.py: from ..ops.conv import x": ["ir/graph.py:1: ir must not import ops"],
    "format/read.py: from edgewise import passes": [
        "format/read.py:1: format must not import passes"
    ],
    "format/read.py: from edgewise import load": [
        "format/read.py:1: format must not import __init__"
    ],
    "errors.py: import edgewise.dtypes": ["errors.py:1: errors must not import dtypes"],
    "lite.py: from edgewise.cli import main": ["lite.py:1: lite must not import cli"],
    "misc/x.py: pass": ["misc/x.py: package 'misc' has no layer; add it to LAYERS"],
}


@pytest.mark.parametrize("case", CASES)
def test_the_rule_itself(tmp_path, case):
    name, text = case.split(": ", 1)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert violations(tmp_path) == CASES[case]
