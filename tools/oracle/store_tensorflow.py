"""Ask TensorFlow about every case of one operation and store its answers.

    ORACLE-PYTHON tools/oracle/store_tensorflow.py [OPERATION ...]

Run with a Python that has TensorFlow. Of every case of `tests/frontends/tensorflow/cases` it makes
a graph, runs it, and converts it with TensorFlow's own converter. What it stores in
`tests/frontends/tensorflow/answers/operations.npz` is read by
`tests/frontends/tensorflow/answers.py`: graphs, inputs, results, and how many operators the
converter's file has (-1: it fails). With names it asks about those again and keeps the rest.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
logging.disable(logging.WARNING)
os.environ["CUDA_VISIBLE_DEVICES"] = ""
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from ai_edge_litert import schema_py_generated as schema  # noqa: E402
from tensorflow.python.framework import op_def_library, op_def_registry  # noqa: E402

import tests.frontends.tensorflow.cases  # noqa: E402, F401 - declares the cases
from tests.frontends.tensorflow.answers import Answer, load, store  # noqa: E402
from tests.frontends.tensorflow.case import CASES, Case, Given  # noqa: E402

# Attributes of ours that are none of TensorFlow's, and what the script does for them.
BY_HAND = "by_hand"  # the processor has no kernel: the answer is computed below


def main() -> None:
    """Ask, store, say what TensorFlow's converter cannot do."""
    wanted = set(sys.argv[1:])
    old = load() if wanted else {}
    answers = {}
    for number, case in enumerate(CASES):
        if wanted and case.op not in wanted and case.id in old:
            answers[case.id] = old[case.id]
            continue
        try:
            answers[case.id] = ask(case)
        except Exception as error:  # the case is wrong: say which
            print(f"{case.id}: {type(error).__name__}: {error}"[:400])
        if number % 50 == 0:
            print(number, "of", len(CASES), flush=True)
    versions = {"tensorflow": tf.__version__}
    store(answers, versions)
    failing = [key for key, answer in answers.items() if answer.operators == -1]
    print(f"{len(answers)} answers; TensorFlow's converter fails on {len(failing)}: {failing}")


def ask(case: Case) -> Answer:
    """TensorFlow's answer to one case."""
    arrays = case.arrays()
    function = traced(case, arrays, case.attrs)
    graph = function.graph.as_graph_def()
    fed = [a for a, given in zip(arrays, case.flat(), strict=True) if not given.is_constant]
    dtypes = [t.dtype for t in function.inputs]
    inputs = [
        tf.cast(a, d).numpy() if a.dtype != d else a for a, d in zip(fed, dtypes, strict=True)
    ]
    outputs: list[np.ndarray] = []
    if not case.refused:
        outputs = run(case, function, arrays, inputs)
    data, names = graph.SerializeToString(), [i.name for i in function.inputs]
    results = [o.name for o in function.outputs]
    return Answer(
        data,
        [name.split(":")[0] for name in names],
        results,
        [single(i) for i in inputs],
        [single(o) for o in outputs],
        -1 if case.refused else CONVERTER.operators(data, names, results),
    )


def single(array: np.ndarray) -> np.ndarray:
    """Floats of other widths as float32, as which the model takes and gives them."""
    array = np.asarray(array)
    if array.dtype.kind in "fV" or array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    return array.astype(np.complex64) if array.dtype.kind == "c" else array


def traced(
    case: Case, arrays: list[np.ndarray], attrs: dict, givens: list[Given] | None = None
) -> tf.types.experimental.ConcreteFunction:
    """The case as a concrete function of its inputs, which may be given otherwise."""
    givens = case.flat() if givens is None else givens
    kinds = [tf.as_dtype(given.dtype) for given in givens]
    specs = [
        tf.TensorSpec([None if i in g.unknown else d for i, d in enumerate(g.shape)], kind, f"x{n}")
        for n, (g, kind) in enumerate(zip(givens, kinds, strict=True))
        if not g.is_constant
    ]

    def body(*fed):
        waiting = iter(fed)
        flat = iter(
            [
                tf.constant(a, kind) if g.is_constant else next(waiting)
                for a, g, kind in zip(arrays, givens, kinds, strict=True)
            ]
        )
        operands = [
            next(flat) if not isinstance(o, (list, tuple)) else [next(flat) for _ in o]
            for o in case.operands
        ]
        found = applied(case, operands, attrs)
        found = list(found) if isinstance(found, (list, tuple)) else [found]
        found = found[: case.outputs]
        if case.in_parts:
            found = [part for y in found for part in (tf.math.real(y), tf.math.imag(y))]
        return [tf.raw_ops.Identity(input=y) for y in found]

    return tf.function(body, input_signature=specs).get_concrete_function()


def applied(case: Case, operands: list, attrs: dict) -> object:
    """The operation on operands, by its definition."""
    definition = op_def_registry.get(case.op)
    if definition is None:
        raise LookupError("TensorFlow has no such operation")
    types = {a.name: a.type for a in definition.attr}
    given = dict(zip([a.name for a in definition.input_arg], operands, strict=True))
    for key, value in attrs.items():
        if key == BY_HAND:
            continue
        key = "squeeze_dims" if key == "axis" and case.op == "Squeeze" else key
        given[key] = tf.as_dtype(value) if types[key] == "type" else value
    if case.is_channels_first and "data_format" in types and "data_format" not in given:
        given["data_format"] = "NCHW"
    inferred = {
        name
        for a in definition.input_arg
        for name in (a.type_attr, a.number_attr, a.type_list_attr)
    }
    given = {key: value for key, value in given.items() if key not in inferred}
    defaults = {
        a.name: default_of(a.default_value)
        for a in definition.attr
        if a.HasField("default_value") and a.name not in {*given, *inferred}
    }
    return op_def_library.apply_op(case.op, name=case.op.strip("_"), **defaults, **given)


def default_of(value) -> object:
    """A default as Python has it."""
    kind = value.WhichOneof("value")
    if kind != "list":
        return getattr(value, kind)
    return list(next((items for _, items in value.list.ListFields()), []))


def run(case: Case, function, arrays: list, inputs: list) -> list[np.ndarray]:
    """What TensorFlow computes; of [N, C, ...], which the processor has no kernels for, in the
    other layout."""
    if case.attrs.get(BY_HAND):
        return by_hand(case, arrays)
    if not case.is_channels_first:
        return [np.asarray(y) for y in function(*[tf.constant(i) for i in inputs])]
    rank = arrays[0].ndim
    last = [0, *range(2, rank), 1]
    attrs = dict(case.attrs)
    for key in ("strides", "dilations", "ksize"):
        if key in attrs:
            attrs[key] = [attrs[key][i] for i in last]
    if "explicit_paddings" in attrs:
        pairs = np.reshape(attrs["explicit_paddings"], (-1, 2))[last]
        attrs["explicit_paddings"] = pairs.reshape(-1).tolist()
    turned = [arrays[0].transpose(last), *arrays[1:]]
    last_format = {**attrs, "data_format": "NHWC"}
    constant = [replace(given, is_constant=True) for given in case.flat()]
    function = traced(case, turned, last_format, constant)
    found = function()
    back = [0, rank - 1, *range(1, rank - 1)]
    return [np.asarray(y).transpose(back) for y in found]


def by_hand(case: Case, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Operations without a kernel for the processor."""
    if case.op == "XlaDynamicUpdateSlice":
        x, update, start = arrays
        y = x.copy()
        y[tuple(slice(b, b + n) for b, n in zip(start, update.shape, strict=True))] = update
        return [y]
    if case.op == "XlaDynamicSlice":
        x, start, size = arrays
        begin = [
            min(max(int(b), 0), d - int(n)) for b, d, n in zip(start, x.shape, size, strict=True)
        ]
        return [x[tuple(slice(b, b + int(n)) for b, n in zip(begin, size, strict=True))]]
    if case.op == "QuantizeAndDequantizeV4":  # channel by channel
        x, low, high = arrays
        channels = [
            tf.raw_ops.QuantizeAndDequantizeV4(
                input=x[..., i], input_min=low[i], input_max=high[i], range_given=True
            )
            for i in range(x.shape[-1])
        ]
        return [np.stack([y.numpy() for y in channels], -1)]
    if case.op.startswith("Segment"):
        name = case.op.removeprefix("Segment").removesuffix("V2").lower()
        return [getattr(tf.math, f"unsorted_segment_{name}")(*arrays).numpy()]
    if case.op == "ApproxTopK":  # the smallest along the first axis
        order = np.argsort(arrays[0], 0)[: case.attrs["k"]]
        return [np.take_along_axis(arrays[0], order, 0), order.astype(np.int32)]
    if case.op == "ParallelConcat":
        return [np.concatenate(arrays)]
    if case.op == "_FusedBatchNormEx":
        x, gamma, beta, mean, variance, side = arrays
        y = tf.nn.batch_normalization(x, mean, variance, beta, gamma, case.attrs["epsilon"])
        return [np.asarray(tf.nn.relu(y + side))]
    if case.op == "Conv2DBackpropFilter":  # dilated, strides of 1, no padding
        x, (rows, columns, _, _), dy = arrays
        (rate, right), (height, width) = case.attrs["dilations"][1:3], dy.shape[1:3]
        parts = [
            x[:, i * rate : i * rate + height, j * right : j * right + width]
            for i in range(rows)
            for j in range(columns)
        ]
        taps = [np.einsum("nhwc,nhwd->cd", part, dy) for part in parts]
        return [np.reshape(taps, (rows, columns, *taps[0].shape)).astype(np.float32)]
    if case.op == "Conv2DBackpropInput":  # dilated by the number that all axes share
        size, w, y = arrays
        rate = case.attrs["dilations"][1]
        wide = np.zeros((*((d - 1) * rate + 1 for d in w.shape[:2]), *w.shape[2:]), w.dtype)
        wide[::rate, ::rate] = w
        strides, padding = case.attrs["strides"], case.attrs["padding"]
        return [np.asarray(tf.nn.conv2d_transpose(y, wide, size, strides, padding))]
    x, w, *bias = arrays
    rates = case.attrs.get("dilations", [1, 1, 1, 1])[1:3]
    strides, padding = case.attrs["strides"], case.attrs["padding"]
    y = tf.nn.depthwise_conv2d(x, w, strides, padding, dilations=rates)
    return [np.asarray(tf.nn.relu(tf.nn.bias_add(y, bias[0])) if bias else y)]


class Converter:
    """TensorFlow's converter in a process of its own, because it crashes on some graphs."""

    def __init__(self) -> None:
        self.pool = None

    def operators(self, graph: bytes, inputs: list[str], outputs: list[str]) -> int:
        """Operators in its file; -1 where it fails."""
        if self.pool is None:
            self.pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        try:
            return self.pool.submit(converted, graph, inputs, outputs).result()
        except BrokenProcessPool:
            self.pool = None
            return -1


CONVERTER = Converter()


def converted(graph: bytes, inputs: list[str], outputs: list[str]) -> int:
    """What `Converter.operators` does, in the other process."""
    definition = tf.compat.v1.GraphDef.FromString(graph)
    whole = tf.compat.v1.wrap_function(
        lambda: tf.graph_util.import_graph_def(definition, name=""), []
    )
    function = whole.prune(inputs, outputs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    try:
        model = schema.ModelT.InitFromPackedBuf(converter.convert(), 0)
    except Exception:  # it raises what its parts raise
        return -1
    return sum(len(graph.operators or ()) for graph in model.subgraphs)


if __name__ == "__main__":
    main()
