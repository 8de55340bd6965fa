"""Session: one graph made ready to run, with its variables. The seam to the native runtime.

Everything above (the public `Interpreter`, `edgewise.lite`) only uses `Session`; what executes
the graph is chosen here: a native plan where all shapes follow from those of the inputs, plans in
stages where they depend on data, else (or with `native=False`) the operators' NumPy references.

Long because all that a run may meet (other shapes, limits, a fork) is decided here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from edgewise.errors import LimitError
from edgewise.ir.dim import Shape
from edgewise.ir.evaluate import State, evaluate
from edgewise.ir.graph import Graph, Value
from edgewise.ir.nesting import names_resources
from edgewise.ir.resources import Resources
from edgewise.log import log
from edgewise.runtime.arrays import apart, check_array
from edgewise.runtime.executor import DEFAULT_LIMITS, Executor, Unfit
from edgewise.runtime.forks import remember
from edgewise.runtime.functions import guarded
from edgewise.runtime.library import constant
from edgewise.runtime.limits import Limits, demand_of, iteration_guard
from edgewise.runtime.plan import Placement, Precision
from edgewise.runtime.shapes import Shapes
from edgewise.runtime.specialize import Executors, Runnable, Stored
from edgewise.runtime.threads import Threads
from edgewise.runtime.turns import Turns
from edgewise.runtime.watch import Progress, Watch

if TYPE_CHECKING:
    from edgewise.runtime.staged import Staged


# the tuples of arrays of the last run, what does it again, what goes on where that returned early
# (`Executor.function`), and the outputs
Again = tuple[object, object, Callable[[], int], Callable[[int], object], list[np.ndarray]]
_NEVER: Again = (object(), None, int, int, [])


class Session:
    """Runs one graph. Variables live here and survive from run to run; what operators name
    (`Resources`) lives in `resources`, which the sessions of one model share.

    `keep_all` makes every computed tensor available in `kept` after a run; `progress` is called
    before each operator; `each_step` before each step of a plan, in which operators may run by
    turns, with the number of the operator that it belongs to. With `native=False` the references
    run, not the kernels; with `stateless` the variables start anew in every run. `num_threads`
    share the work of a run; results do not depend on it. `precision` is that of products of float
    weights. `graph` may be a function that gives it when it is needed; `inputs` are its inputs
    then, and `stored` has plans that need no graph.
    """

    def __init__(
        self,
        graph: Graph | Callable[[], Graph],
        *,
        keep_all: bool = False,
        progress: Progress | None = None,
        each_step: Callable[[int], None] | None = None,
        native: bool = True,
        stateless: bool = False,
        resources: Resources | None = None,
        num_threads: int = 1,
        limits: Limits = DEFAULT_LIMITS,
        inputs: Sequence[Value] | None = None,
        stored: Stored | None = None,
        precision: Precision = Precision.FLOAT32,
    ) -> None:
        given = graph
        self._get_graph: Callable[[], Graph] = (
            (lambda: given) if isinstance(given, Graph) else given
        )
        self.stateless, self.progress, self.keep_all = stateless, progress, keep_all
        self._each_step = each_step
        self.kept: dict[Value, np.ndarray] = {}
        self._state: State = {}
        self._resources = Resources() if resources is None else resources
        self._inputs = self.graph.inputs if inputs is None else inputs
        self._shapes = Shapes()
        self._turns = Turns()
        self._has_names: bool | None = None
        self._expected: list[tuple[Shape | None, np.dtype[np.generic]]] | None = None
        self._again = _NEVER
        self._limits, self._threads = limits, Threads(num_threads)
        self._executors: Executors | None = None
        if native:
            self._executors = Executors(
                self._get_graph, keep_all, self._threads, limits, stored, precision
            )
        remember(self)

    @property
    def graph(self) -> Graph:
        """The graph that runs."""
        return self._get_graph()

    def run(
        self, inputs: Sequence[np.ndarray], into: Sequence[np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Outputs on `inputs`, which are in the order of the graph's inputs. The arrays returned
        share no memory with `inputs` or the model. A plan fills and returns the arrays of `into`,
        which have the outputs' shapes and dtypes; a caller that gives the same two tuples again
        pays for no set-up.

        Raises:
            InputError: an array whose dtype or shape is not the input's.
            UnsupportedOp: operators that cannot run; all are listed.
            BusyError: another thread is running this session.
            LimitError, CancelledError: the run was stopped; the session is as usable as before.
        """
        last_inputs, last_into, again, resume, outputs = self._again
        if inputs is last_inputs and into is last_into:
            try:
                status = again()
                if status and status != constant("EW_RUN_busy"):
                    self._go_on(resume, status)
                    status = 0
                if not status:
                    return outputs
            except Unfit:
                pass  # a variable has another type now; nothing has run
        self._check(inputs)
        self._turns.enter()
        try:
            self._again = _NEVER
            self._turns.number()
            if self.kept:
                self.kept = {}
            if self.stateless:
                self._state.clear()
            executors = self._executors
            executor = "" if executors is None else executors.of(inputs)
            with self._names_of(executor):
                if isinstance(executor, str):
                    return self._run_references(inputs)
                if not isinstance(executor, Executor):
                    return self._run_staged(executor, inputs)
                try:
                    outputs = self._run_plan(executor, inputs, into)
                except Unfit as reason:
                    log().info("graph %r runs on the references: %s", self.graph.name, reason)
                    return self._run_references(inputs)
            assert executors is not None
            executors.save()
            starts_anew = self.stateless and executor.has_variables
            if executor.can_repeat and self.progress is None and not starts_anew:
                again = self._function(executor) or partial(self._repeat, executor)
                self._again = (inputs, into, again, executor.resume, outputs)
            return outputs
        except MemoryError as error:
            raise LimitError(f"the run needs more memory than there is: {error}") from error
        finally:
            self._turns.leave()

    def _names_of(self, executor: Runnable | str) -> AbstractContextManager[object]:
        """Held while operators read and write what they name: sessions of one model share it, and
        each may run in a thread of its own. A run waits for the others' to end."""
        if isinstance(executor, Executor):
            has_names = executor.has_names
        else:
            if self._has_names is None:
                self._has_names = any(map(names_resources, self.graph.nodes))
            has_names = self._has_names
        return self._resources.lock if has_names else nullcontext()

    def _function(self, executor: Executor) -> Callable[[], int] | None:
        """A function of C's that repeats the last run; or None."""
        function = executor.function(self._turns.words)
        if function is None or not executor.has_names:
            return function
        go_on, resources = partial(self._go_on, executor.resume), self._resources
        return guarded(function, resources.lock, partial(executor.holds, resources), go_on)

    def _repeat(self, executor: Executor) -> int:
        """What a function of C's does where a run needs nothing but its turn; 0. Raises Unfit."""
        self._turns.enter()
        try:
            self._turns.number()
            self._turns.begin(executor)
            with self._names_of(executor):
                executor.repeat(self._turns.serial)
        except Unfit:
            self._again = _NEVER
            raise
        finally:
            self._turns.leave()
        return 0

    def _go_on(self, resume: Callable[[int], object], status: int) -> None:
        """After a function of C's that returned with its turn."""
        try:
            resume(status)
        finally:
            self._turns.leave()

    def _check(self, inputs: Sequence[np.ndarray]) -> None:
        """Raise InputError where the graph cannot run on these."""
        if self._expected is None:
            self._expected = [(v.type.shape, v.dtype.numpy) for v in self._inputs]
        for value, array, (shape, dtype) in zip(self._inputs, inputs, self._expected, strict=True):
            if array.shape != shape or array.dtype != dtype:
                check_array(value.name, value.type, array)

    def resize(self, shapes: Sequence[Sequence[int]]) -> None:
        """Give the inputs these shapes and derive all others anew.

        Raises:
            ShapeError: a node that does not accept them; the session keeps its old shapes.
            LimitError: they are beyond the limits; likewise.
            UnsupportedOp: operators that cannot run; all are listed.
        """
        _require_supported(self.graph)
        if self._shapes.are_given(self.graph, shapes):
            # against generous limits, planning is soon enough
            if self._limits is not DEFAULT_LIMITS:
                self._limits.check(demand_of(self.graph))
            return
        self._inputs = self.graph.inputs
        self._expected, self._again = None, _NEVER
        self._shapes.give(self.graph, shapes, self._accept)

    def _accept(self) -> None:
        """The graph has other shapes now."""
        self._limits.check(demand_of(self.graph))
        self._turns.forget()
        if self._executors is not None:
            self._executors.clear()

    def variables(self) -> State:
        """Variable tensors that hold a value, by their graph value."""
        return self._state

    def reset_variables(self) -> None:
        """Variables are zero again (quantized ones: their zero point)."""
        self._state.clear()

    def placement(self) -> tuple[Placement, ...]:
        """Where every operator of the last run was executed, and why."""
        if self._executors is None:
            return tuple(Placement(str(n), "host", "native=False") for n in self.graph.nodes)
        return self._executors.placement()

    def cancel(self) -> None:
        """Let the inference that is running in another thread stop between two operators; nothing
        happens where none is. One of a few microseconds is over before another thread runs."""
        self._turns.cancel()

    def close(self) -> None:
        """End the threads; a later run starts them anew. Raises BusyError."""
        self._turns.enter()
        self._again = _NEVER  # it runs in these threads
        # and who is about to run it finds the old turn taken for ever; numbers go on, by which
        # executors know what was cancelled
        self._turns = Turns(self._turns.serial)
        self._threads.close()

    def after_fork(self) -> None:
        """In the child no thread but this one is there, and none runs the session."""
        self._threads.forget()
        self._again = _NEVER
        self._turns.after_fork()
        self._resources.lock = threading.Lock()

    def _run_plan(
        self,
        executor: Executor,
        inputs: Sequence[np.ndarray],
        into: Sequence[np.ndarray] | None,
    ) -> list[np.ndarray]:
        counter = self._each_step
        if self.progress is not None and counter is None:
            counter = self._watch().before_step()
        self._turns.begin(executor)
        outputs = executor.run(
            inputs,
            self._state,
            counter,
            resources=self._resources,
            into=into,
            serial=self._turns.serial,
        )
        if self.keep_all:
            self.kept = executor.kept()
        return outputs

    def _run_staged(self, staged: Staged, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        from edgewise.runtime.staged import Run

        watch = self._watch()
        self._turns.begin(staged)
        outputs = staged.run(
            inputs,
            Run(
                self._state,
                self._resources,
                self._turns.serial,
                watch.before_node(),
                watch.is_cancelled,
                iteration_guard(self._limits),
                watch.before_step(),
                watch.end,
            ),
        )
        return self._our_own(outputs, inputs)

    def _run_references(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        _require_supported(self.graph)
        self._limits.check(demand_of(self.graph))
        keep = self.kept.__setitem__ if self.keep_all else None
        outputs = evaluate(
            self.graph,
            inputs,
            state=self._state,
            resources=self._resources,
            keep=keep,
            before_node=self._watch().before_node(),
            before_iteration=iteration_guard(self._limits),
        )
        return self._our_own(outputs, inputs)

    def _our_own(
        self, outputs: Sequence[np.ndarray], inputs: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """A RESHAPE is a view of its operand: what the caller gets must not be what it gave, nor a
        constant or a variable of ours."""
        ours = (v.data for v in self.graph.constants() if v.data is not None)
        held = [*inputs, *ours, *self._state.values()]
        return [apart(array, held) for array in outputs]

    def _watch(self) -> Watch:
        """What looks at the run that begins."""
        is_cancelled = partial(self._turns.is_cancelled, self._turns.serial)
        return Watch(self.graph, self._limits, self.progress, is_cancelled)

    def __reduce__(self) -> str:
        raise TypeError("an interpreter cannot be pickled; pickle the model and make a new one")


def _require_supported(graph: Graph) -> None:
    # imports the operators, which a run of a cached plan does not need
    from edgewise.ops.opaque import require_supported

    require_supported([graph])
