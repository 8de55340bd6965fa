"""Hashes of what whole integer networks compute, as one line of JSON for each run.

    python -m tests.runtime.golden_hashes FOLDER --library PATH --isas scalar,avx2 [--threads 2]

A process of its own, because a process loads one library. Inputs follow from a formula: a random
generator's stream may change from one version of NumPy to the next.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from edgewise.dtypes import DType
from edgewise.format import load
from edgewise.ir import Graph
from edgewise.ops.softmax import Softmax
from edgewise.runtime import library
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Target
from edgewise.runtime.planner import plan
from edgewise.runtime.specialize import specialize
from edgewise.runtime.threads import Threads

# below ../shared/data; all results are integers or, one for one, numbers that they stand for
MODELS = (
    *(
        f"bench/{name}/int8"
        for name in (
            *("efficientnet_lite0", "mobilenet_v2", "mobilenet_v3_small", "ssd_mobilenet_v2"),
            *("tiny_ae", "tiny_dscnn", "tiny_resnet8", "tiny_vww"),
        )
    ),
    *(f"tflite/classify/{name}" for name in ("mbnet128_0.25_q", "mobilenet_v1_0.25_224_quant")),
    "tflite/classify/mobilenet_v2_1.0_224_quant",
    *(f"tflite/mlperf_tiny/{name}" for name in ("kws_ref_model", "pretrainedResnet_quant")),
    *(f"tflite/micro/{name}" for name in ("hello_world_int8", "mnist_dw_q", "mnist_valid_q")),
    "tflite/micro/person_detect",
)


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--library", required=True)
    parser.add_argument("--isas", required=True)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    library.LIBRARY = chosen.library
    for model in MODELS:
        graph = load(chosen.folder / f"{model}.tflite").main
        for name in chosen.isas.split(","):
            found = hashes_of(graph, Target(Isa[name.upper()], chosen.threads))
            print(json.dumps([model, name, *found]), flush=True)


def hashes_of(graph: Graph, target: Target) -> tuple[str, str]:
    """Of the outputs, and of every integer value of a run that keeps all and so fuses nothing."""
    inputs = [
        spread_out([d if isinstance(d, int) else 1 for d in v.shape], v.dtype, k)
        for k, v in enumerate(graph.inputs)
    ]
    graph, _ = specialize(graph.copy(), inputs)
    # noise looks like one class, of which SOFTMAX leaves a single number; its operand tells more
    logits = [n.inputs[0] for n in graph.nodes if isinstance(n.op, Softmax)]
    graph.set_outputs([*graph.outputs, *(v for v in logits if v is not None)])
    threads = Threads(target.threads)
    outputs = Executor(plan(graph, target), threads=threads).run(inputs, {})
    keeping = Executor(plan(graph, target, keep=True), threads=threads)
    keeping.run(inputs, {})
    kept = [a for a in keeping.kept().values() if a.dtype.kind in "iu"]
    return hash_of(outputs), hash_of(kept)


def hash_of(arrays: Iterable[np.ndarray]) -> str:
    """Of their bytes, the least significant first."""
    hasher = hashlib.sha256()
    for array in arrays:
        hasher.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return hasher.hexdigest()[:16]


def spread_out(shape: list[int], dtype: DType, key: int) -> np.ndarray:
    """Element i is derived from i by Knuth's multiplicative hash: all integers of the dtype, or
    multiples of 1/256 in [-1, 1)."""
    i = np.arange(np.prod(shape), dtype=np.uint64) + np.uint64(1 + 1000003 * key)
    mixed = (i * np.uint64(2654435761)) & np.uint64(0xFFFFFFFF)
    mixed = ((mixed ^ (mixed >> np.uint64(15))) * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    top = (mixed >> np.uint64(16)).astype(np.int64).reshape(shape)
    if dtype.is_float:
        return ((top % 512 - 256) / 256).astype(dtype.numpy)
    low, high = dtype.range
    return (low + top % (high - low + 1)).astype(dtype.numpy)


if __name__ == "__main__":
    main()
