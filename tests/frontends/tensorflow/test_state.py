"""Variables as constants and as state, hash tables, tensor lists: what is no tensor."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import UnsupportedOp
from edgewise.frontends.tensorflow.lower import lower
from edgewise.frontends.tensorflow.program import Program, Table, TFShape, Variable
from edgewise.runtime.interpreter import Interpreter
from tests.frontends.tensorflow.programs import (
    argument,
    called,
    constant,
    entry,
    function,
    node,
    operators,
    program,
    run,
)


def variable(value: object, name: str = "v") -> Variable:
    data = None if value is None else np.array(value, np.float32)
    return Variable(name, DType.FLOAT32, TFShape(() if data is None else data.shape), data)


HANDLE = argument("handle", (), DType.RESOURCE)


# -- variables --------------------------------------------------------------------------------


def test_a_variable_that_nobody_assigns_is_a_constant():
    inner = function("inner", [HANDLE], [node("r", "ReadVariableOp", "handle")], ["r"])
    main = function("main", [HANDLE], [node("c", "inner", "handle")], ["c"])
    model = lower(program(main, inner, bound={"handle": variable([1, 2])}))
    assert operators(model) == []
    np.testing.assert_array_equal(run(model)[0], [1, 2])


def test_a_variable_of_a_first_generation_graph_stands_for_its_value():
    nodes = [node("v", "VariableV2")]
    main = function("main", [], [*nodes, node("z", "Identity", "v", T=DType.FLOAT32)], ["z", "v"])
    model = lower(program(main, bound={"v": variable([1, 2])}))
    assert [y.tolist() for y in run(model)] == [[1, 2], [1, 2]]


def test_a_variable_without_a_value():
    main = function("main", [HANDLE], [node("r", "ReadVariableOp", "handle")], ["r"])
    with pytest.raises(UnsupportedOp, match="variable 'v' has no value in the file; initialise it"):
        lower(program(main, bound={"handle": variable(None)}))


def test_what_is_assigned_is_state_in_every_signature():
    v = variable(5)
    reads = function("reads", [HANDLE], [node("r", "ReadVariableOp", "handle")], ["r"])
    swap = function(
        "swap",
        [HANDLE, "x"],
        [
            node("old", "ReadVariableOp", "handle"),
            node("set", "AssignVariableOp", "handle", "x", "^old"),
            node("new", "ReadVariableOp", "handle", "^set"),
        ],
        ["old", "new"],
    )
    entries = (entry(reads, {"handle": v}), entry(swap, {"handle": v}))
    model = lower(Program(entries, {}, "model.pb"))
    assert operators(model) == ["call_once", "var_handle", "read_variable"]
    runner = Interpreter(model)
    assert float(runner(signature="reads")["output_0"]) == 5
    both = runner(np.float32(7), signature="swap")
    assert (float(both["output_0"]), float(both["output_1"])) == (5, 7)
    assert float(runner(signature="reads")["output_0"]) == 7


def test_reads_between_assignments_are_one():
    sets = function(
        "sets",
        [HANDLE, "x"],
        [node("set", "AssignVariableOp", "handle", "x"), node("y", "Neg", "x", "^set")],
        ["y"],
    )
    keeps = function("keeps", [HANDLE, "x"], [node("y", "Abs", "x")], ["y"])
    nodes = [
        node("a", "ReadVariableOp", "handle"),
        node("b", "ReadVariableOp", "handle"),
        node("yes", "Greater", "x", "x0"),
        node(
            "if", "If", "yes", "handle", "x", "^a", "^b",
            then_branch=called("sets"), else_branch=called("keeps"),
        ),
        node("c", "ReadVariableOp", "handle", "^if"),
        node("set", "AssignVariableOp", "handle", "x0", "^c"),
        node("d", "ReadVariableOp", "handle", "^set"),
    ]  # fmt: skip
    main = function("main", [HANDLE, "x", "x0"], nodes, ["a", "b", "c", "d", "if"])
    model = lower(program(main, sets, keeps, bound={"handle": variable(5)}))
    assert operators(model).count("read_variable") == 3
    runner = Interpreter(model)
    given = [runner(np.float32(x), np.float32(2)).values() for x in (7, 1)]
    assert [[float(y) for y in found] for found in given] == [[5, 5, 7, 2, -7], [2, 2, 2, 2, 1]]


def test_an_assignment_that_no_result_needs():
    main = function(
        "main", [HANDLE, "x"], [node("set", "AssignVariableOp", "handle", "x")], ["x"], ["set"]
    )
    model = lower(program(main, bound={"handle": variable(5)}))
    assert operators(model) == ["call_once", "var_handle", "assign_variable"]


def test_an_assignment_in_a_function_that_is_called_for_it():
    inner = function(
        "inner", [HANDLE, "x"], [node("set", "AssignVariableOp", "handle", "x")], ["x"], ["set"]
    )
    main = function("main", [HANDLE, "x"], [node("c", "inner", "handle", "x")], ["x"], ["c"])
    assert "assign_variable" in operators(
        lower(program(main, inner, bound={"handle": variable(5)}))
    )


def test_variables_of_one_name_stay_two():
    a, b = variable(1), variable(2)
    one = argument("one", (), DType.RESOURCE)
    main = function(
        "main",
        [one, HANDLE, "x"],
        [
            node("s1", "AssignVariableOp", "one", "x"),
            node("s2", "AssignVariableOp", "handle", "x"),
            node("r", "ReadVariableOp", "handle", "^s1"),
        ],
        ["r"],
        ["s1", "s2"],
    )
    model = lower(program(main, bound={"one": a, "handle": b}))
    names = {n.op.shared_name for n in model.main.nodes if n.op.name == "var_handle"}
    assert names == {"v", "v_1"}


# -- tables -----------------------------------------------------------------------------------


def lookup(table: Table, keys: argument, default: object) -> Program:
    kind = np.object_ if table.value_dtype is DType.STRING else table.value_dtype.numpy
    main = function(
        "main",
        [argument("t", (), DType.RESOURCE), keys],
        [
            constant("d", default, kind),
            node("y", "LookupTableFindV2", "t", "keys", "d"),
            node("n", "LookupTableSizeV2", "t"),
        ],
        ["y", "n"],
    )
    return program(main, bound={"t": table})


WORDS = Table(
    "words",
    DType.STRING,
    DType.INT64,
    np.array([b"a", b"b", b"a"], object),
    np.array([3, 4, 5], np.int64),
)


def test_words_are_looked_up_by_the_table_operators():
    model = lower(lookup(WORDS, argument("keys", (None,), DType.STRING), -1))
    assert operators(model) == ["call_once", "hashtable", "hashtable_find"]
    found, count = Interpreter(model)(np.array([b"b", b"?", b"a"], object)).values()
    assert found.tolist() == [4, -1, 3]
    assert int(count) == 3


def test_words_to_floats_go_through_rows():
    table = Table(
        "t", DType.STRING, DType.FLOAT32, np.array([b"a", b"b"], object), np.array([0.5, 1.5])
    )
    model = lower(lookup(table, argument("keys", (None,), DType.STRING), -2.0))
    found, _ = Interpreter(model)(np.array([b"b", b"?"], object)).values()
    assert found.tolist() == [1.5, -2.0]


def test_numbers_to_words():
    table = Table(
        "t", DType.INT32, DType.STRING, np.array([7, 8], np.int32), np.array([b"x", b"y"], object)
    )
    model = lower(lookup(table, argument("keys", (None,), DType.INT32), b"none"))
    found, _ = Interpreter(model)(np.array([8, 1], np.int32)).values()
    assert found.tolist() == [b"y", b"none"]


def test_numbers_to_numbers_are_an_array():
    table = Table(
        "t", DType.INT64, DType.FLOAT32, np.array([-2, 3], np.int64), np.array([0.5, 1.5])
    )
    model = lower(lookup(table, argument("keys", (None,), DType.INT64), 9.0))
    assert "hashtable_find" not in operators(model)
    found = run(model, [-3, -2, -1, 3, 4, 100])[0]
    assert found.tolist() == [9.0, 0.5, 9.0, 1.5, 9.0, 9.0]


def test_keys_too_far_apart():
    table = Table(
        "t", DType.INT64, DType.INT64, np.array([0, 10**9], np.int64), np.array([1, 2], np.int64)
    )
    with pytest.raises(
        UnsupportedOp, match="its 2 keys are spread over 1000000001 numbers; use ke"
    ):
        lower(lookup(table, argument("keys", (None,), DType.INT64), 0))


def test_constant_keys_are_looked_up_at_conversion():
    main = function(
        "main",
        [argument("t", (), DType.RESOURCE)],
        [
            constant("k", [b"a", b"z"], np.object_),
            constant("d", -1, np.int64),
            node("y", "LookupTableFindV2", "t", "k", "d"),
        ],
        ["y"],
    )
    model = lower(program(main, bound={"t": WORDS}))
    assert operators(model) == []
    assert run(model)[0].tolist() == [3, -1]


# -- conditions and lists without arithmetic --------------------------------------------------


def test_a_condition_hands_over_what_its_branches_read():
    then = function("then", [HANDLE, "a", "b"], [node("r", "ReadVariableOp", "handle")], ["a", "r"])
    other = function("other", [HANDLE, "a", "b"], [constant("c", 9.0)], ["c", "a"])
    main = function(
        "main",
        [argument("p", (), DType.BOOL), HANDLE, "a", "b"],
        [
            node(
                "if",
                "If",
                "p",
                "handle",
                "a",
                "b",
                then_branch=called("then"),
                else_branch=called("other"),
            )
        ],
        ["if", "if:1"],
    )
    model = lower(program(main, then, other, bound={"handle": variable(5)}))
    (made,) = model.main.nodes
    assert len(made.inputs) == 2  # the condition and a; b is read by neither
    assert [float(x) for x in run(model, True, 1, 2)] == [1, 5]
    assert [float(x) for x in run(model, False, 1, 2)] == [9, 1]


def test_a_condition_that_is_known_is_no_condition():
    then = function("then", ["a"], [], ["a"])
    other = function("other", ["a"], [node("y", "Mystery", "a")], ["y"])
    main = function(
        "main",
        ["a"],
        [
            constant("p", True, np.bool_),
            node("if", "If", "p", "a", then_branch=called("then"), else_branch=called("other")),
        ],
        ["if"],
    )
    assert operators(lower(program(main, then, other))) == []


def test_branches_must_return_the_same_kind():
    then = function("then", ["a"], [], ["a"])
    other = function("other", ["a"], [constant("c", 1, np.int32)], ["c"])
    main = function(
        "main",
        [argument("p", (), DType.BOOL), "a"],
        [node("if", "If", "p", "a", then_branch=called("then"), else_branch=called("other"))],
        ["if"],
    )
    with pytest.raises(
        UnsupportedOp, match="its branches return a float32 and a int32; return the"
    ):
        lower(program(main, then, other))


def test_a_list_is_a_tensor():
    element = constant("s", [2], np.int32)
    main = function(
        "main",
        [argument("x", (None, 2)), argument("i", (), DType.INT32), argument("e", (2,))],
        [
            element,
            node("l", "TensorListFromTensor", "x", "s"),
            node("set", "TensorListSetItem", "l", "i", "e"),
            node("push", "TensorListPushBack", "set", "e"),
            node("pop", "TensorListPopBack", "push", "s"),
            node("all", "TensorListStack", "pop", "s"),
            node("n", "TensorListLength", "push"),
            node("one", "TensorListGetItem", "l", "i", "s"),
        ],
        ["all", "n", "one", "pop:1"],
    )
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    every, count, one, popped = run(lower(program(main)), x, 1, [7, 8])
    assert every.tolist() == [[0, 1], [7, 8], [4, 5]]
    assert int(count) == 4
    assert one.tolist() == [2, 3]
    assert popped.tolist() == [7, 8]


def test_a_list_that_is_read_before_it_is_written():
    main = function(
        "main",
        [argument("i", (), DType.INT32)],
        [
            constant("s", -1, np.int32),
            constant("n", 3, np.int32),
            node("l", "TensorListReserve", "s", "n", element_dtype=DType.FLOAT32),
            node("y", "TensorListGetItem", "l", "i", "s"),
        ],
        ["y"],
    )
    with pytest.raises(
        UnsupportedOp, match="it reads a list in which nothing is written; write an"
    ):
        lower(program(main))


def test_a_table_is_no_tensor():
    main = function(
        "main", [argument("t", (), DType.RESOURCE)], [node("y", "Assert", "t")], ["t"], ["y"]
    )
    with pytest.raises(Exception, match="output 'output_0' is no tensor; export a function that"):
        lower(program(main, bound={"t": WORDS}))
