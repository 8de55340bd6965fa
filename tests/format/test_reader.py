"""Reading: what each part of a file becomes, and the error for each rule it can break."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import FormatError, UnsupportedOp
from edgewise.format import load, write
from edgewise.format.container import model_chunks, read_model
from edgewise.format.record import Record
from edgewise.ir import Builder, Model, Quant, Sym
from edgewise.ir.enums import Activation
from edgewise.ops.opaque import Opaque, require_supported
from tests.format.codes import BuiltinOperator
from tests.format.models import ints, make, one_tensor
from tests.format.test_hostile import small_file


def changed(change: Callable[[Record], object]) -> bytes:
    """The small file with its records changed."""
    record = read_model(small_file())
    change(record)
    return b"".join(model_chunks(record))


def test_small_file() -> None:
    model = load(small_file())
    graph = model.main
    assert [node.op.name for node in graph.nodes] == ["conv_2d", "reshape", "softmax"]
    assert graph.inputs[0].source is not None
    assert graph.inputs[0].type.quant == Quant(0.5, 3)
    assert [v.shape for v in graph.outputs] == [(1, 32)]
    assert model.signature().inputs == {"x": 0}
    assert model.metadata["note"] == b"text"
    assert model.description == "small"


def test_constants_are_views_of_the_file() -> None:
    weights = next(v for v in load(small_file()).main.tensors if v.name == "w")
    assert weights.data is not None
    assert not weights.data.flags.owndata
    assert not weights.data.flags.writeable
    assert weights.data.flags.aligned


def test_constants_are_views_of_memory_that_cannot_change() -> None:
    data = bytearray(small_file())
    models = load(memoryview(data).toreadonly()), load(memoryview(data)), load(data)
    file = np.frombuffer(data, np.uint8)
    shared = [[np.shares_memory(v.data, file) for v in m.main.constants()] for m in models]
    assert all(shared[0])
    assert shared[0]
    assert not any([*shared[1], *shared[2]])


RULES: dict[str, tuple[Callable[[Record], object], str]] = {
    "version": (lambda m: setattr(m, "version", 4), "only schema version 3 is known; .* says 4"),
    "tensor": (
        lambda m: setattr(m.subgraphs[0].operators[1], "inputs", ints(99, 1)),
        "operator 1 operand names tensor 99; subgraph 0 has 7",
    ),
    "absent input": (
        lambda m: setattr(m.subgraphs[0], "inputs", ints(-1)),
        "input names tensor -1; subgraph 0 has 7",
    ),
    "output": (
        lambda m: setattr(m.subgraphs[0], "outputs", ints(7)),
        "output names tensor 7; subgraph 0 has 7",
    ),
    "operator code": (
        lambda m: setattr(m.subgraphs[0].operators[0], "opcode_index", 3),
        "operator 0 names operator code 3; there are 3",
    ),
    "custom name": (
        lambda m: setattr(m.operator_codes[0], "builtin_code", BuiltinOperator.CUSTOM),
        "a custom operator must have a name",
    ),
    "buffer": (
        lambda m: setattr(m.subgraphs[0].tensors[1], "buffer", 77),
        r"tensor 1 'w' of subgraph 0: names buffer 77; there are \d",
    ),
    "buffer size": (
        lambda m: setattr(m.subgraphs[0].tensors[1], "shape", ints(2, 1, 1, 3)),
        r"a constant int8\[2, 1, 1, 3\] takes 6 bytes; its buffer has 4",
    ),
    "negative": (
        lambda m: setattr(m.subgraphs[0].tensors[0], "shape", ints(1, -4, 4, 2)),
        r"dimensions are not negative; got \[1, -4, 4, 2\]",
    ),
    "too big": (
        lambda m: setattr(m.subgraphs[0].tensors[0], "shape", ints(*[2**30] * 4)),
        "a tensor has at most 72057594037927936 elements",
    ),
    "order": (
        lambda m: m.subgraphs[0].operators.reverse(),
        r"operator 0 \(SOFTMAX\) reads tensor 5 .* which has no value at that point",
    ),
    "twice": (
        lambda m: m.subgraphs[0].operators.append(m.subgraphs[0].operators[0]),
        "operator 3 computes tensor 3, which has a value already",
    ),
    "constant result": (
        lambda m: setattr(m.subgraphs[0].operators[0], "outputs", ints(1)),
        "is the result of an operator, yet has a constant buffer",
    ),
    "variable constant": (
        lambda m: setattr(m.subgraphs[0].tensors[1], "is_variable", True),
        "is a variable, yet has a constant buffer",
    ),
    "never computed": (
        lambda m: m.subgraphs[0].operators.pop(),
        "subgraph 0 returns tensor 6 .* which has no value",
    ),
    "scales": (
        lambda m: setattr(m.subgraphs[0].tensors[1].quantization, "scale", np.ones(3, np.float32)),
        "3 scales need as many zero points; got 2",
    ),
    "channels": (
        lambda m: setattr(m.subgraphs[0].tensors[1].quantization, "quantized_dimension", 1),
        r"2 scales do not fit dimension 1 of \[2, 1, 1, 2\]",
    ),
    "NaN": (
        lambda m: setattr(
            m.subgraphs[0].tensors[0].quantization, "scale", np.array([np.nan], np.float32)
        ),
        "scales of int8 must be positive and finite; got nan",
    ),
    "zero point": (
        lambda m: setattr(m.subgraphs[0].tensors[0].quantization, "zero_point", np.array([128])),
        r"zero points of int8 lie in \[-128, 127\]; got 128",
    ),
    "signature graph": (
        lambda m: setattr(m.signature_defs[0], "subgraph_index", 1),
        "signature 'serving_default' names subgraph 1; there are 1",
    ),
    "signature tensor": (
        lambda m: setattr(m.signature_defs[0].inputs[0], "tensor_index", 1),
        "input 'x' is tensor 1, which is no input of subgraph 'main'",
    ),
    "metadata": (
        lambda m: setattr(m.metadata[0], "buffer", 50),
        "metadata names buffer 50; there are",
    ),
    "operator": (
        lambda m: setattr(m.subgraphs[0].operators[0].builtin_options, "stride_w", 0),
        "operator 0 of subgraph 0, conv_2d .*stride",
    ),
    "external": (
        lambda m: setattr(m.subgraphs[0].tensors[1], "external_buffer", 1),
        "keeps its constant in another file",
    ),
}


@pytest.mark.parametrize("case", RULES)
def test_rule(case: str) -> None:
    change, message = RULES[case]
    with pytest.raises(FormatError, match=message) as caught:
        load(changed(change), file="m.tflite")
    assert caught.value.file == "m.tflite"
    assert caught.value.offset is not None


def test_paths(tmp_path: Path) -> None:
    for name, message in (("none.tflite", "does not exist"), ("", "is a directory")):
        with pytest.raises(FormatError, match=message):
            load(tmp_path / name)
    (tmp_path / "empty.tflite").write_bytes(b"")
    with pytest.raises(FormatError, match="is empty"):
        load(tmp_path / "empty.tflite")
    (tmp_path / "small.tflite").write_bytes(small_file())
    assert load(str(tmp_path / "small.tflite")).file == str(tmp_path / "small.tflite")


def test_several_wrong_operators_are_listed() -> None:
    def change(model: Record) -> None:
        model.subgraphs[0].operators[0].builtin_options.stride_w = 0
        model.subgraphs[0].operators[2].inputs = ints()

    with pytest.raises(FormatError, match="2 operators are not valid") as caught:
        load(changed(change))
    assert "operator 0 of subgraph 0, conv_2d" in str(caught.value)
    assert "operator 2 of subgraph 0, softmax" in str(caught.value)


def test_a_field_left_out_is_the_schemas_default() -> None:
    """The attribute's own default is for options that are absent as a whole."""

    def change(model: Record) -> None:
        del model.subgraphs[0].operators[2].builtin_options.beta

    *_, softmax = load(changed(change)).main.nodes
    assert dict(softmax.op.items())["beta"] == 0.0


def test_no_subgraph() -> None:
    model = load(b"".join(model_chunks(make("Model", version=3))))
    assert model.graphs == {}
    with pytest.raises(ValueError, match="holds no subgraph; nothing can run"):
        _ = model.main


# -- shapes -------------------------------------------------------------------------------------


def _relu(*tensors: Record) -> bytes:
    op = make("Operator", inputs=ints(0), outputs=ints(1))
    graph = make("SubGraph", tensors=list(tensors), inputs=ints(0), outputs=ints(1), operators=[op])
    code = make("OperatorCode", builtin_code=BuiltinOperator.RELU.value)
    record = make("Model", version=3, operator_codes=[code], subgraphs=[graph])
    record.buffers = [make("Buffer")]
    return b"".join(model_chunks(record))


def test_unknown_dimensions() -> None:
    x = make("Tensor", shape=ints(1, 4, 1), shape_signature=ints(-1, 4, -1))
    graph = load(_relu(x, make("Tensor", shape=ints(1, 4, 1)))).main
    batch, four, last = graph.inputs[0].shape
    assert (batch, four, last) == (Sym("batch"), 4, Sym("d1"))
    assert graph.outputs[0].shape == (batch, 4, last)
    assert graph.inputs[0].extras["shape"] == [1, 4, 1]
    assert graph.inputs[0].extras["shape_signature"] == [-1, 4, -1]


def test_stale_shapes_of_results_are_inferred_anew() -> None:
    """LiteRT does not look at them either."""
    x = make("Tensor", shape=ints(2, 3))
    graph = load(_relu(x, make("Tensor", shape=ints(7)))).main
    assert graph.outputs[0].shape == (2, 3)
    assert graph.outputs[0].extras["shape"] == [7]


def test_signature_of_another_rank() -> None:
    x = make("Tensor", shape=ints(2, 3), shape_signature=ints(-1))
    with pytest.raises(FormatError, match="differ in rank"):
        load(_relu(x, make("Tensor")))


# -- quantization -------------------------------------------------------------------------------


def _blockwise(scale: np.ndarray, block: int) -> Record:
    record = one_tensor(shape=ints(2, 64), type=DType.INT4, buffer=1, name="w")
    details = make("BlockwiseQuantization", scales=1, zero_points=-1, block_size=block)
    record.subgraphs[0].tensors[0].quantization = make("QuantizationParameters", details=details)
    record.subgraphs[0].tensors.append(
        make("Tensor", shape=ints(*scale.shape), type=DType.FLOAT16, buffer=2, name="s")
    )
    record.buffers[1].data = np.zeros(64, np.uint8)
    record.buffers.append(make("Buffer", data=scale.reshape(-1).view(np.uint8)))
    return record


def test_blockwise_scales_stand_in_another_tensor() -> None:
    scale = np.array([[0.5, 1.0], [2.0, 4.0]], np.float16)
    record = _blockwise(scale, 32)
    model = load(b"".join(model_chunks(record)))
    quant = model.main.tensors[0].quant
    assert quant == Quant(scale.astype(np.float32), np.zeros((2, 2)), 1, 32)
    again = load(b"".join(write(model.copy())))
    assert [v.name for v in again.main.tensors] == ["w", "s"]
    assert again.main.tensors[0].quant == quant


def test_new_blockwise_scales_get_a_tensor() -> None:
    b = Builder()
    w = b.constant(
        np.zeros((2, 64), ml_dtypes.int4), name="w", quant=Quant(np.ones((2, 2)), 0, 1, 32)
    )
    model = Model()
    model.add(b.finish(w))
    again = load(b"".join(write(model)))
    assert [v.name for v in again.main.tensors] == ["w", "w_scale"]
    assert again.main.tensors[0].quant == w.quant


def test_blockwise_scales_of_a_wrong_shape() -> None:
    with pytest.raises(FormatError, match=r"\[2, 64\] with one dimension divided by .* 16"):
        load(b"".join(model_chunks(_blockwise(np.ones((2, 2), np.float16), 16))))


# -- operators without a class ------------------------------------------------------------------


def _unknown() -> bytes:
    x, y, z = (make("Tensor", name=n, shape=ints(2)) for n in "xyz")
    ops = [
        make(
            "Operator",
            inputs=ints(0, -1),
            outputs=ints(1),
            custom_options=np.arange(5, dtype=np.uint8),
        ),
        make("Operator", opcode_index=1, inputs=ints(1), outputs=ints(2)),
        make(
            "Operator",
            opcode_index=2,
            inputs=ints(2),
            outputs=ints(3),
            builtin_options=make(
                "ConcatEmbeddingsOptions", num_channels=3, num_columns_per_channel=ints(1, 2)
            ),
        ),
    ]
    codes = [
        make(
            "OperatorCode", builtin_code=BuiltinOperator.CUSTOM.value, custom_code="Own", version=4
        ),
        make("OperatorCode", builtin_code=BuiltinOperator.CUSTOM.value, custom_code="FlexSoftplus"),
        make("OperatorCode", builtin_code=BuiltinOperator.CONCAT_EMBEDDINGS.value),
    ]
    tensors = [x, y, z, make("Tensor", name="out", shape=ints(2))]
    graph = make("SubGraph", tensors=tensors, inputs=ints(0), outputs=ints(3), operators=ops)
    record = make("Model", version=3, operator_codes=codes, subgraphs=[graph])
    record.buffers = [make("Buffer")]
    return b"".join(model_chunks(record))


def test_unknown_operators_survive() -> None:
    model = load(_unknown())
    own, flex, last = (node.op for node in model.main.nodes)
    assert isinstance(own, Opaque)
    assert isinstance(last, Opaque)
    assert (own.custom, own.custom_options, flex.custom) == ("Own", bytes(range(5)), "FlexSoftplus")
    assert last.fields == (("num_channels", 3), ("num_columns_per_channel", (1, 2)))
    assert model.main.outputs[0].shape == (2,)
    for again in (load(b"".join(write(m))) for m in (model, model.copy(), _without_records(model))):
        assert [node.op for node in again.main.nodes] == [own, flex, last]


def _without_records(model: Model) -> Model:
    model = model.copy()
    for node in model.main.nodes:
        node.extras.clear()
    return model


def test_unknown_operators_are_listed_before_anything_runs() -> None:
    with pytest.raises(UnsupportedOp) as caught:
        require_supported([load(_unknown()).main])
    text = str(caught.value)
    assert text.startswith("3 operators of 3 kinds cannot run:\n")
    assert "1 x FlexSoftplus: TensorFlow's Softplus, which only TensorFlow runs; convert" in text
    assert "1 x Own: a custom operator; tell what it does with edgewise.register_op('Own'" in text
    assert "1 x CONCAT_EMBEDDINGS: a builtin operator that this version cannot run" in text


def test_options_that_no_attribute_has_survive() -> None:
    """And an options table of another operator, which LiteRT takes for none."""
    record = read_model(small_file())
    record.subgraphs[0].operators[2].builtin_options = make(
        "AddOptions", fused_activation_function=Activation.RELU
    )
    model = load(b"".join(model_chunks(record)))
    again = read_model(b"".join(write(model)))
    assert again.subgraphs[0].operators == record.subgraphs[0].operators


def test_subgraphs_that_run_each_other() -> None:
    def call(index: int) -> Record:
        options = make("CallOptions", subgraph=index)
        return make("SubGraph", operators=[make("Operator", builtin_options=options)])

    code = make("OperatorCode", builtin_code=BuiltinOperator.CALL.value)
    for targets, message in (((1, 0), "runs itself"), ((1, 2), "runs subgraph 2; there are 2")):
        subgraphs = [call(index) for index in targets]
        record = make("Model", version=3, operator_codes=[code], subgraphs=subgraphs)
        with pytest.raises(FormatError, match=message):
            load(b"".join(model_chunks(record)))
