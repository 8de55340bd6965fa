"""Decoding and encoding: round trips, and bytes that are not what they claim to be."""

from __future__ import annotations

import contextlib
import random
import struct
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.dtypes import DType
from edgewise.errors import FormatError
from edgewise.format.build import build
from edgewise.format.flatbuffer import MAX_TABLES, decode
from edgewise.format.record import Record
from edgewise.format.schema import ROWS
from edgewise.ir.enums import Activation
from tests.format.models import make, records, small_model


def encode(record: Record) -> bytearray:
    return bytearray(b"".join(build(record)))


def place(data: bytes | bytearray, record: Record, slot: int) -> int:
    """Byte of a decoded record's field."""
    assert record.byte_offset is not None
    vtable = record.byte_offset - struct.unpack_from("<i", data, record.byte_offset)[0]
    return int(record.byte_offset + struct.unpack_from("<H", data, vtable + 4 + 2 * slot)[0])


# --- what comes back ---


def test_small_model_comes_back() -> None:
    model = small_model()
    again = decode(encode(model))
    assert again == model
    graph = again.subgraphs[0]
    assert graph.tensors[1].type is DType.INT8
    assert graph.operators[0].builtin_options.fused_activation_function is Activation.RELU
    assert graph.operators[0].builtin_options.pot_scale_int16 is True  # a default that is not 0
    assert graph.operators[0].custom_options is None
    assert graph.operators[1].outputs.size == 0
    assert graph.debug_metadata_index == -1
    assert graph.tensors[2].quantization.details.block_size == 32


@settings(max_examples=60)
@given(record=records("Model"))
def test_any_model_comes_back(record: Record) -> None:
    data = encode(record)
    again = decode(data)
    assert again == record
    assert encode(again) == data


@settings(max_examples=200)
@given(record=st.sampled_from(sorted(ROWS)).flatmap(records))
def test_any_table_comes_back(record: Record) -> None:
    assert decode(encode(record), root=record.table.name) == record


def test_vectors_are_read_only_views() -> None:
    data = encode(small_model())
    graph = decode(data).subgraphs[0]
    shape = graph.tensors[0].shape
    assert not shape.flags.writeable
    assert np.shares_memory(shape, np.frombuffer(data, np.uint8))


def test_unaligned_input_is_read() -> None:
    data = encode(small_model())
    assert decode(memoryview(bytes(3) + data)[3:]) == small_model()


def test_scalar_alignment_is_that_of_the_strict_verifier() -> None:
    """Offsets, lengths and 8-byte scalars are aligned from the start of the file, data to 16."""
    ops = [
        make("Operator", custom_options=bytes([i] * i), large_custom_options_size=i, inputs=[i])
        for i in range(1, 40)
    ]
    graph = make("SubGraph", operators=ops, name="odd")
    buffers = [make("Buffer", data=bytes(n), size=n) for n in (1, 17, 2000, 1023, 1025)]
    data = encode(make("Model", subgraphs=[graph], buffers=buffers))
    model = decode(data)
    whole = np.frombuffer(data, np.uint8)
    for owner in [*model.subgraphs[0].operators, *model.buffers]:
        assert owner.byte_offset % 4 == 0
        vector = owner.data if owner.table.name == "Buffer" else owner.custom_options
        start = vector.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        assert start % 16 == 0
        assert place(data, owner, 2 if owner.table.name == "Buffer" else 10) % 8 == 0


def test_equal_vtables_are_written_once() -> None:
    """Another table of a kind costs its reference, vtable offset and fields, and no vtable."""
    few, many = (
        len(encode(make("Model", external_buffers=[make("ExternalBuffer", id=5)] * n)))
        for n in (10, 110)
    )
    assert many - few == 100 * (4 + 4 + 4)


def test_large_vectors_are_not_copied() -> None:
    weights = np.arange(50_000, dtype=np.float32)
    chunks = build(make("Model", buffers=[make("Buffer", data=weights.reshape(-1).view(np.uint8))]))
    assert any(np.shares_memory(np.frombuffer(chunk, np.uint8), weights) for chunk in chunks)


def test_unknown_fields_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    data = encode(make("Metadata", name="n", buffer=3))
    seen = decode(data, root="ExternalBufferGroup")  # its only field is slot 0, a string
    assert seen.name == "n"
    assert "fields of ExternalBufferGroup that this version does not know" in caplog.text


def test_ten_thousand_operators_in_linear_time() -> None:
    model = small_model()
    model.subgraphs[0].operators *= 5000
    data = encode(model)
    started = time.process_time()
    assert len(decode(data).subgraphs[0].operators) == 10_000
    assert time.process_time() - started < 2  # 0.08 s on a quiet machine


# --- bytes that lie ---


def test_truncation_at_every_byte() -> None:
    data = bytes(encode(small_model()))
    whole = small_model()
    for length in range(len(data)):
        try:
            shorter = decode(data[:length])
        except FormatError:
            continue
        assert shorter == whole, length  # only padding was cut


@pytest.mark.parametrize("seed", range(6))
def test_mutated_bytes_give_a_model_or_a_format_error(seed: int) -> None:
    print(f"{seed=}")
    rng = random.Random(seed)
    original = bytes(encode(small_model()))
    refused = 0
    for _ in range(400):
        data = bytearray(original)
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = rng.randrange(len(data))
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        try:
            model = decode(data)
        except FormatError:
            refused += 1
            continue
        assert decode(encode(model)) == model
    assert 0 < refused < 400


@given(data=st.binary(max_size=64))
def test_random_bytes(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        decode(data)


def test_offset_beyond_the_file() -> None:
    data = encode(small_model())
    model = decode(data)
    at = place(data, model.subgraphs[0].tensors[1], 3)
    struct.pack_into("<I", data, at, 2**32 - 1)
    with pytest.raises(FormatError, match=r"Tensor\.name starts at byte \d+, beyond the end"):
        decode(data, file="m.tflite")


def test_vector_longer_than_the_file() -> None:
    data = encode(small_model())
    at = place(data, decode(data).subgraphs[0].tensors[1], 0)
    at += struct.unpack_from("<I", data, at)[0]
    struct.pack_into("<I", data, at, 2**31)
    with pytest.raises(FormatError, match=r"Tensor\.shape with 2147483648 elements") as caught:
        decode(data, file="m.tflite")
    assert (caught.value.file, caught.value.offset) == ("m.tflite", at)


def test_unknown_enumeration_member() -> None:
    data = encode(small_model())
    data[place(data, decode(data).subgraphs[0].tensors[1], 1)] = 99
    with pytest.raises(FormatError, match=r"Tensor\.type has unknown TensorType 99"):
        decode(data)


def test_unknown_union_type() -> None:
    data = encode(small_model())
    data[place(data, decode(data).subgraphs[0].operators[0], 3)] = 127
    with pytest.raises(FormatError, match=r"Operator\.builtin_options has unknown type code 127"):
        decode(data)


def test_overlapping_fields() -> None:
    data = encode(small_model())
    tensor = decode(data).subgraphs[0].tensors[1]
    vtable = tensor.byte_offset - struct.unpack_from("<i", data, tensor.byte_offset)[0]
    struct.pack_into("<H", data, vtable + 4, struct.unpack_from("<H", data, vtable + 8)[0] + 1)
    with pytest.raises(FormatError, match="inside another field"):
        decode(data)


def test_many_entries_for_one_table() -> None:
    """A small file must not become a large model: 4 bytes would buy a table each."""
    data = encode(make("Model", buffers=[make("Buffer", size=5)] * 5000))
    first = decode(data).buffers[0].byte_offset
    start = place(data, decode(data), 4)
    start += struct.unpack_from("<I", data, start)[0] + 4
    crowded = data[: first + 16]
    for i in range(4, 4 * 5000, 4):
        struct.pack_into("<I", crowded, start + i, first - start - i)
    with pytest.raises(FormatError, match="overlap"):
        decode(crowded)


def test_more_tables_than_any_model_has() -> None:
    count = MAX_TABLES + 1
    data = encode(make("Model", buffers=[make("Buffer")]))
    start = place(data, decode(data), 4)
    struct.pack_into("<I", data, start + struct.unpack_from("<I", data, start)[0], count)
    with pytest.raises(FormatError, match=f"at most {MAX_TABLES}"):
        decode(data + bytes(4 * count))


def test_overlapping_vtables() -> None:
    """Each table may claim its own vtable of up to 64 KB, most of it the next one's bytes."""
    count = 5000
    data = bytearray(struct.pack("<I4s", 24, b"TFL3"))
    data += struct.pack("<2H5Hxx", 14, 8, 0, 0, 0, 0, 4)  # Model's vtable: only buffers
    data += struct.pack("<iII", 24 - 8, 4, count)
    tables = len(data) + 4 * count
    vtables = tables + 4 * count
    data += struct.pack("<I", 4 * count) * count
    for i in range(count):
        data += struct.pack("<i", tables + 4 * i - (vtables + 16 * i))
    data += struct.pack("<2H12x", 40_000, 4) * count + bytes(40_000)
    started = time.process_time()
    with pytest.raises(FormatError, match="overlap"):
        decode(data)
    assert time.process_time() - started < 2


def test_overlapping_strings() -> None:
    """Strings that contain each other cost the square of the file without the budget."""
    names = [make("Metadata", name="x" * 40) for _ in range(400)]
    data = encode(make("Model", metadata=names))
    model = decode(data)
    for record in model.metadata:
        at = place(data, record, 0)
        at += struct.unpack_from("<I", data, at)[0]
        struct.pack_into("<I", data, at, len(data) - at - 4)
    with pytest.raises(FormatError, match="overlap"):
        decode(data)


# --- records that no file can hold ---


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (make("Tensor", buffer=2**32), r"Tensor\.buffer holds 4294967296, not a uint"),
        (make("Tensor", buffer=1.5), r"Tensor\.buffer holds 1\.5, not a uint"),
        (make("Tensor", type=3), r"Tensor\.type holds 3, not a TensorType"),
        (make("Tensor", is_variable=[1]), r"Tensor\.is_variable holds \[1\], not a bool"),
        (make("Tensor", shape=[2**40]), r"Tensor\.shape holds int64 \[1\], which is not"),
        (make("Tensor", shape=[0.5]), r"Tensor\.shape holds float64 \[1\], which is not"),
        (make("Tensor", shape=np.zeros((2, 2), np.int32)), r"Tensor\.shape holds int32 \[2, 2\]"),
        (make("Tensor", shape="ab"), r"Tensor\.shape holds 'ab', not a vector of int"),
        (make("Tensor", name=b"x"), r"Tensor\.name holds b'x', not a string"),
        (make("Tensor", name="\ud800"), r"Tensor\.name cannot be written as UTF-8"),
        (make("Tensor", quantization=make("Buffer")), r"not a QuantizationParameters"),
        (make("Operator", builtin_options=make("Buffer")), r"not a BuiltinOptions"),
        (make("SubGraph", tensors=make("Tensor")), r"SubGraph\.tensors holds Tensor, not a list"),
        (make("SubGraph", tensors=[None]), r"SubGraph\.tensors\[0\] holds None, not a Tensor"),
        (make("SoftmaxOptions", beta=1e39), r"SoftmaxOptions\.beta holds 1e\+39, not a float"),
        (
            make("StablehloDotGeneralOptions", precision_config=[7]),
            r"precision_config holds \[7\], not a vector of StablehloPrecisionConfig",
        ),
    ],
)
def test_values_that_do_not_fit(record: Record, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        build(record)


def test_misspelt_fields() -> None:
    with pytest.raises(TypeError, match="Tensor has no field shap"):
        make("Tensor", shap=[1])
    tensor = make("Tensor")
    tensor.nam = "x"
    with pytest.raises(FormatError, match="Tensor has no field nam"):
        build(tensor)
