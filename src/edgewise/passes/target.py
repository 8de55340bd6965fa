"""The target check: what cannot be written, or would not run where the model goes.

What a LiteRT release runs is measured, not known: `tools/oracle/store_target.py` runs every
operator case in every dtype there and writes `targets/NAME.txt`, a line for each kind of operator.
A node is refused where LiteRT does not have the operator in its version, or refused every case of
its kind. A kind that was never measured is judged by the others with the same data; where there is
none, that is logged and the node passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from edgewise.dtypes import QUANTIZED, DType
from edgewise.errors import ConversionError, UnsupportedOp, listing
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Node, Value
from edgewise.ir.model import Model
from edgewise.ir.op import Op, Role
from edgewise.ir.version import version_of
from edgewise.log import log
from edgewise.values import dataclass

_FOLDER = Path(__file__).with_name("targets")
_NARROW = QUANTIZED | {DType.INT4, DType.UINT4, DType.INT2}
_MOST_KINDS = 8  # named in a message


def targets() -> list[str]:
    """The names of the known targets: `litert-2.3`."""
    return sorted(path.stem for path in _FOLDER.glob("*.txt"))


def require_target(model: Model, target: str | None) -> None:
    """Refuse what a `.tflite` file cannot hold and, with a target, what that does not run.

    Raises:
        UnsupportedOp: listing every such operator with its layer, the rule and the way out.
        ConversionError: no such target; the known ones are listed.
    """
    table = None if target is None else load_target(target)
    nodes = [(name, node) for name, graph in model.graphs.items() for node in graph.nodes]
    unwritable = [f"@{name} {p}" for name, node in nodes if (p := _unwritable(node))]
    if unwritable:
        raise UnsupportedOp(listing(unwritable, "operators that a .tflite file does not have"))
    if table is None:
        return
    problems = [f"{node}: {p}" for _, node in nodes if (p := table.problem(node))]
    if problems:
        text = listing(problems, f"operators do not run on {target}")
        raise UnsupportedOp(f"{text}\nWithout a target the file is written all the same")


@dataclass(frozen=True, slots=True)
class Target:
    """What a release runs. `versions`: the highest registered one, by BuiltinOperator name;
    `kinds`: by name and kind, "" where it runs and else the refusal."""

    name: str
    versions: Mapping[str, int]
    kinds: Mapping[str, Mapping[str, str]]

    def problem(self, node: Node) -> str | None:
        """What keeps a node from running there, as a sentence; None where nothing does."""
        name, version = node.op.builtin, version_of(node)
        if node.op.custom:
            return None  # whoever adds it to the interpreter knows
        highest = self.versions.get(name)
        if highest is None:
            return f"{self.name} does not have {name}. Write the model without it"
        if version > highest:
            return (
                f"{self.name} has {name} up to version {highest}; got version {version}. "
                "Use the dtypes and attributes of that version"
            )
        kinds = self.kinds.get(name)
        if kinds is None or node.op.graph_fields:
            return None  # what its graphs hold is checked in these
        kind = kind_of(node)
        refusal = kinds.get(kind)
        if refusal is None:
            alike = [text for other, text in kinds.items() if _data(other) == _data(kind)]
            if not alike:
                log().info("%s: %s on %s was never run on %s", node, name, kind, self.name)
            refusal = "" if not all(alike) else next(iter(alike), "")
        if not refusal:
            return None
        runs = dict.fromkeys(_data(k) for k, text in kinds.items() if not text)
        others = f"runs {name} on {_listed(list(runs))}" if runs else f"runs no {name} of ours"
        way = "Cast to one of these before it" if runs else "Write the model without it"
        return f"{self.name} {others}; got {kind} ({refusal}). {way}"


def kind_of(node: Node) -> str:
    """The dtypes of a node, in order: `float32 int8/c float32 -> float32`.

    `/q` has a scale, `/c` one per channel, `/b` one per block; biases are named without, parameters
    in parentheses. Operands of a variadic operator are named once each, absent ones are `-`.
    """
    names: list[str] = []
    variadic: list[str] = []
    for index, value in enumerate(node.inputs):
        declared = node.op.declared(index)
        label = "-" if value is None else _label(value, declared.role)
        (variadic if declared.variadic else names).append(label)
    names += [f"{label}*" for label in sorted(set(variadic))]
    while names and names[-1] == "-":
        names.pop()
    results = [_label(v, Role.DATA) for v in node.outputs]
    if node.op.results and node.op.results[-1].variadic:
        results = [f"{label}*" for label in sorted(set(results))]
    return f"{' '.join(names)} -> {' '.join(results)}".strip()


def _label(value: Value, role: Role) -> str:
    text, quant = value.dtype.text, value.quant
    if role is Role.PARAMETER:
        return f"({text})"
    if quant is None or value.dtype not in _NARROW or role is Role.BIAS:
        return text
    return text + ("/b" if quant.block_size is not None else "/c" if quant.per_channel else "/q")


def _data(kind: str) -> str:
    """The first data and the first result of a kind: `float32`, `float32 to int64`."""
    before, _, after = kind.partition("-> ")
    data = [label.removesuffix("*") for label in before.split() if label[0] not in "(-"]
    results = [label.removesuffix("*") for label in after.split()]
    return " to ".join(dict.fromkeys([*data[:1], *results[:1]])) or "no data"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_KINDS])
    return shown + (f" and {len(names) - _MOST_KINDS} more" if len(names) > _MOST_KINDS else "")


def _unwritable(node: Node) -> str | None:
    op: Op = node.op
    is_named = isinstance(getattr(type(op), "padding", None), Padding)
    if is_named and isinstance(getattr(op, "padding", None), tuple):
        return f"{node}: padding by numbers"
    return None if op.builtin or op.custom else f"{node}: no .tflite operator"


# -- the tables -------------------------------------------------------------------------------


@cache
def load_target(name: str) -> Target:
    """The table of a target. Raises ConversionError."""
    if name not in targets():
        raise ConversionError(
            f"target {name!r} is not known; known targets: {', '.join(targets())}"
        )
    return parse_target(name, (_FOLDER / f"{name}.txt").read_text())


def parse_target(name: str, text: str) -> Target:
    """`NAME VERSION` begins an operator; `+ KIND` runs, `- KIND = TEXT` is refused."""
    versions: dict[str, int] = {}
    kinds: dict[str, dict[str, str]] = {}
    operator = ""
    for line in text.splitlines():
        mark, _, rest = line.partition(" ")
        if mark in ("+", "-"):
            kind, _, refusal = rest.partition(" = ")
            kinds.setdefault(operator, {})[kind] = refusal if mark == "-" else ""
        elif line and mark != "#":
            operator, versions[mark] = mark, int(rest)
    return Target(name, versions, kinds)


def print_target(target: Target, heading: Sequence[str]) -> Iterator[str]:
    """The lines of a table."""
    yield from (f"# {line}".rstrip() for line in heading)
    for name, version in sorted(target.versions.items()):
        yield f"{name} {version}"
        for kind, refusal in sorted(target.kinds.get(name, {}).items()):
            yield f"- {kind} = {refusal}" if refusal else f"+ {kind}"
