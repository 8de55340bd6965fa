"""Records for the tests of this folder: one small model with a bit of everything, and any model."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from edgewise.dtypes import DType
from edgewise.format import load
from edgewise.format.container import model_chunks
from edgewise.format.record import Record, record_type
from edgewise.format.schema import SCALARS, UNIONS, Field, Kind, table
from edgewise.format.schema_enums import ENUMS
from edgewise.ir.enums import Activation
from tests.format.codes import BuiltinOperator


def make(name: str, /, **fields: object) -> Record:
    return record_type(name)(**fields)


def small_model() -> Record:
    """x + w with relu, a signature, metadata, per-channel quantization and a custom operator."""
    quantization = make(
        "QuantizationParameters",
        scale=np.array([0.5, 0.25], np.float32),
        zero_point=np.array([0, 3], np.int64),
        quantized_dimension=1,
        details=make("BlockwiseQuantization", scales=1, block_size=32),
    )
    shape = np.array([1, 2], np.int32)
    return make(
        "Model",
        version=3,
        description="small · modèle",
        operator_codes=[
            make("OperatorCode", builtin_code=BuiltinOperator.ADD.value),
            make(
                "OperatorCode",
                builtin_code=BuiltinOperator.CUSTOM.value,
                custom_code="Own",
                version=2,
            ),
        ],
        subgraphs=[
            make(
                "SubGraph",
                name="main",
                tensors=[
                    make("Tensor", name="x", shape=shape, shape_signature=-shape, has_rank=True),
                    make("Tensor", name="w", shape=shape, type=DType.INT8, buffer=1),
                    make("Tensor", name="y", shape=shape, quantization=quantization),
                ],
                inputs=np.array([0], np.int32),
                outputs=np.array([2], np.int32),
                operators=[
                    make(
                        "Operator",
                        inputs=np.array([0, 1], np.int32),
                        outputs=np.array([2], np.int32),
                        builtin_options=make(
                            "AddOptions", fused_activation_function=Activation.RELU
                        ),
                    ),
                    make(
                        "Operator",
                        opcode_index=1,
                        inputs=np.array([2, -1], np.int32),
                        outputs=np.empty(0, np.int32),
                        custom_options=np.arange(5, dtype=np.uint8),
                        mutating_variable_inputs=np.array([True, False]),
                    ),
                ],
            )
        ],
        buffers=[make("Buffer"), make("Buffer", data=np.array([7, 8], np.uint8))],
        metadata=[make("Metadata", name="note", buffer=1)],
        signature_defs=[
            make(
                "SignatureDef",
                signature_key="serving_default",
                inputs=[make("TensorMap", name="x")],
                outputs=[make("TensorMap", name="y", tensor_index=2)],
            )
        ],
    )


def records(name: str) -> st.SearchStrategy[Record]:
    """Any record of a table, every field set or absent."""
    fields = {f.name: _values(f) for f in table(name).fields}
    return st.fixed_dictionaries({}, optional=fields).map(lambda given: make(name, **given))


def _values(field: Field) -> st.SearchStrategy[object]:
    match field.kind:
        case Kind.SCALAR:
            return _scalars(field.type)
        case Kind.ENUM:
            return st.sampled_from(list(ENUMS[field.type].members.values()))
        case Kind.STRING:
            return _strings()
        case Kind.STRING_VECTOR:
            return st.lists(_strings(), max_size=3)
        case Kind.VECTOR:
            return st.lists(_scalars(field.type), max_size=3).map(
                lambda items: np.array(items, SCALARS[field.type].dtype)
            )
        case Kind.ENUM_VECTOR:
            return st.lists(st.sampled_from(list(ENUMS[field.type].members)), max_size=3).map(
                lambda codes: np.array(codes, field.scalar.dtype)
            )
        case Kind.TABLE:
            return st.deferred(lambda: records(field.type))
        case Kind.TABLE_VECTOR:
            return st.lists(st.deferred(lambda: records(field.type)), max_size=2)
        case Kind.UNION:
            return st.sampled_from(UNIONS[field.type]).flatmap(records)


def _strings() -> st.SearchStrategy[str]:
    return st.binary(max_size=6).map(lambda b: b.decode("utf-8", "surrogateescape"))


def _scalars(name: str) -> st.SearchStrategy[object]:
    if name == "bool":
        return st.booleans()
    if name == "float":
        return st.floats(width=32)
    info = np.iinfo(SCALARS[name].dtype)
    return st.integers(int(info.min), int(info.max))


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def one_tensor(**fields: object) -> Record:
    """A model whose one subgraph returns its one tensor; buffer 1 is free for it."""
    graph = make("SubGraph", tensors=[make("Tensor", **fields)], outputs=ints(0))
    return make("Model", version=3, subgraphs=[graph], buffers=[make("Buffer"), make("Buffer")])


def constant(record: Record) -> np.ndarray:
    data = load(b"".join(model_chunks(record))).main.tensors[0].data
    assert data is not None
    return data
