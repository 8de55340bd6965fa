"""Writing: shared buffers and codes, versions, tensors that come and go, models beyond 2 GB."""

from __future__ import annotations

import gc
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import ConversionError
from edgewise.format import load, write
from edgewise.format.container import model_chunks, read_model
from edgewise.format.runtime_version import newest, runtime_version
from edgewise.format.writer import model_record
from edgewise.ir import Builder, Model, Quant, Signature, Sym, TensorType, Value
from edgewise.ir.evaluate import evaluate
from edgewise.ops.control import While
from edgewise.ops.opaque import Opaque
from tests.format.codes import BuiltinOperator
from tests.format.test_hostile import small_file


def model_of(build: Builder, *outputs: object) -> Model:
    model = Model()
    model.add(build.finish(*outputs))  # type: ignore[arg-type]
    return model


def test_a_second_writing_is_equal() -> None:
    once = b"".join(write(load(small_file())))
    assert b"".join(write(load(once))) == once


def test_equal_constants_share_a_buffer() -> None:
    b = Builder()
    x = b.input("x", (1000,))
    ones, twos = np.ones(1000, np.float32), np.full(1000, 2, np.float32)
    almost = ones.copy()
    almost[500] = 3
    for array in (ones, ones.copy(), twos, almost, ones.view(np.int32).view(np.float32)):
        x = b.add(x, b.constant(array))
    record = model_record(model_of(b, x))
    assert [t.buffer for t in record.subgraphs[0].tensors if t.buffer] == [1, 1, 2, 3, 1]
    assert record.buffers[0].data is None


def test_one_code_for_each_version() -> None:
    b = Builder()
    x = b.input("x", (2,))
    y = b.add(b.add(x, x), x)
    q = b.input("q", (2,), DType.INT8, Quant(0.5))
    record = model_record(model_of(b, y, b.add(q, q, quant=Quant(1.0))))
    codes = [(c.builtin_code, c.deprecated_builtin_code, c.version) for c in record.operator_codes]
    assert codes == [(BuiltinOperator.ADD, 0, 1), (BuiltinOperator.ADD, 0, 2)]
    assert [o.opcode_index for o in record.subgraphs[0].operators] == [0, 0, 1]


def test_codes_beyond_a_byte() -> None:
    b = Builder()
    record = model_record(model_of(b, b.gelu(b.input("x", (2,)))))
    (code,) = record.operator_codes
    assert (code.builtin_code, code.deprecated_builtin_code) == (BuiltinOperator.GELU, 127)


def test_unknown_dimensions() -> None:
    b = Builder()
    x = b.input("x", (Sym("n"), 3))
    tensor, result = model_record(model_of(b, b.relu(x))).subgraphs[0].tensors
    for found in (tensor, result):
        assert found.shape.tolist() == [1, 3]
        assert found.shape_signature.tolist() == [-1, 3]


def test_a_changed_input_is_written_as_it_is_now() -> None:
    model = load(small_file())
    value = model.main.inputs[0]
    value.type = value.type.with_shape((Sym("n"), 4, 4, 2))
    tensor = model_record(model).subgraphs[0].tensors[0]
    assert (tensor.shape.tolist(), tensor.shape_signature.tolist()) == ([1, 4, 4, 2], [-1, 4, 4, 2])


def test_changed_options_and_versions_of_a_file() -> None:
    """A file's version may be higher than needed and never falls; its options go with it."""
    model = load(small_file())
    for node in model.main.nodes:
        node.extras["version"] = 9
    node = next(iter(model.main.nodes))
    node.op = node.op.replace(stride_w=2, stride_h=2)
    record = model_record(model)
    assert [code.version for code in record.operator_codes] == [9, 9, 9]
    assert record.subgraphs[0].operators[0].builtin_options.stride_w == 2


def test_superfluous_tensors_go_and_unread_ones_stay() -> None:
    b = Builder()
    x, unread = b.input("x", (2,)), b.constant([1.0], name="unread")
    unread.extras["unread"] = True
    b.graph.tensors = [unread]
    b.relu(x, label="dead")
    model = load(b"".join(write(model_of(b, b.abs(x, label="y")))))
    assert [v.name for v in model.main.tensors] == ["unread", "x", "dead", "y"]
    assert [v.name for v in load(b"".join(write(model))).main.tensors][:2] == ["unread", "x"]
    model.main.erase(next(iter(model.main.nodes)))
    assert [v.name for v in load(b"".join(write(model))).main.tensors] == ["unread", "x", "y"]


def test_names_of_a_value_that_is_listed_twice_have_a_place_each() -> None:
    b = Builder()
    x = b.input("x", (2,))
    y, z = b.neg(x), b.abs(x)
    model = model_of(b, y, z, y)
    names = {"first": 0, "other": 1, "again": 2}
    model.signatures.append(Signature("serving_default", "main", {"x": 0}, names))
    again = load(b"".join(write(model)))
    assert again.signatures[0].outputs == names
    assert again.main.outputs[0] is again.main.outputs[2]


def test_signatures_and_several_graphs() -> None:
    model = Model(metadata={"a": b"1", "b": b""})
    for name in ("first", "second"):
        b = Builder(name)
        x, y = b.input("x", (2,)), b.input("y", (2,))
        model.add(b.finish(b.sub(x, y), x))
        model.signatures.append(Signature(name, name, {"p": 1, "q": 0}, {"r": 0, "s": 1}))
    again = load(b"".join(write(model)))
    assert list(again.graphs) == ["first", "second"]
    assert again.signatures == model.signatures
    assert again.metadata["a"] == b"1"
    assert again.metadata["b"] == b""


def test_graphs_of_one_name_keep_it_in_the_file() -> None:
    record = model_record(load(small_file()))
    record.subgraphs.append(record.subgraphs[0])
    model = load(b"".join(model_chunks(record)))
    assert list(model.graphs) == ["main", "main_1"]
    assert [g.name for g in model_record(model).subgraphs] == ["main", "main"]


def test_operators_without_a_code_are_named() -> None:
    b = Builder()
    y = b.layer_norm(b.layer_norm(b.input("x", (2, 3)), label="one"), label="two")
    with pytest.raises(ConversionError, match="2 operators cannot be written") as caught:
        write(model_of(b, y))
    assert "layer_norm 'two' has no .tflite operator" in str(caught.value)


def test_new_opaque_operators() -> None:
    op = Opaque(custom_code="Own", custom_options=b"\1\2", result_total=1)
    b = Builder()
    x = b.input("x", (2,))
    node = b.node(op, x, results=[x.type])
    again = load(b"".join(write(model_of(b, node.output))))
    (found,) = again.main.nodes
    assert found.op == op
    assert found.output.shape == (2,)


def test_oldest_runtime() -> None:
    assert runtime_version([]) == b"0.0.0".ljust(16, b"\0")
    assert runtime_version([("ADD", 2), ("FULLY_CONNECTED", 13), ("NEW", 1)]).startswith(b"2.18.0")
    assert newest(b"1.14.0\0", b"1.5.0") == b"1.14.0\0"
    assert newest(b"mine", b"1.5.0") == b"mine"
    b = Builder()
    model = load(b"".join(write(model_of(b, b.gelu(b.input("x", (2,)))))))
    assert model.metadata["min_runtime_version"] == b"2.9.0".ljust(16, b"\0")


@pytest.mark.ci
def test_cost_is_linear_in_the_operators() -> None:
    def seconds(count: int) -> float:
        b = Builder()
        x = y = b.input("x", (1, 8))
        for _ in range(count):
            y = b.add(y, x)
        data = b"".join(write(model_of(b, y)))
        gc.collect()
        gc.disable()  # a collection walks everything that pytest and the other tests hold
        try:
            start = time.process_time()
            load(data)
            return time.process_time() - start
        finally:
            gc.enable()

    seconds(100)
    small, large = (min(seconds(count) for _ in range(3)) for count in (500, 5000))
    assert large < 30 * small


@pytest.mark.full
def test_a_model_beyond_2_gb() -> None:
    """Through the IR, constants of 2.2 GB that no one ever holds twice."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big.tflite"
        raw = Path(folder) / "zeros"
        with raw.open("wb") as stream:
            stream.truncate(550_000_000)
        b = Builder()
        y = b.input("x", (1, 1))
        for index in range(4):
            weights = np.memmap(raw, np.int8, "c", shape=(550_000_000,))
            weights[index * 1000] = index + 1  # or the four would share a buffer
            y = b.constant(weights, name=f"w{index}")
            b.graph.tensors.append(y)
            y.extras["unread"] = True
        model = model_of(b, b.graph.inputs[0])
        model.save(path)
        assert path.stat().st_size > 2**31
        again = load(path)
        for index, value in enumerate(again.main.tensors[:4]):
            assert value.data is not None
            assert value.data.size == 550_000_000
            assert value.data[index * 1000] == index + 1


def test_codes_of_the_file_are_read_back() -> None:
    record = read_model(small_file())
    codes = [c.builtin_code for c in record.operator_codes]
    assert codes == [BuiltinOperator.CONV_2D, BuiltinOperator.RESHAPE, BuiltinOperator.SOFTMAX]


def test_unknown_rank() -> None:
    """An input of any rank comes back as one, in the graphs of a loop too; a scalar as a scalar."""

    def free(b: Builder) -> list[Value]:
        kind = TensorType(None, DType.FLOAT32)
        return [b.input("n", (), DType.INT32), b.graph.add_input(kind, "x")]

    graphs = []
    for name in ("cond", "body"):
        b = Builder(name)
        n, x = free(b)
        made = [b.less(n, b.constant(3))]
        if name == "body":
            made = [b.add(n, b.constant(1)), b.abs(x)]
        graphs.append(b.finish(*made))
    b = Builder()
    n, x = free(b)
    loop = While(cond=graphs[0], body=graphs[1])
    model = model_of(b, *b.node(loop, n, x).outputs)
    for graph in graphs:
        model.add(graph)
    again = load(b"".join(write(model)))
    for graph in again.graphs.values():
        assert [v.type.shape for v in graph.inputs] == [(), None]
    arrays = [np.array(0, np.int32), np.array([[-1, 2]], np.float32)]
    for found, wanted in zip(evaluate(again.main, arrays), [3, [[1, 2]]], strict=True):
        np.testing.assert_array_equal(found, wanted)
