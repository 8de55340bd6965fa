"""The schema as data: counts, a digest of every fact in it, and the real schema's own Python."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from edgewise.format.schema import ROOT_TABLE, ROWS, UNIONS, Field, Kind, table
from edgewise.format.schema_enums import BUILTIN_OPERATORS, ENUMS
from edgewise.format.schema_metadata import METADATA_ENUMS, METADATA_ROWS, METADATA_UNIONS, ROOT
from tests.format.codes import BuiltinOperator
from tests.oracle.litert import Oracle

# Of the canonical text that `_facts` makes; it changes when the schema is changed on purpose.
DIGEST = "714756cdcc9adeffa0e5edb9e349e8268f48cf202ed3202c6abd698719393eff"


def _facts() -> list[str]:
    lines = [
        f"{name}.{f.name} slot={f.slot} {f.kind.value} {f.type} align={f.align}"
        f" default={f.stored_default} deprecated={f.deprecated}"
        for name in sorted(ROWS)
        for f in table(name).fields
    ]
    lines += [f"{name} {','.join(members)}" for name, members in sorted(UNIONS.items())]
    lines.append(f"operators {' '.join(BUILTIN_OPERATORS)}")
    for name, enum in sorted(ENUMS.items()):
        lines.append(f"{name} {enum.scalar} {[(c, m.name) for c, m in enum.members.items()]}")
    return lines


def test_digest() -> None:
    assert hashlib.sha256("\n".join(_facts()).encode()).hexdigest() == DIGEST


def test_counts() -> None:
    assert len(BuiltinOperator) == 210
    assert len(UNIONS["BuiltinOptions"]) == 126
    assert len(UNIONS["BuiltinOptions2"]) == 23
    assert BuiltinOperator.STABLEHLO_CASE == 209


def test_every_union_member_is_a_table_and_no_table_contains_itself() -> None:
    """The reader relies on it: depth is bounded by the schema."""

    def walk(name: str, above: tuple[str, ...]) -> None:
        assert name not in above
        for field in table(name).fields:
            for child in _children(field):
                walk(child, (*above, name))

    walk(ROOT_TABLE, ())
    walk(ROOT, ())
    assert all(member in ROWS for members in UNIONS.values() for member in members)


def _children(field: Field) -> tuple[str, ...]:
    if field.kind is Kind.UNION:
        return UNIONS[field.type]
    return (field.type,) if field.kind in (Kind.TABLE, Kind.TABLE_VECTOR) else ()


def test_unknown_table_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        table("NoSuchTable")


# --- the same facts, as the generated Python of the real schema states them ---

_PREPEND = {
    "bool": "Bool",
    "byte": "Int8",
    "ubyte": "Uint8",
    "ushort": "Uint16",
    "int": "Int32",
    "uint": "Uint32",
    "long": "Int64",
    "ulong": "Uint64",
    "float": "Float32",
}
_FIND = (
    "import importlib.util as u;print(u.find_spec('ai_edge_litert').submodule_search_locations[0])"
)


@pytest.mark.parity
def test_agrees_with_the_generated_schema(oracle: Oracle) -> None:
    run = [oracle.python, "-c", _FIND]
    found = subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()
    theirs = _generated_facts((Path(found) / "schema_py_generated.py").read_text())
    rows = ROWS.keys() - METADATA_ROWS.keys()  # another schema; see tests/metadata
    ours = {fact for name in rows for fact in _as_generated(name)}
    ours |= {f"table {name}" for name in rows}
    for name in UNIONS.keys() - METADATA_UNIONS.keys():
        members = UNIONS[name]
        codes = {"NONE": 0} | {member: i for i, member in enumerate(members, 1)}
        ours |= {f"enum {name} {key}={code}" for key, code in codes.items()}
    for name in ENUMS.keys() - {kind.__name__ for kind in METADATA_ENUMS}:
        enum = ENUMS[name]
        ours |= {f"enum {name} {m.name}={code}" for code, m in enum.members.items()}
    ours |= {f"enum BuiltinOperator {member.name}={member.value}" for member in BuiltinOperator}
    assert sorted(ours - theirs) == []
    assert sorted(theirs - ours) == []


def _as_generated(name: str) -> list[str]:
    facts = []
    for field in table(name).fields:
        if field.deprecated:  # the generator leaves these out
            continue
        camel, default = _camel(field.name), 0
        if field.kind in (Kind.SCALAR, Kind.ENUM):
            stored, default = _PREPEND[_storage(field)], field.stored_default
            default = int(default) if field.type == "bool" else default
            python = "int" if field.kind is Kind.ENUM else type(field.default).__name__
        else:
            stored = "UOffsetTRelative"
            python = _python_type(field)
        facts += [f"slot {name} {camel} {stored} {field.slot} {default}"]
        facts += [f"type {name} {camel} {python}"]
        if field.kind is Kind.UNION:
            facts += [f"slot {name} {camel}Type Uint8 {field.slot - 1} 0"]
            facts += [f"type {name} {camel}Type int"]
        if field.kind in (Kind.VECTOR, Kind.ENUM_VECTOR):
            facts += [f"element {name} {camel} {_PREPEND[_storage(field)]}"]
    return facts


def _storage(field: Field) -> str:
    return ENUMS[field.type].scalar if field.type in ENUMS else field.type


def _python_type(field: Field) -> str:
    if field.kind is Kind.UNION:
        return f"Union[None, {', '.join(repr(member + 'T') for member in UNIONS[field.type])}]"
    if field.kind is Kind.TABLE:
        return f"Optional[{field.type}T]"
    if field.kind is Kind.TABLE_VECTOR:
        return f"Optional[List[{field.type}T]]"
    if field.kind is Kind.STRING:
        return "Optional[str]"
    return f"Optional[List[{ {'float': 'float', 'bool': 'bool'}.get(field.type, 'int') }]]"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _generated_facts(source: str) -> set[str]:
    facts: set[str] = set()
    for block in re.split(r"^class ", source, flags=re.MULTILINE)[1:]:
        name = block[: block.index("(")]
        members = re.findall(r"^    (\w+) = (-?\d+)$", block, re.MULTILINE)
        facts |= {f"enum {name} {key}={code}" for key, code in members}
        if "_tab" not in block and not members:
            name = name.removesuffix("T")  # the object API's class
            facts.add(f"table {name}")
            for field, python in re.findall(r"self\.(\w+) = \w+  # type: (.*)", block):
                facts.add(f"type {name} {field} {python}")
            for stored, field in re.findall(r"builder\.Prepend(\w+)\(self\.(\w+)\[i\]\)", block):
                facts.add(f"element {name} {field} {stored}")
        add = rf"^def {name}Add(\w+)\(.*\n    builder\.Prepend(\w+)Slot\((\d+), .*, (\S+)\)$"
        for field, stored, slot, default in re.findall(add, block, re.MULTILINE):
            camel = field[0].lower() + field[1:]
            facts.add(f"slot {name} {camel} {stored} {slot} {default}")
    return facts
