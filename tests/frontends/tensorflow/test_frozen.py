"""Graphs in one file: names resolved, defaults filled in, what goes in and comes out."""

from __future__ import annotations

import math
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import ConversionError, EdgewiseError, FormatError
from edgewise.frontends.tensorflow.frozen import read_frozen
from edgewise.frontends.tensorflow.graph_def import program_of_graph_def
from edgewise.frontends.tensorflow.program import FunctionName, Ref, TFShape, Variable
from edgewise.ir.graph import Location
from tests.frontends.wire import FLOAT, PLACEHOLDER, function, graph, message, node

CALL = {
    "f": message((10, message((1, "body")))),
    "Tout": message((1, message((6, 1), (6, 1), (6, 1)))),
}


def small() -> bytes:
    """x -> Split in three, whose second part is multiplied by itself in a function."""
    return graph(
        [
            node("x", "Placeholder", attrs=PLACEHOLDER),
            node("axis", "Const", attrs={"value": message((8, message((1, 3), (7, 0))))}),
            node("parts", "Split", ["axis", "x"], {"num_split": message((3, 3))}),
            node("call", "PartitionedCall", ["parts:1", "^axis"], CALL),
            node("left", "Relu", ["x"]),
        ],
        [
            function("unused", ["a"], [node("bad", "Relu", ["nowhere"])], {"r": "a"}),
            function(
                "body",
                ["a"],
                [
                    node("one", "Const"),
                    node("parts", "Split", ["one:output:0", "a"], {"num_split": message((3, 2))}),
                    node("top", "TopKV2", ["parts:output:1", "one:output:0"]),
                    node("odd", "NoSuchOperation", ["top:indices:0", "a"]),
                ],
                {"first": "odd:whatever:1", "second": "a", "third": "top:values:0"},
            ),
        ],
    )


def test_small_graph():
    program = read_frozen(small())
    (entry,) = program.entries
    assert entry.key == ""
    assert entry.inputs == {"x": 0}
    assert entry.outputs == {"call": 0, "call:1": 1, "call:2": 2, "left": 3}
    (x,) = entry.function.arguments
    assert (x.name, x.dtype, x.shape) == ("x", DType.FLOAT32, TFShape(None))
    call = entry.function.nodes["call"]
    assert call.inputs == (Ref("parts", 1),)
    assert call.controls == ("axis",)
    assert call.attrs["f"] == FunctionName("body")
    assert call.attrs["executor_type"] == b""  # a default that the file leaves out
    assert call.location == Location("call")
    assert "x" not in entry.function.nodes
    assert list(program.functions) == ["body"]


def test_what_is_left_over_is_no_result():
    nodes = [node("w", "Const"), node("w/read", "Identity", ["w"]), node("step", "Const")]
    nodes += [node("x", "Placeholder", attrs=PLACEHOLDER), node("y", "Relu", ["x"])]
    nodes += [node("other", "NoOp", ["^y"])]
    assert read_frozen(graph(nodes)).entries[0].outputs == {"y": 0}
    assert read_frozen(graph(nodes[:3])).entries[0].outputs == {"w/read": 0}


def test_results_of_functions_have_flat_positions():
    body = read_frozen(small()).functions["body"]
    assert [argument.name for argument in body.arguments] == ["a"]
    assert body.nodes["top"].inputs == (Ref("parts", 1), Ref("one"))
    assert body.nodes["odd"].inputs == (Ref("top", 1), Ref("a"))
    # an unknown operation has one result, as far as anybody knows
    assert body.results == (Ref("odd", 1), Ref("a"), Ref("top"))


def test_any_tensor_can_be_fed():
    program = read_frozen(small(), ["parts:1"], ["call:0", "parts:1"])
    (entry,) = program.entries
    assert entry.inputs == {"parts:1": 0}
    assert entry.outputs == {"call": 0, "parts:1": 1}
    assert entry.function.nodes["call"].inputs == (Ref("parts:1"),)
    assert entry.function.results == (Ref("call"), Ref("parts:1"))
    assert set(entry.function.nodes) == {"call", "axis"}


def test_a_live_function_has_captures():
    data = graph(
        [
            node("x", "Placeholder", attrs=PLACEHOLDER),
            node("w", "Placeholder", attrs={"dtype": message((6, 20))}),
            node("read", "ReadVariableOp", ["w"]),
            node("y", "Mul", ["x", "read"]),
        ]
    )
    weight = Variable("w", DType.FLOAT32, TFShape(()), np.float32(2))
    bound = {"w": weight}
    program = program_of_graph_def(data, inputs={"in": "x"}, outputs={"out": "y:0"}, bound=bound)
    (entry,) = program.entries
    assert entry.key == "serving_default"
    assert entry.inputs == {"in": 0}
    assert entry.function.arguments[1].name == "w"
    assert entry.bound == bound
    with pytest.raises(ConversionError, match="placeholders are needed and are no inputs"):
        program_of_graph_def(data, inputs={"in": "x"}, outputs={"out": "y"})


@pytest.mark.parametrize("name", ["frozen_graph_def.pb", "mnist.pb"])
def test_shared_files(shared_data: Path, name: str):
    program = read_frozen(shared_data / "frozen" / name)
    (entry,) = program.entries
    ops = Counter(node.op for node in entry.function.nodes.values())
    if name == "mnist.pb":
        assert ops == Counter(Const=2, Identity=2, MatMul=1, Add=1, Softmax=1)
        assert entry.function.arguments[0].shape == TFShape((None, 784))
    else:
        assert list(entry.outputs) == ["multiplied", "expensive"]
    assert program.file == name


def _message(call: object) -> str:
    with pytest.raises(EdgewiseError) as caught:
        call()  # type: ignore[operator]
    return str(caught.value)


def test_wrong_names_are_told_together():
    data = small()
    assert _message(lambda: read_frozen(data, ["y", "parts:7"])) == (
        "model: inputs must be tensors of the graph; 2 are not:\n"
        "  - 'y': no node or argument has this name\n"
        "  - 'parts:7': Split has 3 results there\n"
        "It has the placeholders x, and results call, call:1, call:2, left."
    )
    assert _message(lambda: read_frozen(data, [], ["left"])) == (
        "model: 1 placeholders are needed and are no inputs:\n  - x\n"
        "The inputs are none; name all that are needed."
    )


def test_damaged_graph():
    data = graph(
        [
            node("a", "Relu", ["b", "c:x:0:1", "^d"]),
            node("b", "Relu"),
            node("b", "Relu", ["a:1"]),
            node("c", "TopKV2", ["s:3"]),
            node("s", "Split", [], {"num_split": message((3, 3))}),
            node("", "Relu"),
        ]
    )
    assert _message(lambda: read_frozen(data)) == (
        "model: the graph has 5 nodes or operands that cannot be:\n"
        "  - the name 'b' must be given once\n"
        "  - node '' (op 'Relu') must have a name and an op\n"
        "  - operand 'c:x:0:1' of node 'a': must be 'node', 'node:position' or"
        " 'node:result:position'\n"
        "  - node 'a' waits for 'd', which is no node\n"
        "  - operand 's:3' of node 'c': Split has 3 results there\n"
        "The file is damaged, or has operations that this version does not know."
    )


def test_results_of_unknown_operations():
    body = function("body", ["a"], [node("n", "Mystery", ["a"])], {"r": "n:one:0", "s": "n:two:0"})
    data = graph([node("call", "PartitionedCall", [], CALL)], [body])
    assert _message(lambda: read_frozen(data)) == (
        "model: function 'body' has 1 nodes or operands that cannot be:\n"
        "  - result 's' (n:two:0): Mystery is not known, so 'one' and 'two' have no positions\n"
        "The file is damaged, or has operations that this version does not know."
    )


def test_many_problems_are_counted_and_some_told():
    text = _message(
        lambda: read_frozen(graph(node(f"n{i}", "Relu", ["x" * 999]) for i in range(50)))
    )
    assert text.startswith("model: the graph has 50 nodes or operands that cannot be:\n")
    assert text.count("\n") == 22
    assert "\n  - and 30 more\n" in text
    assert len(text) < 7000


def test_damaged_function():
    body = function(
        "body", ["a"], [node("n", "TopKV2", ["a"])], {"r": "n:valves:0", "s": "n:values:1"}
    )
    data = graph([node("call", "PartitionedCall", [], CALL)], [body])
    assert _message(lambda: read_frozen(data)) == (
        "model: function 'body' has 2 nodes or operands that cannot be:\n"
        "  - result 'r' (n:valves:0): TopKV2 has no result 'valves'; it has values, indices\n"
        "  - result 's' (n:values:1): TopKV2 has 1 results there\n"
        "The file is damaged, or has operations that this version does not know."
    )
    missing = graph([node("call", "PartitionedCall", [], CALL)])
    assert _message(lambda: read_frozen(missing)) == (
        "model: the function library has no function 'body'"
    )


def test_functions_that_call_themselves():
    call = {"f": message((10, message((1, "g"))))}
    functions = [
        function("body", ["a"], [node("c", "PartitionedCall", ["a"], call)], {"r": "a"}),
        function("g", ["a"], [node("c", "PartitionedCall", ["a"], CALL)], {"r": "a"}),
    ]
    data = graph([node("call", "PartitionedCall", [], CALL)], functions)
    assert _message(lambda: read_frozen(data)) == (
        "a function must not call itself; found 'body' -> 'g' -> 'body'."
        " Write the recursion as a tf.while_loop."
    )


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            b"\x08\x01\x12\x00",
            "is the saved_model.pb of a SavedModel; give the folder that it is in",
        ),
        (b"node {\n name: 'x'", "line 2: a field begins with its name"),
        (b"\x1c\x00\x00\x00TFL3", "is a .tflite file, not a frozen graph; load it as it is"),
        (message((4, message((1, 5)))), "a frozen graph has nodes; this file has none"),
    ],
)
def test_other_files(data: bytes, text: str):
    assert _message(lambda: read_frozen(data)) == f"model: {text}"


def test_graphs_that_cannot_be_used():
    assert "does not exist" in _message(lambda: read_frozen("no/such.pb"))
    loop = graph([node("a", "Relu", ["b"]), node("b", "Relu", ["a"])])
    assert _message(lambda: read_frozen(loop)) == (
        "model: outputs must be named: each node of the graph is read by another."
        " Give outputs=['NAME', ...]."
    )
    unfrozen = graph(
        [node("v", "VariableV2"), node("h", "VarHandleOp"), node("y", "Add", ["v", "h"])]
    )
    assert _message(lambda: read_frozen(unfrozen)) == (
        "model: the graph must be frozen; 2 variables have no values in it:\n  - v\n  - h\n"
        "Convert the SavedModel instead, or freeze the graph with its checkpoint."
    )


# --- tensors --------------------------------------------------------------------------------


def tensor(dtype: int, shape: tuple[int, ...], *fields: tuple[int, int | float | bytes]) -> object:
    """The `value` of a Const with this TensorProto."""
    dims = message(*((2, message((1, size))) for size in shape))
    proto = message((1, dtype), (2, dims), *fields)
    data = graph(
        [
            node("c", "Const", attrs={"value": message((8, proto)), "dtype": FLOAT}),
            node("y", "Relu", ["c"]),
        ]
    )
    return read_frozen(data).entries[0].function.nodes["c"].attrs["value"]


@pytest.mark.parametrize(
    ("dtype", "fields", "expected"),
    [
        (1, [(5, struct.pack("<3f", 1, 2, 3))], np.array([1, 2, 3], np.float32)),
        (2, [(6, struct.pack("<d", 0.1))], np.full(3, 0.1)),
        (3, [(7, -1), (7, 5)], np.array([-1, 5, 5], np.int32)),
        (4, [(7, 200)], np.full(3, 200, np.uint8)),
        (6, [(4, b"\x01\xff\x03")], np.array([1, -1, 3], np.int8)),
        (7, [(8, b"a"), (8, b"\xff")], np.array([b"a", b"\xff", b"\xff"], object)),
        (8, [(9, struct.pack("<2f", 1, 2))], np.full(3, 1 + 2j, np.complex64)),
        (9, [(10, -(2**62))], np.full(3, -(2**62))),
        (10, [(11, 1), (11, 0)], np.array([True, False, False])),
        (10, [(4, b"\x01\x00\x02")], np.array([True, False, True])),
        (11, [(7, -3)], np.full(3, -3, np.int8)),
        (14, [(13, 0x3F80), (13, 0x4000)], np.array([1, 2, 2]).astype(DType.BFLOAT16.numpy)),
        (19, [(13, 0x3C00)], np.ones(3, np.float16)),
        (22, [(16, 2**32 - 1)], np.full(3, 2**32 - 1, np.uint32)),
        (23, [(17, 2**64 - 1)], np.full(3, 2**64 - 1, np.uint64)),
        (25, [(18, b"\x38")], np.ones(3).astype(DType.FLOAT8_E4M3FN.numpy)),
        (29, [(7, -8)], np.full(3, -8).astype(DType.INT4.numpy)),
        (1, [], np.zeros(3, np.float32)),
        (7, [], np.array([b"", b"", b""], object)),
    ],
)  # fmt: skip
def test_tensors(dtype: int, fields: list[tuple[int, int | float | bytes]], expected: np.ndarray):
    found = tensor(dtype, (3,), *fields)
    assert isinstance(found, np.ndarray)
    assert found.dtype == expected.dtype
    assert not found.flags.writeable
    assert found.tolist() == expected.tolist()


def test_scalars_and_empty_tensors():
    assert np.array_equal(tensor(1, (), (5, struct.pack("<f", 2))), np.float32(2))
    assert tensor(1, (2, 0)).shape == (2, 0)  # type: ignore[attr-defined]
    assert tensor(7, ()).shape == ()  # type: ignore[attr-defined]
    assert tensor(20, ()) == "DT_RESOURCE"
    assert tensor(32, (), (7, 1)) == "DT_UINT2"


def test_a_fill_takes_no_memory():
    found = tensor(1, (4096, 4096), (5, struct.pack("<f", 2)))
    assert isinstance(found, np.ndarray)
    assert found.strides == (0, 0)
    assert math.prod(found.shape) == 1 << 24


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: tensor(1, (3,), (4, bytes(8))), "(float32 [3]) has 12 bytes; found 8"),
        (lambda: tensor(1, (1,), (5, bytes(8))), "has shape [1]; found 2 elements"),
        (lambda: tensor(1, (-1,)), "is stored, so its shape must be known; found [-1]"),
        (lambda: tensor(1, (1 << 40, 1 << 40)), "more than memory can hold"),
        (
            lambda: tensor(1, (1 << 30,)),
            "of which 0 are stored; such tensors may have 536870912 bytes in all",
        ),
        (lambda: tensor(8, (1,), (9, bytes(4))), "has 1 numbers; complex elements have two each"),
    ],
)
def test_bad_tensors(call: object, text: str):
    found = _message(call)
    assert found.startswith("model: attribute 'value' of node 'c' of the graph ")
    assert found.endswith(text)
    assert issubclass(FormatError, EdgewiseError)
