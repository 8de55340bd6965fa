"""LiteRT as an oracle, in a worker process that may die without taking the tests with it.

    with Oracle(find_python(None)) as oracle:
        answer = oracle.run(model_bytes, [x], resolver="reference", keep_all=True)

Resolvers: `default` is what a user gets (XNNPACK takes what it can), `builtin` is LiteRT's own
optimised kernels without the delegate, `reference` its reference kernels, `micro` TensorFlow Lite
Micro. `keep_all` returns every tensor and therefore needs `builtin` or `reference`: a delegate
keeps only the tensors on its border.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import selectors
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np

Resolver = Literal["default", "builtin", "reference", "micro"]
Inputs = Sequence[np.ndarray] | Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from one inference.

    `outputs`: arrays in the order of the model's outputs (run by signature: by name).
    `tensors`: every tensor of the main graph by index, with `keep_all`.
    `error`: None, LiteRT's refusal, `aborted: ...` (the process died) or `timed out: ...`.
    """

    outputs: list[np.ndarray] = field(default_factory=list)
    named: dict[str, np.ndarray] = field(default_factory=dict)
    tensors: dict[int, np.ndarray] = field(default_factory=dict)
    error: str | None = None

    @property
    def lacks_kernel(self) -> bool:
        """These kernels do not include one for an operator: the reference kernels have no CEIL,
        ELU and ROUND."""
        return "Didn't find op for builtin opcode" in (self.error or "")


@dataclass(frozen=True, slots=True)
class OperatorAnswer:
    """One operator of a model, alone, on the inputs LiteRT's reference kernels give it.

    `index`: position in the main graph. `code`: builtin operator code. Arrays by tensor index:
    `inputs`, constants left out; `reference` and `default`, the outputs. `default` (the delegate
    on this operator alone) is None, with the reason in `error`, where it cannot run alone.
    """

    index: int
    code: int
    inputs: dict[int, np.ndarray]
    reference: dict[int, np.ndarray]
    default: dict[int, np.ndarray] | None
    error: str | None


def find_python(option: str | None, module: str = "ai_edge_litert") -> str | None:
    """The Python that has the oracle: the one asked for, this one if it can, else None."""
    if option:
        return option
    return sys.executable if importlib.util.find_spec(module) else None


class Oracle:
    """A worker process with LiteRT in it. Restarted when it dies; safe to close twice."""

    def __init__(self, python: str, *, timeout_s: float = 120.0) -> None:
        self.python, self.timeout_s = python, timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the oracle

    def run(
        self,
        model: bytes,
        inputs: Inputs,
        *,
        resolver: Resolver = "default",
        keep_all: bool = False,
        signature: str | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """One inference. An input whose shape differs from the model's resizes the model first."""
        return self.run_sequence(
            model,
            [inputs],
            resolver=resolver,
            keep_all=keep_all,
            signature=signature,
            timeout_s=timeout_s,
        )[0]

    def run_sequence(
        self,
        model: bytes,
        sequence: Sequence[Inputs],
        *,
        resolver: Resolver = "default",
        keep_all: bool = False,
        signature: str | Sequence[str] | None = None,
        timeout_s: float | None = None,
    ) -> list[Answer]:
        """Several inferences on one interpreter: state variables carry over from one to the next.
        They run by one signature, or by one each.

        Raises:
            ValueError: `keep_all` together with a resolver that does not keep tensors.
        """
        if keep_all and resolver not in ("builtin", "reference"):
            raise ValueError(f"keep_all needs resolver='builtin' or 'reference'; got {resolver!r}")
        plain = [dict(x) if isinstance(x, Mapping) else list(x) for x in sequence]
        reply = self._ask(
            {
                "verb": "run",
                "model": model,
                "sequence": plain,
                "resolver": resolver,
                "keep_all": keep_all,
                "signature": signature if isinstance(signature, str | None) else list(signature),
            },
            timeout_s,
        )
        if "steps" not in reply:
            return [Answer(error=reply["error"]) for _ in sequence]
        return [_answer(step) for step in reply["steps"]]

    def run_operators(
        self,
        model: bytes,
        inputs: Sequence[np.ndarray],
        *,
        resolver: Resolver = "reference",
        timeout_s: float | None = None,
    ) -> list[OperatorAnswer]:
        """Every operator with integer outputs, alone, fed LiteRT's own values.

        `resolver` names the kernels that make these values: `reference`, or `builtin` for the few
        models on which the reference kernels abort.

        Raises:
            RuntimeError: LiteRT refused the model or died; the text says why.
        """
        request = {"verb": "run_operators", "model": model, "inputs": list(inputs)}
        reply = self._ask(request | {"resolver": resolver}, timeout_s)
        if "operators" not in reply:
            raise RuntimeError(reply["error"])
        return [OperatorAnswer(**found) for found in reply["operators"]]

    def opens(self, models: Sequence[bytes], *, resolver: Resolver = "default") -> list[bool]:
        """Whether LiteRT can make an interpreter of each model."""
        request = {"verb": "opens", "models": list(models), "resolver": resolver}
        found: list[bool] = self._ask(request, None)["opens"]
        return found

    def accepts(
        self, model: bytes, inputs: Sequence[np.ndarray], *, resolver: Resolver = "default"
    ) -> str | None:
        """None where LiteRT runs the model, whatever comes out, else why not."""
        request = {"verb": "accepts", "model": model, "inputs": list(inputs)}
        error: str | None = self._ask(request | {"resolver": resolver}, None).get("error")
        return error

    def details(self, model: bytes, *, resolver: Resolver = "default") -> dict[str, Any]:
        """LiteRT's `inputs`, `outputs`, `tensors` detail dictionaries and its `signatures`.

        `error` is None or LiteRT's refusal to allocate; it is the only key where LiteRT cannot
        even open the model.
        """
        return self._ask({"verb": "details", "model": model, "resolver": resolver}, None)

    def versions(self) -> dict[str, str]:
        """Versions of Python and of the packages in the worker."""
        found: dict[str, str] = self._ask({"verb": "versions"}, None)["versions"]
        return found

    def close(self) -> None:
        """End the worker process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Oracle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        self._log.close()

    def _ask(self, request: dict[str, Any], timeout_s: float | None) -> dict[str, Any]:
        seconds = self.timeout_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + seconds
        worker = self._worker()
        assert worker.stdin is not None
        data = pickle.dumps(request)
        try:
            worker.stdin.write(struct.pack("<Q", len(data)) + data)
            worker.stdin.flush()
            header = self._read(worker, 8, deadline)
            reply = self._read(worker, struct.unpack("<Q", header)[0], deadline)
        except TimeoutError:
            self.close()
            return {"error": f"timed out: no answer within {seconds:g} s"}
        except (EOFError, BrokenPipeError):
            status = worker.wait()
            self.close()
            return {"error": f"aborted: exit status {status}; {self._last_words()}"}
        found: dict[str, Any] = pickle.loads(reply)  # noqa: S301 - our own worker
        return found

    def _worker(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._log.seek(0)
            self._log.truncate()
            self._process = subprocess.Popen(
                [self.python, str(Path(__file__).with_name("worker.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**os.environ, "PYTHONPATH": "", "TF_CPP_MIN_LOG_LEVEL": "2"},
            )
        return self._process

    def _read(self, worker: subprocess.Popen[bytes], count: int, deadline: float) -> bytes:
        assert worker.stdout is not None
        pieces: list[bytes] = []
        with selectors.DefaultSelector() as selector:
            selector.register(worker.stdout, selectors.EVENT_READ)
            while count:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
                piece = os.read(worker.stdout.fileno(), min(count, 1 << 20))
                if not piece:
                    raise EOFError
                pieces.append(piece)
                count -= len(piece)
        return b"".join(pieces)

    def _last_words(self) -> str:
        """The last line the worker printed before it died."""
        self._log.seek(0)
        text = self._log.read().decode(errors="replace")
        lines = [line for line in text.splitlines() if line and not line.startswith("INFO")]
        return lines[-1] if lines else "it printed nothing"


def _answer(step: dict[str, Any]) -> Answer:
    outputs = step["outputs"]
    if isinstance(outputs, dict):
        return Answer(named=outputs, outputs=list(outputs.values()))
    return Answer(outputs=outputs, tensors=step["tensors"])
