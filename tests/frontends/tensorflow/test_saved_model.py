"""SavedModels: signatures, variables, tables, and folders that cannot be used."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgewise.errors import EdgewiseError
from edgewise.frontends.tensorflow.program import Entry, Program, Ref, Table, TFShape, Variable
from edgewise.frontends.tensorflow.saved_model import read_saved_model
from tests.frontends.tensorflow.saved import FIXTURES, calls, checkpoint, problems, unpacked
from tests.frontends.wire import FLOAT, PLACEHOLDER, function, graph, message, node
from tests.frontends.wire_mutants import fields, joined


def read(name: str, folder: Path, **how: object) -> Program:
    return read_saved_model(unpacked(name, folder), **how)  # type: ignore[arg-type]


def variables(entry: Entry) -> dict[str, Variable]:
    return {v.name: v for v in entry.bound.values() if isinstance(v, Variable)}


def values(entry: Entry) -> list[str]:
    """What the variables hold, whatever they are called."""
    return sorted(str(v.value.tolist()) for v in variables(entry).values() if v.value is not None)


def tables(program: Program, key: str) -> list[Table]:
    entry = next(entry for entry in program.entries if entry.key == key)
    return [v for v in entry.bound.values() if isinstance(v, Table)]


@pytest.mark.parametrize("name", sorted(p.stem for p in FIXTURES.glob("*.zip") if calls(p.stem)))
def test_signatures_take_and_give_what_tensorflow_says(name: str, tmp_path: Path):
    program = read(name, tmp_path)
    assert problems(program) == []
    entries = {entry.key: entry for entry in program.entries}
    for key, made in calls(name).items():
        entry = entries[key]
        assert set(entry.inputs) == set(made[0].inputs)
        assert set(entry.outputs) == set(made[0].outputs)
        for argument, array in made[0].inputs.items():
            declared = entry.function.arguments[entry.inputs[argument]]
            assert declared.dtype is not None
            assert declared.dtype.numpy.kind == array.dtype.kind or array.dtype.kind in "OU"
            assert declared.shape.dims is not None
            for known, size in zip(declared.shape.dims, array.shape, strict=True):
                assert known in (None, size)
    assert program.producer == "TensorFlow 2.21.0"


def test_variables_of_an_export_of_keras(tmp_path: Path):
    program = read("keras_export", tmp_path)
    assert [entry.key for entry in program.entries] == ["serve", "serving_default"]
    stored = checkpoint("keras_export")
    found = variables(program.entries[1])
    assert list(found) == [
        "conv/kernel", "conv/bias", "norm/moving_mean", "norm/moving_variance", "norm/gamma",
        "norm/beta", "head/kernel", "head/bias",
    ]  # fmt: skip
    for variable in found.values():
        assert variable.value is not None
        assert any(
            array.shape == variable.value.shape and array.tobytes() == variable.value.tobytes()
            for array in stored.values()
        )
    assert all(variables(program.entries[0])[name] is v for name, v in found.items())


def test_signatures_share_variables(tmp_path: Path):
    program = read("module", tmp_path)
    classify, count = program.entries
    assert (classify.key, count.key) == ("classify", "count")
    assert classify.inputs == {"bias": 0, "x": 1}
    assert classify.outputs == {"class": 0, "scores": 1}
    assert variables(classify)["steps"] is variables(count)["steps"]
    assert variables(count)["steps"].value == 7
    only = read_saved_model(tmp_path / "module", signature_keys=["count"])
    assert [entry.key for entry in only.entries] == ["count"]
    assert len(only.functions) < len(program.functions)


def test_functions_that_nothing_calls_are_left_out(tmp_path: Path):
    program = read("control", tmp_path)
    names = " ".join(program.functions)
    for part in ("while_cond", "while_body", "true", "false", "branch0", "branch2"):
        assert part in names
    assert "restore" not in names
    assert "save" not in names


def test_captured_tensors(tmp_path: Path):
    (entry,) = read("captures", tmp_path).entries
    constant = [value for value in entry.bound.values() if isinstance(value, np.ndarray)]
    assert [array.shape for array in constant] == [(3,)]
    (variable,) = variables(entry).values()
    assert variable.shape == TFShape((None,))
    assert variable.value is not None
    assert variable.value.shape == (2,)


def test_partitioned_variables(tmp_path: Path):
    (entry,) = read("partitioned", tmp_path).entries
    found, stored = variables(entry), checkpoint("partitioned")
    for name, axis, parts in (("one", 0, 3), ("two", 1, 2)):
        values = [found[f"{name}/part_{i}"].value for i in range(parts)]
        assert np.array_equal(np.concatenate(values, axis), stored[name])  # type: ignore[arg-type]
    assert set(entry.bound) >= {"one/part_0", "two/part_1", "bias"}


def test_tables(tmp_path: Path):
    program = read("tables", tmp_path)
    (words,) = tables(program, "words")
    assert words.keys.tolist() == [b"the", b"quick", b"brown", b"fox"]
    assert words.values.tolist() == [0, 1, 2, 3]
    numbers, back = tables(program, "look_up")
    assert numbers.keys.tolist() == [5, 3, 9]
    assert numbers.values.tolist() == [0.5, 0.25, 0.125]
    assert back.values.tolist() == [b"x", b"y", b"z", b"w"]
    (mutable,) = tables(program, "remembered")
    assert dict(zip(mutable.keys, mutable.values, strict=True)) == {b"one": 1, b"two": 2}


def test_tables_of_tensorflow_1(tmp_path: Path):
    program = read("tf1_tables", tmp_path)
    (words,) = tables(program, "words")
    assert words.keys.tolist() == [b"red", b"green", b"blue"]
    (numbers,) = tables(program, "keys")
    assert numbers.values.tolist() == [10, 40]
    keys = next(entry for entry in program.entries if entry.key == "keys")
    assert variables(keys)["scale"].value == 2


def test_lines_of_the_program(tmp_path: Path):
    program = read("debug", tmp_path)
    (body,) = program.functions.values()
    location = body.nodes["Relu"].location
    assert location is not None
    assert location.layer == "Relu"
    assert location.file == "/model/make_fixtures.py"
    assert location.line > 100


def test_tags(tmp_path: Path):
    both = read("several_graphs", tmp_path, tags={"gpu", "serve"})
    assert list(both.entries[0].function.nodes)[-1] == "serve_gpu"
    default = read_saved_model(tmp_path / "several_graphs")
    assert list(default.entries[0].function.nodes)[-1] == "serve"
    assert np.array_equal(variables(both.entries[0])["w"].value, [2, 3])  # type: ignore[arg-type]


def without_objects(folder: Path) -> Path:
    """The SavedModel without its object graph."""
    file = folder / "saved_model.pb"
    parts = fields(file.read_bytes())
    assert parts is not None
    kept = [(tag, _without(7, value) if tag >> 3 == 2 else value) for tag, value in parts]
    file.write_bytes(joined(kept))
    return folder


def _without(number: int, data: bytes) -> bytes:
    parts = fields(data)
    assert parts is not None
    return joined([(tag, value) for tag, value in parts if tag >> 3 != number])


@pytest.mark.parametrize("name", ["module", "keras_export", "control", "types"])
def test_variables_are_found_by_what_restores_them(name: str, tmp_path: Path):
    expected = read(name, tmp_path)
    program = read_saved_model(without_objects(tmp_path / name))
    assert problems(program) == []
    for ours, whole in zip(program.entries, expected.entries, strict=True):
        assert (ours.key, ours.outputs) == (whole.key, whole.outputs)
        assert list(ours.function.nodes.values())[-1].op == "StatefulPartitionedCall"
        assert values(ours) == values(whole)


# --- what is refused -------------------------------------------------------------------------


def refusal(folder: Path, **how: object) -> str:
    with pytest.raises(EdgewiseError) as caught:
        read_saved_model(folder, **how)  # type: ignore[arg-type]
    return str(caught.value)


def test_no_such_tags(tmp_path: Path):
    folder = unpacked("several_graphs", tmp_path)
    assert refusal(folder, tags=["train"]) == (
        "several_graphs: no graph has the tags {train}; there are {serve}, {gpu, serve}."
        " Give tags=[...]."
    )


def test_no_such_signature(tmp_path: Path):
    folder = unpacked("module", tmp_path)
    assert refusal(folder, signature_keys=["count", "predict", "classifier"]) == (
        "module: has no signature 'predict', 'classifier'; there are 'classify', 'count'."
        " Give signature_keys=[...]."
    )
    assert "'classify', 'count'" in refusal(folder, signature_keys=["__saved_model_init_op"])


def test_no_signatures(tmp_path: Path):
    assert refusal(unpacked("no_signature", tmp_path)) == (
        "no_signature: has no signatures, only the functions never_traced (0 traces), thrice"
        " (1 traces), twice (1 traces). Save it with them:"
        " tf.saved_model.save(model, path, signatures=...)."
    )


def test_only_weights(tmp_path: Path):
    meta = message((1, message((4, "serve"))))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "saved_model.pb").write_bytes(message((1, 1), (2, meta)))
    assert refusal(tmp_path / "m") == (
        "m: has no signatures, only values: no function. Save it with them:"
        " tf.saved_model.save(model, path, signatures=...)."
    )


def test_no_variables_folder(tmp_path: Path):
    folder = unpacked("module", tmp_path)
    shutil.rmtree(folder / "variables")
    assert refusal(folder) == (
        "module: 2 values of variables and tables are not to be had:\n"
        "  - variable 'steps': there is no checkpoint (variables/variables.index)\n"
        "  - variable 'weight': there is no checkpoint (variables/variables.index)\n"
        "Copy the whole folder, with variables/ and assets/, or save the model again."
    )


def test_another_models_checkpoint(tmp_path: Path):
    folder, other = unpacked("module", tmp_path), unpacked("types", tmp_path)
    shutil.rmtree(folder / "variables")
    shutil.copytree(other / "variables", folder / "variables")
    assert "variable 'weight': the checkpoint has no tensor 'weight'" in refusal(folder)


def test_a_vocabulary_is_missing_or_damaged(tmp_path: Path):
    folder = unpacked("tables", tmp_path)
    (folder / "assets" / "vocabulary.txt").write_bytes(b"one\ntwo\tx\n")
    assert refusal(folder) == (
        "tables/assets/vocabulary.txt: 1 lines do not fit the table that is made of them:\n"
        "  - line 1 has 1 columns; column 1 is needed"
    )
    (folder / "assets" / "vocabulary.txt").unlink()
    assert refusal(folder) == (
        "tables: the asset assets/vocabulary.txt is missing; copy the whole folder"
    )


@pytest.mark.parametrize(
    "name", ["../etc/passwd/", "/etc/passwd///", "..\\etc\\passwd", "C:/autoexec.b"]
)
def test_an_asset_outside_the_folder(name: str, tmp_path: Path):
    folder = unpacked("tables", tmp_path)
    file = folder / "saved_model.pb"
    old, new = message((2, "vocabulary.txt")), message((2, name.ljust(14, "/")))
    assert len(new) == len(old)
    assert old in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(old, new))
    assert refusal(folder) == (
        "tables/saved_model.pb: an asset must lie in the SavedModel's own folder;"
        f" found '{name.ljust(14, '/')}'"
    )


def test_no_saved_model(tmp_path: Path):
    assert "does not exist" in refusal(tmp_path / "nowhere")
    (tmp_path / "m").mkdir()
    assert refusal(tmp_path / "m") == "m: a SavedModel has the file saved_model.pb; it is missing"
    (tmp_path / "m" / "saved_model.cpb").write_bytes(b"x")
    assert refusal(tmp_path / "m") == (
        "m/saved_model.cpb: is in chunks; save the model without experimental_image_format"
    )
    (tmp_path / "m" / "saved_model.pbtxt").write_text("meta_graphs {\n")
    assert refusal(tmp_path / "m") == ("m/saved_model.pbtxt: line 2: a field begins with its name")
    (tmp_path / "m" / "saved_model.pb").write_bytes(b"")
    assert "is empty" in refusal(tmp_path / "m")


def written(folder: Path, graph_def: bytes, inputs: bytes, outputs: bytes, *ops: bytes) -> Path:
    """A SavedModel of TensorFlow 1: one signature, of one input and one output; OpDefs."""
    signature = message((1, message((1, "x"), (2, inputs))), (2, message((1, "y"), (2, outputs))))
    meta = message(
        (1, message((2, message(*((1, op) for op in ops))), (4, "serve"))),
        (2, graph_def),
        (5, message((1, "f"), (2, signature))),
    )
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(message((1, 1), (2, meta)))
    return folder


def test_operations_of_somebody_else_are_described_in_the_file(tmp_path: Path):
    default = message((1, "rate"), (3, message((3, 7))))
    op = message((1, "Mine"), (3, message((1, "one"))), (3, message((1, "two"))), (4, default))
    call = {"f": message((10, message((1, "g")))), "Tout": message((1, FLOAT))}
    body = function("g", ["x"], [node("m", "Mine", ["x"])], {"r": "m:two:0"})
    nodes = [node("a", "Placeholder", attrs=PLACEHOLDER), node("b", "PartitionedCall", ["a"], call)]
    data = graph(nodes, [body])
    folder = written(tmp_path / "m", data, message((1, "a:0")), message((1, "b:0")), op)
    found = read_saved_model(folder).functions["g"]
    assert found.results == (Ref("m", 1),)
    assert found.nodes["m"].attrs == {"rate": 7}


def test_ragged_and_sparse_tensors_of_signatures_are_several(tmp_path: Path):
    nodes = [node(name, "Placeholder", attrs=PLACEHOLDER) for name in "abc"]
    ragged = message((5, message((2, message((1, "a:0"))), (2, message((1, "b:0"))))))
    sparse = message((4, message((1, "b:0"), (2, "a:0"), (3, "b:0"))))
    folder = written(tmp_path / "m", graph(nodes), ragged, sparse)
    (found,) = read_saved_model(folder).entries
    assert found.inputs == {"x": 0, "x_1": 1}
    assert found.outputs == {"y": 0, "y_1": 1, "y_2": 2}
    assert found.function.results == (Ref("a"), Ref("b"), Ref("b"))


def test_a_ragged_tensor_without_parts(tmp_path: Path):
    nodes = [node("x", "Placeholder", attrs=PLACEHOLDER)]
    folder = written(tmp_path / "m", graph(nodes), message((5, b"")), message((1, "x:0")))
    assert "'f'" in refusal(folder) or "placeholders are needed" in refusal(folder)


def test_a_signature_of_tensors_that_there_are_not(tmp_path: Path):
    nodes = [node("a", "Placeholder", attrs=PLACEHOLDER), node("b", "Relu", ["a"])]
    folder = written(tmp_path / "m", graph(nodes), message((1, "a:0")), message((1, "c:0")))
    assert refusal(folder) == (
        "m/saved_model.pb: outputs must be tensors of the graph; 1 are not:\n"
        "  - 'c:0': no node or argument has this name\n"
        "It has the placeholders a, and results b."
    )


def test_recursion(tmp_path: Path):
    call = {"f": message((10, message((1, "g")))), "Tout": message((1, FLOAT))}
    body = function("g", ["x"], [node("c", "PartitionedCall", ["x"], call)], {"r": "x"})
    nodes = [node("a", "Placeholder", attrs=PLACEHOLDER), node("b", "PartitionedCall", ["a"], call)]
    folder = written(tmp_path / "m", graph(nodes, [body]), message((1, "a:0")), message((1, "b:0")))
    assert refusal(folder) == (
        "a function must not call itself; found 'g' -> 'g'. Write the recursion as a tf.while_loop."
    )


def test_a_table_that_nothing_fills(tmp_path: Path):
    table = {"key_dtype": message((6, 7)), "value_dtype": message((6, 9))}
    nodes = [
        node("a", "Placeholder", attrs={"dtype": message((6, 7))}),
        node("t", "HashTableV2", [], table),
        node("v", "VariableV2", [], {"dtype": FLOAT}),
        node("b", "LookupTableFindV2", ["t", "a", "v"]),
    ]
    folder = written(tmp_path / "m", graph(nodes), message((1, "a:0")), message((1, "b:0")))
    assert refusal(folder) == (
        "m: 2 values of variables and tables are not to be had:\n"
        "  - nothing fills table 't'\n"
        "  - variable 'v': there is no checkpoint (variables/variables.index)\n"
        "Copy the whole folder, with variables/ and assets/, or save the model again."
    )


# --- models of others ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "inputs", "outputs", "count"),
    [
        ("basic_pitch", ["input_2"], ["contour", "note", "onset"], 27),
        ("kws_ref_model", ["input_1"], ["dense"], 56),
    ],
)
def test_shared_models(
    name: str, inputs: list[str], outputs: list[str], count: int, shared_data: Path
):
    program = read_saved_model(shared_data / "savedmodel" / name)
    assert problems(program) == []
    (entry,) = program.entries
    assert list(entry.inputs) == inputs
    assert list(entry.outputs) == outputs
    assert len(entry.bound) == count
    for variable in variables(entry).values():
        assert variable.value is not None
        assert variable.shape == TFShape(variable.value.shape)
