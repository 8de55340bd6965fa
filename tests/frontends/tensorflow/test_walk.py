"""The walk: which nodes count, calls of functions, signatures, and all problems at once."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import ConversionError, FormatError, LimitError, UnsupportedOp
from edgewise.frontends.tensorflow import walk
from edgewise.frontends.tensorflow.lower import lower
from edgewise.frontends.tensorflow.program import Program
from edgewise.ir.dim import Sym
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

VECTOR = argument("x", (None, 2))
TEXT = (
    "text is not processed in a .tflite model; split and look up words before it, and export the "
    "model from its numbers on"
)
PYTHON = "Python code is never executed; write the function with TensorFlow operations"
LOST = "it calls 'nowhere', which the file does not have; save it anew"
RANK = (
    "give its shape: shapes={{'{0}': (1, 224, 224, 3)}}, None for a dimension that varies "
    "(edgewise convert --shape '{0}=1,224,224,3', ? for one that varies)"
)


def test_what_no_result_needs_is_dropped():
    main = function(
        "main",
        [VECTOR],
        [node("dead", "Mystery", "x"), node("y", "Identity", "x"), node("check", "Assert", "x")],
        ["y"],
        ["check"],
    )
    model = lower(program(main))
    assert operators(model) == []
    np.testing.assert_array_equal(run(model, [[1, 2]])[0], [[1, 2]])


def test_inputs_and_outputs_are_named_as_the_signature_names_them():
    main = function(
        "main", [argument("b", (None, 2)), argument("a", (None, None))], [], ["a", "b", "a"]
    )
    given = entry(main, key="serving_default")
    model = lower(program([given]))
    assert model.signatures[0].inputs == {"b": 0, "a": 1}
    assert model.signatures[0].outputs == {"output_0": 0, "output_1": 1, "output_2": 2}
    assert [v.name for v in model.main.inputs] == ["b", "a"]
    assert model.main.inputs[0].shape == (Sym("batch"), 2)
    assert model.main.inputs[1].shape == (Sym("a_0"), Sym("a_1"))  # not the batch of b


def test_floats_of_other_widths_are_computed_in_float32():
    main = function("main", [argument("x", (2,), DType.FLOAT64)], [constant("c", 1.0)], ["x", "c"])
    assert [v.dtype for v in lower(program(main)).main.outputs] == [DType.FLOAT32] * 2


@pytest.mark.ci
def test_chains_may_be_longer_than_python_recurses():
    nodes = [node(f"n{i}", "Identity", f"n{i - 1}" if i else "x") for i in range(20_000)]
    main = function("main", ["x"], nodes[::-1], ["n19999"])
    assert operators(lower(program(main))) == []


def test_functions_are_written_out_where_they_are_called():
    inner = function("inner", ["a", "b"], [node("y", "IdentityN", "a", "b")], ["y:1", "y:0"])
    main = function(
        "main",
        ["p", "q"],
        [
            node("one", "PartitionedCall", "p", "q", f=called("inner")),
            node("two", "StatefulPartitionedCall", "one", "one:1", f=called("inner")),
            node("three", "inner", "two", "two:1"),
        ],
        ["three", "two"],
    )
    swapped, straight = run(lower(program(main, inner)), 1, 2)
    assert (float(swapped), float(straight)) == (2, 1)


def test_functions_that_call_themselves():
    inner = function("f", ["x"], [node("y", "PartitionedCall", "x", f=called("f"))], ["y"])
    with pytest.raises(UnsupportedOp, match="PartitionedCall: function 'f' calls itself; use a lo"):
        lower(program(function("m", ["x"], [node("y", "f", "x")], ["y"]), inner))


def test_calls_that_multiply_are_limited(monkeypatch):
    library = [
        function(
            f"f{i}",
            ["x"],
            [node("a", f"f{i + 1}", "x"), node("b", f"f{i + 1}", "a")],
            ["b"],
        )
        for i in range(40)
    ]
    last = function("f40", ["x"], [node("y", "Identity", "x")], ["y"])
    monkeypatch.setattr(walk, "MAX_NODES", 10_000)
    with pytest.raises(LimitError, match="MAX_NODES: more than 10000 operations"):
        lower(program(function("m", ["x"], [node("y", "f0", "x")], ["y"]), last, *library))


def test_calls_in_each_other_are_limited():
    library = [function(f"f{i}", ["x"], [node("a", f"f{i + 1}", "x")], ["a"]) for i in range(60)]
    last = function("f60", ["x"], [node("y", "Identity", "x")], ["y"])
    with pytest.raises(LimitError, match="MAX_DEPTH: more than 48 functions in each other"):
        lower(program(function("m", ["x"], [node("y", "f0", "x")], ["y"]), last, *library))


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        (
            [node("a", "Identity", "b"), node("b", "Identity", "a")],
            "function 'm': nodes must not depend on themselves; 'a' does, through 'b'",
        ),
        (
            [node("a", "Identity", "lost")],
            "function 'm': 'a' reads 'lost', which is neither a node nor an argument",
        ),
        (
            [node("a", "PartitionedCall", f=called("f"))],
            "function 'f' takes 1 arguments; it is called with 0",
        ),
        (
            [node("a", "Const", value=3)],
            r"node 'a' \(Const\): attribute 'value' must be a tensor; found 3",
        ),
    ],
)
def test_graphs_that_are_not_sound(nodes, text):
    library = function("f", ["x"], [], ["x"])
    with pytest.raises(FormatError, match=text):
        lower(program(function("m", ["x"], nodes, ["a"]), library))


# -- problems ---------------------------------------------------------------------------------


def test_every_problem_is_reported_at_once():
    inner = function("deep", ["a"], [node("in/py", "PyFunc", "a")], ["in/py"])
    main = function(
        "main",
        ["x"],
        [
            node("pre/lower", "StringLower", "x"),
            node("pre/split", "StringSplitV2", "pre/lower"),
            node("pre/again", "StringLower", "pre/lower"),
            node("fft/1", "FractionalAvgPool", "x"),
            node("fft/2", "FractionalAvgPool", "x"),
            node("loop", "PartitionedCall", "pre/split", f=called("deep")),
            node("lost", "PartitionedCall", "x", f=called("nowhere")),
            node("acts", "Mystery"),
        ],
        ["pre/again", "fft/1", "fft/2", "loop", "lost"],
        ["acts"],
    )
    with pytest.raises(UnsupportedOp) as caught:
        lower(program(main, inner))
    other = "has no handler in this version; write it with other operations"
    assert str(caught.value).splitlines() == [
        "model.pb: 8 operations cannot be converted:",
        f"  - StringLower: {TEXT} (2 nodes: 'pre/lower', 'pre/again')",
        f"  - FractionalAvgPool: {other} (2 nodes: 'fft/1', 'fft/2')",
        f"  - StringSplitV2: {TEXT} ('pre/split')",
        f"  - PyFunc: {PYTHON} ('in/py')",
        f"  - PartitionedCall: {LOST} ('lost')",
        f"  - Mystery: {other} ('acts')",
    ]


def test_an_output_that_inference_does_not_compute():
    main = function(
        "main", ["x"], [node("a", "Identity", "x"), node("b", "Identity", "a:3")], ["b"]
    )
    with pytest.raises(UnsupportedOp, match=r"it reads output 3 of 'a' \(Identity\), which infer"):
        lower(program(main))


@pytest.mark.parametrize(
    ("op", "text"),
    [
        ("StatelessRandomUniform", "random numbers need a generator that .tflite models do not"),
        ("ImageProjectiveTransformV3", "images are not warped in a .tflite model; do it before"),
        ("DecodeJpeg", "files and records are not decoded in a .tflite model; decode before it"),
        ("ParseExampleV2", "files and records are not decoded in a .tflite model"),
        (
            "Conv3DBackpropFilterV2",
            "this gradient is not among those that are converted; train",
        ),
        ("IteratorGetNext", "input pipelines are not part of a model; export the function that"),
        ("NextIteration", "its control flow is not that of a loop or a condition; export with"),
        ("SaveV2", "a .tflite model writes and reads no files; export the function"),
    ],
)
def test_why_an_operation_is_refused(op, text):
    main = function("main", ["x"], [node("y", op, "x")], ["y"])
    with pytest.raises(UnsupportedOp, match=f"{op}: {text}"):
        lower(program(main))


def test_inputs_without_a_rank():
    main = function(
        "main", [argument("a", None), argument("b", None), argument("c", (2,))], [], ["a"]
    )
    with pytest.raises(ConversionError) as caught:
        lower(program(main))
    assert str(caught.value).splitlines() == [
        "model.pb: 2 problems with inputs:",
        f"  - input 'a' has no known rank; {RANK.format('a')}",
        f"  - input 'b' has no known rank; {RANK.format('b')}",
    ]
    model = lower(program(main), {"a": (None, 4), "b": ()})
    assert [v.shape for v in model.main.inputs] == [(Sym("batch"), 4), (), (2,)]


def test_shapes_fix_what_varies_and_must_fit():
    given = program(function("main", [VECTOR], [], ["x"]))
    assert lower(given, {"x": (8, 2)}).main.inputs[0].shape == (8, 2)
    with pytest.raises(ConversionError) as caught:
        lower(given, {"x": (8, 3), "z": (1,)})
    assert str(caught.value).splitlines() == [
        "model.pb: 2 problems with inputs:",
        "  - shapes= names 'z'; the inputs are x",
        "  - shapes= says [8, 3] for input 'x'; the model has [?, 2]",
    ]


# -- signatures -------------------------------------------------------------------------------


def test_signatures_are_graphs_of_one_model():
    one = function("one", [VECTOR], [], ["x"])
    two = function("two", ["p"], [node("y", "Identity", "p")], ["y", "p"])
    model = lower(Program((entry(one), entry(two)), {}, "model.pb"))
    assert list(model.graphs) == ["one", "two"]
    assert [s.key for s in model.signatures] == ["one", "two"]
    assert model.signature("two").outputs == {"output_0": 0, "output_1": 1}
