"""The text form: printed, read back equal, readable, refused with the line."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from edgewise.dtypes import DType
from edgewise.errors import FormatError
from edgewise.ir import Builder, Graph, Location, Model, Quant, Signature, Sym, TensorType
from edgewise.ir.dim import unknown_dim
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.graph import Value
from edgewise.ir.op import In, Op
from edgewise.ir.parse import parse_model
from edgewise.ir.text import constant_table, print_model
from edgewise.ops.conv import Conv2D
from edgewise.ops.opaque import Opaque
from edgewise.ops.reshape import Reshape
from tests.ir.random_models import models


class EveryAttribute(Op, builtin="TEST_EVERY_ATTRIBUTE"):
    """Attributes of every type that an operator may have."""

    count: int = 0
    ratio: float = 0.5
    flag: bool = False
    text: str = ""
    mode: Padding = Padding.SAME
    dtype: DType = DType.FLOAT32
    axes: tuple[int, ...] = ()
    modes: tuple[Activation, ...] = ()
    maybe: int | None = None
    data: bytes = b""

    operands = (In("x"),)

    def infer(self, x: Any) -> Any:
        return x.shape

    def reference(self, x: np.ndarray) -> np.ndarray:
        return x


Op.registry.pop(EveryAttribute.name)  # the catalogue of operators is not ours to extend


def _facts(value: Value | None, index: dict[int, int]) -> Any:
    """Everything the text tells of a value; the same object has the same number."""
    if value is None:
        return None
    data = None if value.data is None else (str(value.data.dtype), value.data.tolist())
    raw = b"" if value.data is None or value.data.dtype == object else value.data.tobytes()
    number = index.setdefault(id(value), len(index))
    return number, value.name, value.type, raw or data, value.is_variable, value.source


def _graph_facts(graph: Graph) -> Any:
    index: dict[int, int] = {}
    nodes = [
        (
            n.op,
            n.name,
            n.location,
            [_facts(v, index) for v in n.inputs],
            [_facts(v, index) for v in n.outputs],
        )
        for n in graph.nodes
    ]
    lists = [
        [_facts(v, index) for v in part] for part in (graph.inputs, graph.outputs, graph.tensors)
    ]
    return graph.name, lists, nodes


def assert_same(a: Model, b: Model) -> None:
    """The models agree in everything the text form has."""
    assert (a.file, a.description, a.metadata) == (b.file, b.description, b.metadata)
    assert [dataclasses.astuple(s) for s in a.signatures] == [
        dataclasses.astuple(s) for s in b.signatures
    ]
    assert [_graph_facts(g) for g in a.graphs.values()] == [
        _graph_facts(g) for g in b.graphs.values()
    ]


@given(models())
@settings(max_examples=25)
def test_complete_text_reads_back_equal(model: Model) -> None:
    text = print_model(model)
    again = parse_model(text)
    assert_same(model, again)
    assert print_model(again) == text


@given(models())
@settings(max_examples=15)
def test_elided_text_reads_back_with_its_constants(model: Model) -> None:
    text = print_model(model, elide=True)
    again = parse_model(text, constant_table(model))
    assert print_model(again, elide=True) == text


def example() -> Model:
    b = Builder("main")
    x = b.input("image", (Sym("N", 1), 8, 8, 3), DType.INT8, Quant(0.1, 3))
    rng = np.random.default_rng(0)
    w = rng.integers(-127, 127, (4, 3, 3, 3)).astype(np.int8)
    b.location = Location("block1/conv")
    y = b.node(
        Conv2D(stride_w=2, stride_h=2, fused_activation_function=Activation.RELU6),
        x,
        b.constant(w, name="w", quant=Quant([0.5, 0.25, 0.125, 0.1], 0, axis=0)),
        names=["conv"],
    ).output
    y.type = dataclasses.replace(y.type, quant=Quant(0.2, -128))
    b.location = Location("flatten", "model.py", 12)
    z = b.node(Reshape(), y, b.constant([-1, 64], name="shape"), names=["flat"]).output
    model = Model(description="two layers", metadata={"min_runtime_version": b"1.14.0"})
    model.add(b.finish(z))
    model.signatures.append(Signature("serving_default", "main", {"image": 0}, {"flat": 0}))
    return model


READABLE = """\
edgewise model 1
description "two layers"
metadata "min_runtime_version" b"1.14.0"
dim N min 1
signature "serving_default" @main ("image": 0) -> ("flat": 0)
graph @main {
  input %image: int8[N,8,8,3] q(0.1, 3)
  const %w: int8[4,3,3,3] q([0.5, 0.25, 0.125, 0.1], 0, axis=0) = digest "DIGEST"
  %conv: int8[N,4,4,4] q(0.2, -128) = conv_2d(%image, %w) \
{stride_w=2, stride_h=2, fused_activation_function=RELU6} loc "block1/conv"
  const %shape: int32[2] = [-1, 64]
  %flat: int8[N,64] q(0.2, -128) = reshape(%conv, %shape) loc "flatten" "model.py" 12
  return %flat
}
"""


def test_readable_form() -> None:
    model = example()
    weights = next(v for v in model.main.constants() if v.name == "w")
    key = next(k for k, a in constant_table(model).items() if a is weights.data)
    assert print_model(model, elide=True) == READABLE.replace("DIGEST", key)


def test_every_attribute_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Op.registry, EveryAttribute.name, EveryAttribute)
    ops = [
        EveryAttribute(),
        EveryAttribute(
            count=-7,
            ratio=0.1 + 0.2,
            flag=True,
            text='say "hi"\n\u00e9',
            mode=Padding.VALID,
            dtype=DType.INT4,
            axes=(1, -2),
            modes=(Activation.RELU, Activation.NONE),
            maybe=3,
            data=b"plain",
        ),
        EveryAttribute(ratio=float("inf"), axes=(5,), data=bytes(range(256))),
        EveryAttribute(ratio=-0.0, maybe=None, mode=Padding.SAME, count=1 << 62),
        EveryAttribute(ratio=5e-324),
    ]
    b = Builder()
    x = b.input("x", (2,))
    for op in ops:
        x = b.node(op, x).output
    model = Model()
    model.add(b.finish(x))
    again = parse_model(print_model(model))
    found = [n.op for n in again.main.nodes]
    assert found == ops
    assert [[type(v) for _, v in op.items()] for op in found] == [
        [type(v) for _, v in op.items()] for op in ops
    ]
    assert str(found[3].ratio) == "-0.0"


def test_operators_without_a_class_keep_what_the_file_says() -> None:
    op = Opaque(
        code="CUSTOM",
        custom_code="My Op",
        table="ReshapeOptions",
        fields=(("new_shape", (1, 2)), ("keep", True), ("type", DType.INT8), ("name", "x")),
        custom_options=b"\x00\xff",
    )
    b = Builder()
    node = b.node(op, b.input("x", (2,)), results=[TensorType((2,), DType.FLOAT32)])
    model = Model()
    model.add(b.finish(*node.outputs))
    again = parse_model(print_model(model))
    assert [n.op for n in again.main.nodes] == [op]


def test_printed_unknowns_stay_apart_from_fresh_ones() -> None:
    number = int(unknown_dim().name[1:]) + 5
    text = f"""edgewise model 1
dim u{number} min 0
graph @main {{
  input %x: int8[u{number}]
  return %x
}}
"""
    read = parse_model(text).main.inputs[0].shape[0]
    assert read not in {unknown_dim() for _ in range(10)}


ERRORS = [
    ("", "a model begins with the line"),
    ("edgewise model 1\nmodel", "line 2: no statement begins with 'model'"),
    ("edgewise model 1\ngraph @g {\n", "graph @g does not end"),
    ("edgewise model 1\ngraph @g {\n return %x\n}", "line 3: %x is not declared"),
    ("edgewise model 1\ngraph @g {\n input %x: float33[2]\n}", "no dtype is named 'float33'"),
    ("edgewise model 1\ngraph @g {\n input %x: int8[N]\n}", "'N' is not declared (dim N min 0)"),
    ("edgewise model 1\ngraph @g {\n const %x: int8[2] = [1, 200]\n}", "integers in [-128, 127]"),
    ("edgewise model 1\ngraph @g {\n const %x: int8[2] = [1]\n}", "takes 2 elements; got 1"),
    ("edgewise model 1\ngraph @g {\n const %x: int8[2] = [1.5, 2]\n}", "takes integers"),
    ('edgewise model 1\ngraph @g {\n const %x: int8[9] = base64 "AAA="\n}', "9 bytes; got 2"),
    ('edgewise model 1\ngraph @g {\n const %x: int8[9] = digest "00"\n}', "is elided"),
    ("edgewise model 1\ngraph @g {\n const %x: int8[9999999999,9999999999] = [1]\n}", "got 1"),
    ("edgewise model 1\ngraph @g {\n %y: int8[1] = nothing()\n}", "no operator is named 'nothing'"),
    ("edgewise model 1\ngraph @g {\n %y: int8[1] = rank() {a=1}\n}", "has no attribute 'a'"),
    ("edgewise model 1\ngraph @g {\n input %x: int8[1]\n input %x: int8[1]\n}", "declared twice"),
    ("edgewise model 1\ngraph @g {\n}\ngraph @g {\n}", "a graph named 'g' already"),
    ("edgewise model 1\ngraph @g {\n input %x: int8[1] q(1, 2, 3)\n}", "line 3: expected a word"),
    ("edgewise model 1\ngraph @g {\n input %x: int8[" + "(" * 99 + "\n}", "nested too deeply"),
    ("edgewise model 1\nfile 12 ^", "line 2: unexpected '^'"),
    ("edgewise model 1\ndim N min 1\ngraph @g {\n input %x: int8[(N)//0]\n}", "positive integer"),
]


@pytest.mark.parametrize(("text", "message"), ERRORS, ids=range(len(ERRORS)))
def test_bad_text_is_refused_with_the_line(text: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_model(text)
    assert message in str(caught.value)
    assert "line " in str(caught.value)


def test_wrong_constant_is_refused() -> None:
    model = example()
    table = {k: a + 1 for k, a in constant_table(model).items()}
    with pytest.raises(FormatError, match="not the one the text was printed with"):
        parse_model(print_model(model, elide=True), table)


def test_mutated_text_is_read_or_refused() -> None:
    """No mutation of a good text raises anything but FormatError."""
    text = print_model(example(), elide=True)
    table = constant_table(example())
    rng = np.random.default_rng(7)
    pieces = ["", "(", ")", "%", '"', "-", "9", "]", "{", "\n", "q", "max(", "//", "base64 "]
    for _ in range(400):
        cut = sorted(int(i) for i in rng.integers(0, len(text), 2))
        assert all(a <= b for a, b in pairwise(cut))
        mutated = text[: cut[0]] + str(rng.choice(pieces)) + text[min(cut[1], cut[0] + 3) :]
        try:
            parse_model(mutated, table)
        except FormatError:
            continue
