"""Loops and conditions: While, and what TensorFlow 1 wrote instead (Switch, Merge, Enter, Exit)."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError, UnsupportedOp
from edgewise.frontends.tensorflow.lower import lower
from edgewise.frontends.tensorflow.program import Function, TFNode
from edgewise.ir.dim import Sym
from edgewise.ops.control import If, While
from edgewise.passes import canonicalize
from tests.frontends.tensorflow.programs import (
    argument,
    called,
    constant,
    function,
    node,
    operators,
    program,
    run,
)

NUMBER = argument("i", (), DType.INT32)


def counted(limit: str = "n") -> Function:
    """i < n, whatever else is carried."""
    return function(
        "cond",
        [NUMBER, argument("n", (), DType.INT32), argument("x"), argument("y")],
        [node("less", "Less", "i", limit)],
        ["less"],
    )


def body(nodes: list[TFNode], results: list[str]) -> Function:
    return function(
        "body",
        [NUMBER, argument("n", (), DType.INT32), argument("x"), argument("y")],
        [constant("one", 1, np.int32), node("next", "AddV2", "i", "one"), *nodes],
        ["next", "n", *results],
    )


def looped(x: object, y: str = "x", *nodes: TFNode) -> Function:
    """while i < n: from 0, with n, x and y as they begin."""
    return function(
        "main",
        [argument("n", (), DType.INT32), x],
        [
            constant("zero", 0, np.int32),
            *nodes,
            node("while", "While", "zero", "n", "x", y, cond=called("cond"), body=called("body")),
        ],
        ["while:2", "while:3"],
    )


def loops(model):
    return [n for n in model.main.nodes if isinstance(n.op, While)]


def test_a_loop():
    step = body([node("sum", "AddV2", "y", "x")], ["x", "sum"])
    model = lower(program(looped(argument("x", (2,))), counted(), step))
    x, y = run(model, 3, [1, 2])
    assert (x.tolist(), y.tolist()) == ([1, 2], [4, 8])
    assert [len(n.inputs) for n in loops(model)] == [4]
    assert set(model.graphs) == {"main", "while_cond", "while_body"}


def test_what_stays_constant_stands_in_the_body():
    step = body([node("sum", "AddV2", "y", "x")], ["x", "sum"])
    main = looped(argument("unused", (2,)), "y", constant("x", [1.0, 2.0]), constant("y", [0.0, 0]))
    model = lower(program(main, counted(), step))
    assert [len(n.inputs) for n in loops(model)] == [3]  # i, n and y
    assert run(model, 3, [0, 0])[1].tolist() == [3, 6]


def test_a_loop_that_never_runs():
    never = function("cond", counted().arguments, [constant("no", False, np.bool_)], ["no"])
    step = body([node("sum", "AddV2", "y", "x")], ["x", "sum"])
    model = lower(program(looped(argument("x", (2,))), never, step))
    assert loops(model) == []


def test_a_value_that_grows_has_an_unknown_length():
    step = body(
        [constant("axis", 0, np.int32), node("join", "ConcatV2", "y", "x", "axis")], ["x", "join"]
    )
    model = canonicalize(lower(program(looped(argument("x", (2, 3))), counted(), step)))
    assert isinstance(model.main.outputs[1].shape[0], Sym)
    assert model.main.outputs[1].shape[1] == 3
    assert run(model, 2, np.ones((2, 3)))[1].shape == (6, 3)


@pytest.mark.parametrize("rows", [4, None])
def test_a_list_that_a_loop_fills(rows):
    """As `tf.TensorArray` in a loop: the shape of an element is known from the first write."""
    listed = function(
        "body",
        [NUMBER, argument("n", (), DType.INT32), argument("x"), argument("y")],
        [
            constant("one", 1, np.int32),
            node("next", "AddV2", "i", "one"),
            constant("axis", 0, np.int32),
            node("row", "GatherV2", "x", "i", "axis", batch_dims=0),
            node("twice", "AddV2", "row", "row"),
            node("set", "TensorListSetItem", "y", "i", "twice"),
        ],
        ["next", "n", "x", "set"],
    )
    main = function(
        "main",
        [argument("x", (rows, 3))],
        [
            constant("zero", 0, np.int32),
            node("shape", "Shape", "x", out_type=DType.INT32),
            constant("begin", [0], np.int32),
            constant("end", [1], np.int32),
            node(
                "n",
                "StridedSlice",
                "shape",
                "begin",
                "end",
                "end",
                begin_mask=0,
                end_mask=0,
                ellipsis_mask=0,
                new_axis_mask=0,
                shrink_axis_mask=1,
            ),
            constant("any", -1, np.int32),
            node("list", "TensorListReserve", "any", "n", element_dtype=DType.FLOAT32),
            node("w", "While", "zero", "n", "x", "list", cond=called("cond"), body=called("body")),
            node("all", "TensorListStack", "w:3", "any"),
        ],
        ["all"],
    )
    model = canonicalize(lower(program(main, counted(), listed)))
    assert model.main.outputs[0].shape == model.main.inputs[0].shape
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert run(model, x)[0].tolist() == (2 * x).tolist()


def test_a_loop_whose_value_changes_its_kind():
    step = body([constant("c", 1, np.int32)], ["x", "c"])
    with pytest.raises(UnsupportedOp, match="a value of its loop is a float32, then int32"):
        lower(program(looped(argument("x", (2,))), counted(), step))


# -- TensorFlow 1 -----------------------------------------------------------------------------


def old_loop(*inside: TFNode, result: str) -> Function:
    """while i < n: y = `result`, with x as a constant of the frame `f`."""
    frame = {"frame_name": b"f"}
    return function(
        "main",
        [argument("n", (), DType.INT32), argument("x", (2,))],
        [
            constant("zero", 0, np.int32),
            node("enter_i", "Enter", "zero", is_constant=False, **frame),
            node("enter_y", "Enter", "x", is_constant=False, **frame),
            node("enter_n", "Enter", "n", is_constant=True, **frame),
            node("enter_x", "Enter", "x", is_constant=True, **frame),
            node("i", "Merge", "enter_i", "next_i"),
            node("y", "Merge", "enter_y", "next_y"),
            node("less", "Less", "i", "enter_n"),
            node("test", "LoopCond", "less"),
            node("at_i", "Switch", "i", "test"),
            node("at_y", "Switch", "y", "test"),
            constant("one", 1, np.int32),
            node("more", "AddV2", "at_i:1", "one"),
            *inside,
            node("next_i", "NextIteration", "more"),
            node("next_y", "NextIteration", result),
            node("exit", "Exit", "at_y"),
        ],
        ["exit"],
    )


def test_an_old_loop():
    model = lower(program(old_loop(node("sum", "AddV2", "at_y:1", "enter_x"), result="sum")))
    assert len(loops(model)) == 1
    assert run(model, 3, [1, 2])[0].tolist() == [4, 8]
    assert run(model, 0, [1, 2])[0].tolist() == [1, 2]


def test_an_old_condition_in_an_old_loop():
    inside = [
        node("even", "Less", "at_i:1", "one"),
        node("part", "Switch", "at_y:1", "even"),
        node("twice", "AddV2", "part:1", "part:1"),
        node("join", "Merge", "part", "twice"),
    ]
    model = lower(program(old_loop(*inside, result="join")))
    (loop,) = loops(model)
    assert any(isinstance(n.op, If) for n in loop.op.body.nodes)
    assert run(model, 3, [1, 2])[0].tolist() == [2, 4]


def test_an_old_condition_whose_branches_are_constants():
    """Only control edges say which predicate a constant hangs on."""
    main = function(
        "main",
        [argument("p", (), DType.BOOL)],
        [
            node("pivot", "Switch", "p", "p"),
            node("yes", "Identity", "pivot:1"),
            node("no", "Identity", "pivot:0"),
            node("a", "Const", "^no", value=np.array(1, np.float32)),
            node("b", "Const", "^yes", value=np.array(2, np.float32)),
            node("y", "Merge", "a", "b"),
        ],
        ["y"],
    )
    model = lower(program(main))
    assert [float(run(model, p)[0]) for p in (False, True)] == [1, 2]


def test_merges_of_one_condition_are_one_if():
    main = function(
        "main",
        [argument("p", (), DType.BOOL), "x"],
        [
            node("c/s", "Switch", "x", "p"),
            node("c/t", "AddV2", "c/s:1", "c/s:1"),
            node("c/Merge", "Merge", "c/s", "c/t"),
            node("c/Merge_1", "Merge", "c/s", "c/s:1"),
        ],
        ["c/Merge", "c/Merge_1"],
    )
    model = lower(program(main))
    assert operators(model) == ["if"]
    assert [float(y) for y in run(model, True, 3)] == [6, 3]


@pytest.mark.parametrize(
    "nodes",
    [
        [node("y", "Switch", "x", "p")],
        [node("y", "Merge", "x", "x")],
        [node("y", "Enter", "x", frame_name=b"f")],
        [node("e", "Enter", "x", frame_name=b"f"), node("y", "Exit", "e")],
        [
            node("e", "Enter", "x", frame_name=b"f"),
            node("m", "Merge", "e", "n"),
            node("n", "NextIteration", "m"),
            node("y", "Exit", "m"),
        ],
    ],
)
def test_what_is_neither_loop_nor_condition(nodes):
    main = function("main", [argument("p", (), DType.BOOL), "x"], nodes, ["y"])
    with pytest.raises(
        EdgewiseError, match=r"control flow is not that of a loop|depend on themselves"
    ):
        lower(program(main))


def test_old_nodes_without_operands():
    for op in ("Exit", "Enter", "Merge", "Switch", "NextIteration", "LoopCond"):
        nodes = [node("a", "Enter", frame_name=b"f"), node("m", "Merge", "a"), node("y", op)]
        with pytest.raises(EdgewiseError):
            lower(program(function("main", [], nodes, ["y", "m"])))
