"""The public interpreter: a model made callable."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from edgewise.errors import InputError
from edgewise.ir.model import Model, Signature
from edgewise.ir.resources import Resources
from edgewise.ir.types import TensorType
from edgewise.runtime.cache import finish_writing
from edgewise.runtime.executor import DEFAULT_LIMITS
from edgewise.runtime.limits import Limits
from edgewise.runtime.plan import Placement, Precision
from edgewise.runtime.session import Session
from edgewise.runtime.source import CacheOption, Source
from edgewise.runtime.watch import Progress
from edgewise.values import dataclass


@dataclass(frozen=True, slots=True)
class _Call:
    """A signature made ready: for each input of the graph the place of its argument, and the
    name and place of each output."""

    signature: Signature
    session: Session
    inputs: Sequence[int]
    outputs: Sequence[tuple[str, int]]


class Interpreter:
    """Runs a model.

        interpreter = Interpreter("model.tflite")
        outputs = interpreter(image)                    # positional, in the signature's order
        outputs = interpreter(image=image)              # or by name
        probabilities = outputs["probabilities"]

    Arguments are arrays of the input's dtype and shape; unknown dimensions take any size, and a
    change of size derives all shapes anew. A call returns a dict of arrays by output name.
    Variables keep their values from call to call. Signatures of one graph share its variable
    tensors, and all signatures the variables and tables that operators name (VAR_HANDLE).

    Args:
        model: a Model, the path of a `.tflite` file, or its bytes.
        keep_all: also keep every intermediate tensor of the last call, in `tensors`.
        progress: called with (operators done, operators in all) while a call runs.
        native: run the C kernels; False runs every operator's NumPy reference, which is slow.
        num_threads: that share the work of an inference; results do not depend on it.
        limits: what an inference may use; the defaults are generous.
        cache: where plans of files and bytes are kept for the next time: True, in the user's folder
            for caches; False, nowhere; or a folder.
        precision: "f32", or "bf16": float weights of convolutions and fully connected layers are
            rounded to bfloat16, 8 bits of 24, and take half the memory. On processors with AMX
            (AMD's with AVX512-BF16, AArch64's with BF16) their inputs are rounded, too, and the
            products are those of bfloat16 (sums stay float32) where that gains; `placement()` says
            where. Values that only such layers and simple ones between them read are stored as
            bfloat16, unless `keep_all`. `edgewise benchmark MODEL --vs bf16` measures how far that
            moves the outputs, and how fast it is.

    Raises:
        FormatError: the file is not a model. ShapeError: the model is not well formed.
        InputError: `num_threads` is not a positive number, or `precision` is unknown.
    """

    def __init__(
        self,
        model: Model | str | os.PathLike[str] | bytes,
        *,
        keep_all: bool = False,
        progress: Progress | None = None,
        native: bool = True,
        num_threads: int = 1,
        limits: Limits = DEFAULT_LIMITS,
        cache: CacheOption = True,
        precision: str = Precision.FLOAT32.value,
    ) -> None:
        if num_threads < 1:
            raise InputError(f"num_threads must be a positive integer; got {num_threads!r}")
        self._precision = Precision.of(precision)
        self._source = Source(model, cache)
        self._keep_all = keep_all
        self._progress = progress
        self._native = native
        self._num_threads, self._limits = num_threads, limits
        self._sessions: dict[str, Session] = {}
        self._resources = Resources()
        self._calls: dict[str | None, _Call] = {}
        self._last: Session | None = None

    @property
    def model(self) -> Model:
        """The model, which is read here if it was not needed so far."""
        return self._source.model

    @property
    def signatures(self) -> list[str]:
        """Keys of the signatures; empty where the model has none."""
        return [s.key for s in self._source.interface.signatures]

    def inputs(self, signature: str | None = None) -> dict[str, TensorType]:
        """Name and type of every input of a signature (None: the default one)."""
        chosen = self._source.interface.signature(signature)
        graph = self._source.interface.graphs[chosen.graph]
        return {name: graph.inputs[i].type for name, i in chosen.inputs.items()}

    def outputs(self, signature: str | None = None) -> dict[str, TensorType]:
        """Name and type of every output of a signature."""
        chosen = self._source.interface.signature(signature)
        graph = self._source.interface.graphs[chosen.graph]
        return {name: graph.outputs[i].type for name, i in chosen.outputs.items()}

    def __call__(
        self, /, *arrays: np.ndarray, signature: str | None = None, **named: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Run one inference.

        Raises:
            InputError: a missing, unknown, doubled or misshapen argument.
            LimitError: the inference went beyond `limits`. CancelledError: `cancel` was called.
        """
        call = self._calls.get(signature)
        if call is None:
            call = self._calls[signature] = self._prepare(signature)
        if named or len(arrays) != len(call.signature.inputs):
            feed = bind(call.signature, arrays, named)
            arrays = tuple([feed[name] for name in call.signature.inputs])
        try:
            inputs = [np.asarray(arrays[place]) for place in call.inputs]
        except ValueError as error:  # rows of different lengths
            raise InputError(f"an argument is no array: {error}") from error
        outputs = call.session.run(inputs)
        self._last = call.session
        return {name: outputs[place] for name, place in call.outputs}

    def _prepare(self, key: str | None) -> _Call:
        """What calls of a signature have in common. Raises InputError."""
        signature = self._source.interface.signature(key)
        session = self._session(signature.graph)
        # of two names of one input, the last one counts
        order = {place: index for index, place in enumerate(signature.inputs.values())}
        if len(order) != len(self._source.interface.graphs[signature.graph].inputs):
            raise InputError(f"signature {signature.key!r} leaves inputs of its graph unbound")
        inputs = [order[place] for place in sorted(order)]
        return _Call(signature, session, inputs, list(signature.outputs.items()))

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """Every tensor computed by the last call, by name. Needs `keep_all=True`."""
        if not self._keep_all:
            raise InputError("intermediate tensors are kept only with Interpreter(keep_all=True)")
        return {} if self._last is None else {v.name: a for v, a in self._last.kept.items()}

    def placement(self, signature: str | None = None) -> tuple[Placement, ...]:
        """Where every operator ran in the last call of a signature: in which kernel, or on the
        host with the reason why."""
        return self._session(self._source.interface.signature(signature).graph).placement()

    def reset_variables(self) -> None:
        """All state is as in a new interpreter: variable tensors are zero, and what CALL_ONCE
        initializes is initialized anew by the next call."""
        for session in self._sessions.values():
            session.reset_variables()
        self._resources.clear()

    def cancel(self) -> None:
        """Stop the inference that is running in another thread, between two operators: its call
        raises CancelledError. Nothing happens where none is running."""
        for session in list(self._sessions.values()):
            session.cancel()

    def close(self) -> None:
        """End the threads of this interpreter; a later call starts them anew. Raises BusyError."""
        for session in self._sessions.values():
            session.close()
        finish_writing()

    def __enter__(self) -> Interpreter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _session(self, graph: str) -> Session:
        session = self._sessions.get(graph)
        if session is None:
            source = self._source
            session = Session(
                lambda: source.graph(graph),
                inputs=source.interface.graphs[graph].inputs,
                stored=source.stored(graph),
                keep_all=self._keep_all,
                progress=self._progress,
                native=self._native,
                num_threads=self._num_threads,
                limits=self._limits,
                stateless=source.interface.is_stateless,
                precision=self._precision,
                resources=self._resources,
            )
        # of two threads' first calls, both get the session that came first
        return self._sessions.setdefault(graph, session)

    def __reduce__(self) -> str:
        raise TypeError("an interpreter cannot be pickled; pickle the model and make a new one")


def bind(
    signature: Signature, arrays: tuple[np.ndarray, ...], named: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Arguments by input name.

    Raises:
        InputError: too many arrays, unknown names, a name given twice, or missing ones.
    """
    names = list(signature.inputs)
    if len(arrays) > len(names):
        raise InputError(
            f"the model takes {len(names)} inputs ({', '.join(names)}); got {len(arrays)} arrays"
        )
    feed = dict(zip(names, arrays, strict=False))
    unknown = sorted(set(named) - set(names))
    if unknown:
        raise InputError(f"no input is named {', '.join(unknown)}; inputs are {', '.join(names)}")
    twice = sorted(set(named) & set(feed))
    if twice:
        raise InputError(f"given both by position and by name: {', '.join(twice)}")
    feed.update(named)
    missing = [name for name in names if name not in feed]
    if missing:
        raise InputError(
            f"missing inputs: {', '.join(missing)}; the model takes {', '.join(names)}"
        )
    return feed
