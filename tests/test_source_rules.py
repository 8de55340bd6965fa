"""Rules of CONTRIBUTING.md about the source that neither ruff nor mypy can express."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "edgewise"
LIBRARY = sorted(path for path in SOURCE.rglob("*.py"))
Rule = Callable[[ast.Module], Iterator[tuple[int, str]]]

# A name that says nothing about what is inside (rule 13).
VAGUE = {"utils", "util", "common", "helpers", "helper", "misc", "manager"}


@lru_cache(maxsize=1)
def nodes(tree: ast.Module) -> list[ast.AST]:
    """What `ast.walk` gives, once for all rules."""
    return list(ast.walk(tree))


def prints(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The library logs; only the command line writes to the terminal."""
    for node in nodes(tree):
        match node:
            case ast.Call(func=ast.Name("print" | "breakpoint" | "input" as name)):
                yield node.lineno, f"{name}() in the library; use the logger"


def environment(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Behaviour is an argument; only EDGEWISE_DEBUG, which shows more, may be read, where the
    system keeps caches (XDG Base Directory Specification), and which back end Keras runs on, which
    is said to it in no other way."""
    readers = {"environ", "environb", "getenv", "getenvb"}
    allowed: set[ast.AST] = set()
    for node in nodes(tree):  # a call comes before the names inside it
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(attr="environ") as reader, attr="get"),
                args=[ast.Constant("EDGEWISE_DEBUG" | "XDG_CACHE_HOME" | "KERAS_HOME")],
            ):
                allowed.add(reader)
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Attribute(attr="environ") as reader, attr="get" | "update"
                ),
                args=[ast.Constant("KERAS_BACKEND")]
                | [ast.Dict(keys=[ast.Constant("KERAS_BACKEND")])],
            ):
                allowed.add(reader)
            case ast.Attribute(attr=name) | ast.Name(name) if name in readers:
                if node not in allowed:
                    yield node.lineno, f"reads the environment ({name}); make it an argument"
            case ast.ImportFrom(module="os", names=names) if readers & {n.name for n in names}:
                yield node.lineno, "reads the environment; make it an argument"


def loggers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """One logger: "edgewise"."""
    for node in nodes(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="getLogger"), args=[ast.Constant("edgewise")]):
                pass
            case ast.Call(func=ast.Attribute(attr="getLogger")):
                yield node.lineno, 'the logger is logging.getLogger("edgewise")'


def docstring(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A module opens with what it is; an empty one needs no words."""
    if tree.body and ast.get_docstring(tree) is None:
        yield 1, "the module has no docstring"


def public_docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Public classes and functions of a module say what they are for."""
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_"):
            continue
        overload = any("overload" in ast.unparse(d) for d in node.decorator_list)
        if ast.get_docstring(node) is None and not overload:
            yield node.lineno, f"{node.name} has no docstring"


def pickles(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Nothing from a file is executed."""
    for node in nodes(tree):
        match node:
            case ast.Attribute(value=ast.Name("pickle"), attr="load" | "loads" | "Unpickler"):
                yield node.lineno, "unpickles; bytes of others are read as data"
            case ast.Call(func=ast.Name("eval" | "exec")):
                yield node.lineno, "executes text"
            case ast.keyword(arg="allow_pickle", value=ast.Constant(True)):
                yield node.value.lineno, "allow_pickle executes what the file says"


RULES: tuple[Rule, ...] = (prints, environment, loggers, docstring, public_docstrings, pickles)


@cache
def found() -> dict[str, list[str]]:
    """What breaks each rule; every file is parsed once."""
    hits: dict[str, list[str]] = {rule.__name__: [] for rule in RULES}
    for path in LIBRARY:
        tree = ast.parse(path.read_bytes())
        for rule in RULES:
            if rule is prints and "cli" in path.relative_to(SOURCE).parts:
                continue
            hits[rule.__name__] += [
                f"{path.relative_to(ROOT)}:{n}: {text}" for n, text in rule(tree)
            ]
    return hits


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.__name__)
def test_library(rule):
    assert found()[rule.__name__] == []


def test_names_say_what_is_inside():
    files = [p for d in ("src", "tests", "tools") for p in (ROOT / d).rglob("*.py")]
    assert [p.relative_to(ROOT).as_posix() for p in files if VAGUE & {p.stem, p.parent.name}] == []


# Assembled from pieces, so that this file obeys its own rules.
UNWANTED = {
    "work for later": re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b"),
    "a machine's path": re.compile(r"(?<![\w.])/(home|root|Users|wo" + r"rk)/\w"),
    "a package host": re.compile(
        r"https?://[^\s\"')>]*(pypi|pkgs|artifact|index)[^\s\"')>]*/sim" + "ple"
    ),
}


@pytest.mark.parametrize("what", UNWANTED)
def test_text_files_hold_no(what):
    files = [
        path
        for folder in ("src", "tests", "tools", "docs", ".ci")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".c", ".h", ".def", ".md", ".toml", ".txt", ".yaml", ""}
        and path.is_file()
    ]
    files += [p for p in ROOT.iterdir() if p.suffix in {".md", ".toml", ".yaml"}]
    hits = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in files
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if (match := UNWANTED[what].search(line))
    ]
    assert hits == []


EXAMPLES = {
    prints: 'print("x")',
    environment: "import os\nos.environ.get('X')",
    loggers: "import logging\nlogging.getLogger(__name__)",
    docstring: "x = 1",
    public_docstrings: "def verb(): pass",
    pickles: "import pickle\npickle.loads(b'')",
}


@pytest.mark.parametrize("rule", EXAMPLES, ids=lambda r: r.__name__)
def test_each_rule_finds_its_example(rule):
    assert len(list(rule(ast.parse(EXAMPLES[rule])))) == 1
