"""From a source of TensorFlow's to a model that runs: SavedModels, graphs, live functions.

The answers are TensorFlow's, stored with the fixtures (`make_fixtures.py`).
"""

from __future__ import annotations

import gzip
import logging
from types import SimpleNamespace

import numpy as np
import pytest

import edgewise
from edgewise.errors import ConversionError, UnsupportedOp
from edgewise.frontends import tensorflow
from edgewise.frontends.tensorflow.saved_model import signatures
from tests.frontends.tensorflow import saved
from tests.frontends.tensorflow.answers import load

REFUSED = {"no_signature", "ragged", "several_graphs"}
APART = {"training"}  # test_training.py: the order of its signatures counts


@pytest.mark.parametrize("form", ["model", "file"])
@pytest.mark.parametrize("name", [name for name in saved.NAMES if name not in REFUSED | APART])
def test_saved_models_give_tensorflows_answers(tmp_path, name, form):
    folder = saved.unpacked(name, tmp_path)
    model = edgewise.convert(folder, signature_keys=signatures(folder))
    runner = edgewise.Interpreter(model if form == "model" else model.to_bytes())
    asked = 0
    for key, calls in saved.calls(name).items():
        for call in calls:  # in order: one may change what the next one reads
            given = runner(signature=key, **call.inputs)
            assert set(given) == set(call.outputs)
            for output, wanted in call.outputs.items():
                assert given[output].shape == wanted.shape
                if wanted.dtype.kind in "fc":
                    np.testing.assert_allclose(given[output], wanted, rtol=1e-5, atol=1e-5)
                else:
                    np.testing.assert_array_equal(given[output], wanted)
            asked += 1
    assert asked


def test_a_saved_model_as_text(tmp_path):
    folder, keys = saved.unpacked("tf1_tables", tmp_path), ["keys", "words"]
    wanted = edgewise.convert(folder, signature_keys=keys).to_bytes()
    (folder / "saved_model.pb").unlink()
    text = gzip.decompress((saved.FIXTURES / "tf1_tables.pbtxt.gz").read_bytes())
    (folder / "saved_model.pbtxt").write_bytes(text)
    for source in (folder, folder / "saved_model.pbtxt"):
        assert edgewise.convert(source, signature_keys=keys).to_bytes() == wanted


def test_a_frozen_graph_as_text(tmp_path):
    path = tmp_path / "frozen.pbtxt"
    path.write_text("""
    node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } }
      attr { key: "shape" value { shape { dim { size: 2 } } } } }
    node { name: "w" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "value"
      value { tensor { dtype: DT_FLOAT tensor_shape { dim { size: 2 } } float_val: [3, 0.5] } } } }
    node { name: "y" op: "Mul" input: "x" input: "w" attr { key: "T" value { type: DT_FLOAT } } }
    """)
    [y] = edgewise.Interpreter(edgewise.convert(path))(np.array([2, 4], np.float32)).values()
    assert y.tolist() == [6, 2]


def test_a_model_of_words_is_refused_with_every_reason(tmp_path):
    with pytest.raises(UnsupportedOp) as caught:
        edgewise.convert(saved.unpacked("ragged", tmp_path))
    text = str(caught.value)
    assert text.startswith(
        "ragged: 2 operations cannot be converted:\n  - StringLower: text is not"
    )
    assert "('StringSplit/StringSplitV2')" in text


def test_the_default_signature_is_chosen_and_said(tmp_path, caplog):
    folder = saved.unpacked("keras_export", tmp_path)
    with caplog.at_level(logging.INFO, "edgewise"):
        model = edgewise.convert(folder)
    assert [s.key for s in model.signatures] == ["serving_default"]
    assert "signature 'serving_default' of 'serve', 'serving_default' is converted" in caplog.text
    assert edgewise.convert(folder / "saved_model.pb").signatures == model.signatures


def test_several_signatures_and_none_is_the_default(tmp_path):
    folder = saved.unpacked("module", tmp_path)
    with pytest.raises(ConversionError) as caught:
        edgewise.convert(folder)
    assert str(caught.value) == (
        "module: has 2 signatures, none of them 'serving_default':\n"
        "  - 'classify': bias float32[4], x float32[?,3] -> class int64[?], scores float32[?,4]\n"
        "  - 'count': by int64[] -> steps int64[]\n"
        "Say which: signature_keys=['classify'] (edgewise convert --signature classify)"
    )
    one = edgewise.convert(folder, signature_keys=["count"])
    assert [s.key for s in one.signatures] == ["count"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"signature_keys": ["lost"]}, "has no signature 'lost'; there are 'serve', 'serving_def"),
        ({"tags": ["train"]}, r"no graph has the tags \{train\}; there are \{serve\}"),
        ({"outputs": ["x"]}, "a TensorFlow SavedModel folder has no option outputs=; leave it out"),
        ({"shapes": {"lost": (1,)}}, "shapes= names 'lost'; the inputs are "),
    ],
)
def test_options_that_do_not_fit(tmp_path, options, says):
    with pytest.raises(ConversionError, match=says):
        edgewise.convert(saved.unpacked("keras_export", tmp_path), **options)


def test_a_graph_from_tensors_to_tensors(shared_data):
    path = shared_data / "frozen" / "mnist.pb"
    inner = edgewise.convert(path, outputs=["MatMul"], inputs=["input"])
    assert list(inner.signatures[0].outputs) == ["MatMul"]
    with pytest.raises(ConversionError, match="no node or argument has this name"):
        edgewise.convert(path, outputs=["lost"])


# -- live functions, of objects that look as TensorFlow's -------------------------------------


class Tensor(SimpleNamespace):
    __module__ = "tensorflow.python.framework.ops"


class Concrete(SimpleNamespace):
    """As `ConcreteFunction`: a graph, what it captures, and its results."""

    __module__ = "tensorflow.python.eager.polymorphic_function.concrete_function"


class Module(SimpleNamespace):
    __module__ = "tensorflow.python.module.module"


def concrete(case: str, name: str, **changes: object) -> Concrete:
    """A function whose graph is the one of an operation's case."""
    answer = load()[case]

    def tensor(full: str) -> Tensor:
        node, _, place = full.partition(":")
        return Tensor(name=f"{node}:{place or 0}", op=SimpleNamespace(name=node))

    graph = SimpleNamespace(
        name=name,
        captures=[],
        variables=[],
        as_graph_def=lambda: SimpleNamespace(SerializeToString=lambda: answer.graph),
    )
    results = [tensor(t) for t in answer.output_names]
    return Concrete(
        graph=graph,
        inputs=[tensor(t) for t in answer.input_names],
        outputs=results,
        structured_outputs=results,
        **changes,
    )


def case_of(op: str) -> str:
    found = load().items()
    return next(key for key, answer in found if key.startswith(op) and answer.outputs)


def test_a_live_function_is_converted():
    function = concrete(case_of("Relu"), "f")
    assert tensorflow.is_tensorflow(function)
    model = edgewise.convert(function)
    assert [(s.key, s.graph) for s in model.signatures] == [("serving_default", "main")]
    assert list(model.signatures[0].outputs) == ["output_0"]
    answer = load()[case_of("Relu")]
    (given,) = edgewise.Interpreter(model)(*answer.inputs).values()
    np.testing.assert_allclose(given, answer.outputs[0])


def test_several_live_functions_are_signatures():
    functions = [concrete(case_of("Relu"), "f"), concrete(case_of("Tanh"), "g")]
    functions[1].structured_outputs = {"tanh": functions[1].outputs[0]}
    model = edgewise.convert(functions)
    assert [s.key for s in model.signatures] == ["f", "g"]
    assert list(model.signature("g").outputs) == ["tanh"]
    with pytest.raises(ConversionError, match="two functions have one name; name them apart"):
        edgewise.convert([functions[0], functions[0]])


def test_captured_tensors_and_variables_have_their_values():
    case = case_of("AddV2")
    function = concrete(case, "f")
    taken = function.inputs[1]
    handle = SimpleNamespace(dtype=SimpleNamespace(name="float32"), numpy=lambda: np.float32(3))
    function.graph.captures = [(handle, taken)]
    model = edgewise.convert(function)
    assert len(model.main.inputs) == 1
    x = load()[case].inputs[0]
    (given,) = edgewise.Interpreter(model)(x).values()
    np.testing.assert_allclose(given, x + np.float32(3))


def test_a_captured_object_that_nobody_knows():
    function = concrete(case_of("AddV2"), "f")
    handle = SimpleNamespace(dtype=SimpleNamespace(name="resource"))
    function.graph.captures = [(handle, function.inputs[1])]
    with pytest.raises(
        ConversionError, match=r"what it captures as '.*' is not known; give the obj"
    ):
        edgewise.convert(function)


def test_an_object_with_signatures():
    module = Module(
        signatures={"a": concrete(case_of("Relu"), "f"), "b": concrete(case_of("Tanh"), "g")}
    )
    assert [s.key for s in edgewise.convert(module).signatures] == ["a", "b"]
    one = edgewise.convert(module, signature_keys=["b"])
    assert [s.key for s in one.signatures] == ["b"]
    with pytest.raises(ConversionError, match="a Module: has no signature c; there are a, b"):
        edgewise.convert(module, signature_keys=["c"])


@pytest.mark.parametrize("source", [3, [], "x", Module(), [Tensor(name="x")]])
def test_what_is_no_function(source):
    assert not tensorflow.is_tensorflow(source)
