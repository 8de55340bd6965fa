"""Ask TensorFlow's converter about every operation that has no case, and store its answers.

    ORACLE-PYTHON tools/oracle/store_convertible.py [OPERATION ...]

Run with a Python that has TensorFlow. Of every operation that could be part of a model at inference
it makes graphs of that operation alone, with operands and attributes that TensorFlow's own shape
inference takes, and converts them to builtin operators. `answers/convertible.json` holds, by name,
how many operators the file had, 0 where the operation was folded away, "fails", or "no graph" where
no operands were found; `tests/frontends/tensorflow/test_convertible.py` holds it against our
handlers and refusals. With names it asks about those and keeps the rest.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from tools.oracle.store_tensorflow import Converter, default_of  # noqa: E402, I001 - sets its log

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_ops  # noqa: E402
from tensorflow.core.framework import op_def_pb2  # noqa: E402
from tensorflow.python.client import pywrap_tf_session  # noqa: E402
from tensorflow.python.framework import op_def_library  # noqa: E402

import tests.frontends.tensorflow.cases  # noqa: E402, F401 - declares the cases
from tests.frontends.tensorflow.case import CASES  # noqa: E402

FILE = Path(__file__).parents[2] / "tests/frontends/tensorflow/answers/convertible.json"

# Operations that are no part of a model at inference, besides those that ops.json leaves out:
# TensorFlow's tests of itself, other machines, training, input pipelines, debugging.
NEVER = re.compile(
    r"^(Risc|Infeed|Outfeed|DTensor|Debug|Stats|Rpc|Worker|Map|OrderedMap|Stage|Unstage|Attr|Int|"
    r"Float(In|Out)|TwoFloat|TwoInt|Ref|N(In|Ints)|Type|Shutdown|Configure|Xla(Sparse|Launch|Host|"
    r"Cluster|Recv|Send|Spmd|Shard)|Convert|GetMini|Sampl|.*Sampler|.*Dedup|.*Mutex|.*Session|"
    r"DistributedSave|Prelinearize|.*SeedGenerator|.*MemoryCache|Batch(Function)?$|Unbatch|Copy|"
    r"KernelLabel|Reserved|Kmeans|KMC2|GenerateVocab|LoadAndRemap|Restore|Save|Import|Write)"
    r"|^(A|B|Old|None|Fact|Simple|Unary|Binary|OutT|OutTypeList(Restrict)?|Attr|ListInput|Restrict|"
    r"ListOutput|ConstructionFails|RequiresOlderGraphVersion|Int64Output|StringListAttr|FuncAttr|"
    r"FuncListAttr|GraphDefVersion|DevicePlacementOp|ResourceUsingOp|MlirPassthroughOp|SleepOp|"
    r"SleepIdentityOp|GetDeadline|GetOptions|ThreadPoolHandle|WindowOp|TpuHandleToProtoKey|"
    r"IsBoostedTrees.*|.*Backprop(Filter|Input).*|UpdateTaskId.*|GetTpuTaskId|GlobalIterId|"
    r"DummyIterationCounter|CompressElement|UncompressElement|GetElementAtIndex|SyncDevice|"
    r"RemoteCall|CalibrationStatisticsSaver|CustomAggregator|StoreMinibatch.*|TwoRefsIn|"
    r"SplitDedupData|MergeDedupData|DeviceIndex|FileSystemSetConfiguration|CheckPinned|HostConst|"
    r"AllToAll|CrossReplicaSum|Relayout(Like)?|NegTrain|Skipgram|RecordInput|Timestamp)$"
)
FIRST = ("float32", "int32", "complex64", "bool", "int64", "string", "quint8", "qint8", "qint32")
SHAPES = ((1, 4, 4, 2), (4, 4), (4,), (2, 4, 4), (), (1, 4, 4, 4, 2), (2,), (1,), (4, 2))
NUMBERS = ([1], [0], 1, 0, [4, 4], [2, 2], [[0], [1]], [[0, 0], [0, 0]], [1, 2, 2, 1], 0.5)
ATTRS = {
    "int": (1, 2, 0),
    "float": (0.5,),
    "bool": (False,),
    "string": ("VALID", "SAME", "i,i->", ""),
    "shape": ([], [4, 4]),
    "list(int)": ([1, 2, 2, 1], [1, 1, 1, 1], [1, 2, 2, 2, 1], [4], [1]),
    "list(float)": ([0.5], [1.0, 2.0]),
    "list(string)": (["a"],),
    "list(shape)": ([[]],),
}
MAX_TRIALS = 4000  # that shape inference may refuse
MAX_GRAPHS = 4  # that the converter is asked about


def main() -> None:
    """Ask and store."""
    ops = op_def_pb2.OpList()
    ops.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    wanted = set(sys.argv[1:])
    found = json.loads(FILE.read_text())["operations"] if wanted else {}
    answered = {case.op for case in CASES if not case.refused}  # by store_tensorflow.py
    converter = Converter()
    for op in sorted(ops.op, key=lambda op: op.name):
        is_effect = not op.output_arg or op.output_arg[0].is_ref
        if is_effect or tensorflow_ops.LEFT_OUT.search(op.name) or NEVER.search(op.name):
            continue
        if op.name in wanted or (not wanted and op.name not in answered):
            found[op.name] = asked(op, converter)
            print(op.name, found[op.name], flush=True)
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found))
    version = json.dumps(tf.__version__)
    FILE.write_text(f'{{"tensorflow": {version}, "operations": {{\n{rows}\n}}}}\n')


def asked(op: op_def_pb2.OpDef, converter: Converter) -> int | str:
    """What becomes of an operation: the first graph that converts counts."""
    best: int | str = "no graph"
    for graph in itertools.islice(graphs(op), MAX_GRAPHS):
        inputs = [n.name for n in graph.as_graph_def().node if n.op == "Placeholder"]
        outputs = [t.name for n in graph.get_operations() if n.name == "y" for t in n.outputs]
        data = graph.as_graph_def().SerializeToString()
        try:
            count = converter.operators(data, [f"{i}:0" for i in inputs], outputs)
        except Exception:  # the graph cannot even become a function
            continue
        if count >= 0:
            return count
        best = "fails"
    return best


def graphs(op: op_def_pb2.OpDef) -> Iterator[tf.Graph]:
    """Graphs of the operation alone that shape inference takes, of different operand types."""
    seen = set()
    for trial, (attrs, operands) in enumerate(trials(op)):
        if trial > MAX_TRIALS:
            return
        key = json.dumps([attrs, [o[1] for o in operands]], default=str, sort_keys=True)
        if key in seen:
            continue
        graph = tf.Graph()
        try:
            with graph.as_default():
                op_def_library.apply_op(op.name, name="y", **given(op, attrs, operands))
        except Exception:  # shape inference raises what its parts raise
            continue
        if any(n.op == "Placeholder" for n in graph.as_graph_def().node):
            seen.add(key)
            yield graph


def trials(op: op_def_pb2.OpDef) -> Iterator[tuple[dict, list]]:
    """Attributes, and (shape or constant, type) of every operand."""
    types = {a.name: a for a in op.attr if a.type in ("type", "list(type)")}
    counted = {arg.number_attr for arg in op.input_arg if arg.number_attr}
    free = [a for a in op.attr if a.name not in types and a.name not in counted]
    free = [a for a in free if not a.HasField("default_value")]
    if any(a.type in ("func", "tensor", "list(func)") for a in free):
        return
    choices = [list(a.allowed_values.list.s) or list(ATTRS[a.type]) for a in free]
    kinds = [allowed(a) for a in types.values()]
    for kind in itertools.islice(itertools.product(*kinds), 12):
        for values in itertools.islice(itertools.product(*choices), 12):
            attrs = dict(zip([a.name for a in free], values, strict=True))
            named = dict(zip(types, kind, strict=True))
            for shapes in operand_menus(op, named):
                yield {**attrs, **named}, shapes


def allowed(attr: op_def_pb2.OpDef.AttrDef) -> list[str]:
    """Element types that an attribute may be, the common ones first."""
    numbers = attr.allowed_values.list.type
    names = [tf.as_dtype(n).name for n in numbers] if numbers else list(FIRST)
    return [n for n in FIRST if n in names][:3] or names[:1]


def operand_menus(op: op_def_pb2.OpDef, kinds: dict[str, str]) -> Iterator[list]:
    """Menus of (shape or constant, type): first of one shape, then of mixed ones."""
    of = [
        kinds.get(arg.type_attr) or kinds.get(arg.type_list_attr) or tf.as_dtype(arg.type).name
        for arg in op.input_arg
    ]
    menus = []
    for place, kind in enumerate(of):
        constants = [("constant", n) for n in NUMBERS] if place or len(of) == 1 else []
        shapes = [("input", shape) for shape in SHAPES]
        is_number = kind in ("int32", "int64")
        menus.append(constants + shapes if is_number and place else shapes + constants)
    for shape in SHAPES:
        yield [(("input", shape), kind) for kind in of]
    for mixed in itertools.islice(itertools.product(*menus), MAX_TRIALS // 8):
        yield list(zip(mixed, of, strict=True))
    rng = np.random.default_rng(len(op.name))
    for _ in range(MAX_TRIALS // 8):
        yield [(menu[rng.integers(len(menu))], kind) for menu, kind in zip(menus, of, strict=True)]


def given(op: op_def_pb2.OpDef, attrs: dict, operands: list) -> dict:
    """Arguments of `apply_op`."""
    inferred = {
        name for a in op.input_arg for name in (a.type_attr, a.number_attr, a.type_list_attr)
    }
    found = {
        a.name: default_of(a.default_value)
        for a in op.attr
        if a.HasField("default_value") and a.name not in inferred
    }
    listed = {a.name for a in op.attr if a.type == "list(type)"}
    for name, value in attrs.items():
        if name not in inferred:
            found[name] = [tf.as_dtype(value)] if name in listed else value
    for arg, ((how, what), kind) in zip(op.input_arg, operands, strict=True):
        x = (
            tf.compat.v1.placeholder(kind, what, name="x")
            if how == "input"
            else tf.constant(what, kind)
        )
        found[arg.name] = [x, x] if arg.number_attr else [x] if arg.type_list_attr else x
    return found


if __name__ == "__main__":
    main()
