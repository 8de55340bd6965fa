"""One runtime with one model, in a process of its own: the far side of `peers.py`.

    python worker.py RUNTIME MODEL THREADS [OPERATORS]...

Runs under any Python that has the runtime, so it imports nothing of Edgewise but where that is the
runtime asked for. It says one line of JSON when ready (times of import, load and first inference in
seconds, peak memory, outputs) and then, for every line `SECONDS RUNS` it reads, one line with the
times of inferences: as many as fit the seconds, and RUNS at least. Inputs are random from a fixed
seed and set before the clock starts.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

# version, clock after the import, inference, its outputs, bytes of the arena where known.
# Any: runtimes without types, and NumPy, which may not be there yet.
Loaded = tuple[str, float, Callable[[], object], Callable[[], Sequence[Any]], int | None]

MOST_VALUES = 64  # of every output, told for comparison


def random_input(shape: Sequence[int], dtype: Any) -> Any:
    """Floats in [-1, 1]; 8-bit integers over their range; wider ones 0 to 2, which any table of
    embeddings has."""
    import numpy as np

    rng = np.random.default_rng(0)
    dtype = np.dtype(dtype)
    shape = [d if d > 0 else 1 for d in shape]
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind not in "iu":
        return rng.uniform(-1, 1, shape).astype(dtype)
    info = np.iinfo(dtype)
    low, high = (0, 2) if info.bits > 16 else (info.min, info.max)
    return rng.integers(low, high, shape, endpoint=True).astype(dtype)


def edgewise(path: str, threads: int, precision: str = "f32") -> Loaded:
    """Through the interface that LiteRT has, too."""
    import edgewise
    from edgewise.lite import Interpreter

    if sys.argv[4:]:
        from edgewise.custom import load_ops

        for file in sys.argv[4:]:
            load_ops(file)
    clock = time.perf_counter()
    interpreter = Interpreter(path, num_threads=threads, precision=precision)
    run, outputs = _tflite(interpreter)
    arena = getattr(interpreter, "arena_bytes", None)
    return edgewise.__version__, clock, run, outputs, arena


def bf16(path: str, threads: int) -> Loaded:
    """Edgewise with products of bfloat16."""
    return edgewise(path, threads, "bf16")


def litert(path: str, threads: int) -> Loaded:
    """ai-edge-litert, with its default kernels."""
    from importlib.metadata import version

    from ai_edge_litert.interpreter import Interpreter

    clock = time.perf_counter()
    run, outputs = _tflite(Interpreter(path, num_threads=threads))
    return version("ai-edge-litert"), clock, run, outputs, None


def _tflite(interpreter: Any) -> tuple[Callable[[], object], Callable[[], Sequence[Any]]]:
    interpreter.allocate_tensors()
    for d in interpreter.get_input_details():
        interpreter.set_tensor(d["index"], random_input(d["shape"], d["dtype"]))
    details = interpreter.get_output_details()
    return interpreter.invoke, lambda: [interpreter.get_tensor(d["index"]) for d in details]


def onnxruntime(path: str, threads: int) -> Loaded:
    """`path` is an ONNX file."""
    import onnxruntime

    clock = time.perf_counter()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    types = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(bool)": "bool"}
    feed = {}
    for i in session.get_inputs():
        dtype = types.get(i.type, i.type[len("tensor(") : -1])
        shape = [d if isinstance(d, int) else 1 for d in i.shape]
        feed[i.name] = random_input(shape, dtype)
    last: list[Any] = []

    def run() -> None:
        last[:] = session.run(None, feed)

    return onnxruntime.__version__, clock, run, lambda: last, None


def openvino(path: str, threads: int, precision: str = "f32") -> Loaded:
    """Reads the .tflite file itself."""
    import openvino

    clock = time.perf_counter()
    core = openvino.Core()
    config = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    # its default on processors with bfloat16 is to compute in it: compare float32 with float32
    config["INFERENCE_PRECISION_HINT"] = precision
    compiled = core.compile_model(path, "CPU", config)
    request = compiled.create_infer_request()
    feed = []
    for port in compiled.inputs:
        shape = [d.get_length() if d.is_static else 1 for d in port.partial_shape]
        feed.append(random_input(shape, port.element_type.to_dtype()))
    for index, array in enumerate(feed):
        request.set_input_tensor(index, openvino.Tensor(array))
    count = len(compiled.outputs)

    def outputs() -> list[Any]:
        return [request.get_output_tensor(i).data for i in range(count)]

    return openvino.__version__.split("-")[0], clock, request.infer, outputs, None


def openvino_bf16(path: str, threads: int) -> Loaded:
    """OpenVINO where it may compute in bfloat16."""
    return openvino(path, threads, "bf16")


def peak_memory() -> int | None:
    """Bytes of resident memory at the most, or None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def pin(threads: int) -> None:
    """Keep to as many processors as threads, the same ones for every runtime."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:threads]))


def answer(**facts: object) -> None:
    """One line for the other side."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Load, answer, and measure when asked."""
    runtime, path, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    # what a runtime prints must not be taken for an answer
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = channel
    pin(threads)
    start = time.perf_counter()
    import numpy as np
    import numpy.random  # of the inputs, 20 ms: no part of loading a model

    try:
        known = (edgewise, bf16, litert, onnxruntime, openvino, openvino_bf16)
        load = {f.__name__: f for f in known}[runtime]
        version, imported, run, outputs, arena = load(path, threads)
        loaded = time.perf_counter()
        run()
        first = time.perf_counter()
    except Exception as error:
        answer(error=f"{type(error).__name__}: {error}")
        return
    values = [np.asarray(a).reshape(-1)[:MOST_VALUES] for a in outputs()]
    answer(
        version=version,
        import_s=imported - start,
        load_s=loaded - imported,
        first_s=first - loaded,
        memory=peak_memory(),
        arena=arena,
        outputs=[v.astype(float).tolist() for v in values if v.dtype.kind in "fiub"],
    )
    clock = time.perf_counter
    for line in sys.stdin:
        seconds, runs = line.split()
        times: list[float] = []
        end = clock() + float(seconds)
        while len(times) < int(runs) or clock() < end:
            begin = clock()
            run()
            times.append(clock() - begin)
        answer(times=times)


if __name__ == "__main__":
    main()
