"""Protocol buffers as text become the bytes that a writer of bytes makes."""

from __future__ import annotations

import random

import pytest

from edgewise.errors import FormatError
from edgewise.frontends.protobuf import decode
from edgewise.frontends.prototext import encoded
from edgewise.frontends.tensorflow.messages import GraphDef, TensorProto
from edgewise.frontends.tensorflow.types import ENUMS
from tests.frontends.wire import message

GRAPH = rb"""
# as tf.io.write_graph writes it
node {
  name: "x"  op: 'Place' "holder"
  attr { key: "dtype" value { type: DT_FLOAT } }
  attr { key: "shape" value { shape { dim { size: -1 } dim { size: 0x10 } } } }
}
node < name: "w", op: "Const"; input: ["a", "^b"]
  attr { key: "value" value { tensor { dtype: DT_HALF_REF
    tensor_content: "\000\x7f\n\"\\\303\251" float_val: [1.5f, -inf, nan] int_val: -3 int_val: 010
    bool_val: true } } } not_known { [type.googleapis.com/other] { x: 1 } } also: [1, 2] >
versions { producer: 1882 }
"""


def test_a_graph():
    x, w = decode(GraphDef, encoded(GraphDef, GRAPH, enums=ENUMS)).node
    assert (x.name, x.op, w.name, w.op) == ("x", "Placeholder", "w", "Const")
    assert list(w.input) == ["a", "^b"]
    assert x.attr["dtype"].type == 1
    assert [d.size for d in x.attr["shape"].shape.dim] == [-1, 16]
    tensor = w.attr["value"].tensor
    assert tensor.dtype == 119
    assert bytes(tensor.tensor_content) == b'\x00\x7f\n"\\\xc3\xa9'
    assert [str(f) for f in tensor.float_val] == ["1.5", "-inf", "nan"]
    assert (tensor.int_val.tolist(), tensor.bool_val.tolist()) == ([-3, 8], [1])


def test_the_bytes_are_those_of_the_format():
    made = encoded(TensorProto, b"dtype: DT_INT32 tensor_shape { dim { size: 300 } }", enums=ENUMS)
    assert made == message((1, 3), (2, message((2, message((1, 300))))))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"node {", "line 1: a field begins with its name"),
        (b"node\n{ name 'x' }", "line 2: after the name of a field stands ':', '{' or '<'"),
        (b"node { name: 'x }", "line 1: a string ends on its line"),
        (b"node { name: 3 }", "line 1: NodeDef.name cannot be '3'"),
        (b"node: 'x'", "line 1: GraphDef.node cannot be a string"),
        (b"node { name { } }", "line 1: NodeDef.name cannot be a message"),
        (b"node { name: ] }", "line 1: a value is a number, a name, a string or a message"),
        (b"node { attr { key: 'T' value { type: DT_MINE } } }", "cannot be 'DT_MINE'"),
        (b"node { attr { key: 'T' value { f: 1e999x } } }", "cannot be '1e999x'"),
        (b"[x y] {", "a name ends with ']'"),
        (b"x {" * 200, "messages are at most 100 deep"),
    ],
)  # fmt: skip
def test_what_is_no_graph(text, says):
    with pytest.raises(FormatError) as caught:
        encoded(GraphDef, text, file="g.pbtxt", enums=ENUMS)
    assert str(caught.value).startswith("g.pbtxt: line ")
    assert says in str(caught.value)


@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.ci)])
def test_mutated_text_gives_our_errors(count):
    good = 0
    for turn in range(count):
        generator = random.Random(turn)
        data = bytearray(GRAPH)
        for _ in range(generator.randint(1, 4)):
            at = generator.randrange(len(data))
            data[at : at + generator.randint(0, 3)] = generator.choice(
                (b"{", b"}", b"[", b"]", b"<", b":", b'"', b"\\", b"9" * 40, b"-", b"\xff", b"")
            )
        try:
            decode(GraphDef, encoded(GraphDef, bytes(data), enums=ENUMS))
            good += 1
        except FormatError:
            pass
    assert good
