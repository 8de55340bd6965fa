"""The pipelines: a model in, a better model out; the model given is never touched.

`canonicalize` runs after every frontend: the same arithmetic, in the fewest operators. `to_tflite`
writes what is left of the IR's higher operators with those that a `.tflite` file can hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from edgewise.errors import InternalError
from edgewise.ir.build import name_values
from edgewise.ir.graph import Graph
from edgewise.ir.model import DEFAULT_SIGNATURE, Model, Signature
from edgewise.ir.verify import verify
from edgewise.passes.activation import ACTIVATIONS, CLAMPS_NAMED
from edgewise.passes.affine import AFFINE
from edgewise.passes.any_batch import loops_of_any_batch
from edgewise.passes.arithmetic import CONSTANTS, IDENTITIES
from edgewise.passes.batch_norm import RECTIFIED_NORMS
from edgewise.passes.broadcasts import BROADCASTS
from edgewise.passes.choices import CHOICES
from edgewise.passes.dense import DENSE
from edgewise.passes.dilation import DILATIONS
from edgewise.passes.flow import fold_flow
from edgewise.passes.fold import fold_constants
from edgewise.passes.joins import JOINS
from edgewise.passes.last_axis import OTHER_AXES
from edgewise.passes.layer_norm import LAYER_NORMS
from edgewise.passes.lookups import LOOKUPS
from edgewise.passes.lower import LOWER
from edgewise.passes.norms import NORMS
from edgewise.passes.padding import PADDING
from edgewise.passes.parallel import PARALLEL
from edgewise.passes.powers import FACTORS, OFFSETS, POWERS
from edgewise.passes.prescale import PRESCALE
from edgewise.passes.quantized import QUANTIZED
from edgewise.passes.recompose import RECOMPOSE
from edgewise.passes.redundant import eliminate_common, eliminate_dead
from edgewise.passes.report import PipelineReport, StageReport
from edgewise.passes.reshaping import RESHAPES
from edgewise.passes.resizing import RESIZES
from edgewise.passes.rewrite import Outcome, Rule, rewrite
from edgewise.passes.sequence import fuse_sequences
from edgewise.passes.shapes import sharpen_shapes
from edgewise.passes.slice_axes import SLICE_AXES
from edgewise.passes.slices import SLICES
from edgewise.passes.splats import fill_splats
from edgewise.passes.target import require_target
from edgewise.passes.transposing import TRANSPOSES
from edgewise.passes.transposing_axes import TRANSPOSED_AXES
from edgewise.passes.transposing_parts import TRANSPOSED_PARTS
from edgewise.values import replace

# One way to write each thing, so that the rules after these need one pattern each.
SIMPLIFY = (
    *(*IDENTITIES, *CONSTANTS, *POWERS, *CLAMPS_NAMED, *CHOICES),
    *(*RESHAPES, *TRANSPOSES, *TRANSPOSED_PARTS, *TRANSPOSED_AXES, *SLICES, *SLICE_AXES),
    *(*JOINS, *BROADCASTS, *RESIZES),
)
# What frameworks write in pieces, in one operator.
WHOLE = (*RECOMPOSE, *OTHER_AXES, *QUANTIZED, *LAYER_NORMS, *FACTORS, *DILATIONS)
# Rounds of the canonical stages; a second one finds what the last stages of the first uncovered.
# Real models need two, the last of which changes nothing.
ROUNDS = 8


def canonicalize(
    model: Model,
    *,
    fuse_loops: bool = True,
    target: str | None = None,
    report: PipelineReport | None = None,
    check_each: bool = False,
) -> Model:
    """The model with the same outputs (to each rule's tolerance) in fewer operators.

    Dimensions that the model declares as numbers are taken as facts: what depends on them is
    folded, so a model that is to be resized must have them symbolic.

    `fuse_loops`: loops that are LSTM layers become the operator for them, which keeps its state
    from run to run in LiteRT until it is reset; a model that is a `.tflite` file already should
    not get such state. What was done is added to `report`; `check_each` verifies after every
    stage, not only at the end.

    Raises:
        ShapeError: the model, or what a rule made of it, does not verify.
    """
    run = _Run(model, report, check_each)
    for _ in range(ROUNDS):
        before = run.applied
        # Values before structure: what is constant is known to all the later stages.
        run.stage("shapes", sharpen_shapes)
        run.stage("fold", fold_constants)
        run.whole("flow", fold_flow)
        run.rules("simplify", SIMPLIFY)
        # Before the offset and the clamp of a hard swish go into its neighbours.
        run.rules("recompose", WHOLE)
        # Linear operators take in what stands around them ...
        run.rules("linear", [*DENSE, *LOOKUPS, *AFFINE, *PRESCALE, *PARALLEL])
        # ... and only then activations, which would shield them from scales and offsets.
        run.rules("fuse", [*RECTIFIED_NORMS, *ACTIVATIONS, *PADDING, *OFFSETS])
        run.stage("clean", eliminate_dead)  # else what is equal to it would keep it
        run.stage("clean", eliminate_common)
        run.stage("clean", eliminate_dead)
        if fuse_loops:
            # A body that is simplified has one form for each thing that is looked for.
            run.whole("loops", fuse_sequences)
        if run.applied == before:
            if target is not None:
                run.whole("target", loops_of_any_batch)
            return run.finish()
    raise InternalError(f"{model.file or 'the model'}: canonicalize does not come to rest")


def to_tflite(
    model: Model,
    target: str | None = None,
    *,
    report: PipelineReport | None = None,
    check_each: bool = False,
) -> Model:
    """The model in operators that a `.tflite` file can hold; the others are not changed, except
    that they take in the scales of the normalisations before them.

    `target` names the release that has to run the file (`litert-2.3`; `target.targets()` lists the
    known ones); None: whatever a file can hold.

    Raises:
        UnsupportedOp: listing every operator that a file cannot hold or the target does not run.
        ConversionError: no such target.
        ShapeError: the model, or what a rule made of it, does not verify.
    """
    run = _Run(model, report, check_each)
    if target is not None:
        run.whole("target", loops_of_any_batch)
    # While norms are whole, what is constant in them can still go into their readers.
    run.rules("norms", NORMS)
    run.rules("lower", LOWER)
    if run.applied:
        # Lowered parameters are constants again, and activations have something to fuse into.
        run.stage("fold", fold_constants)
        run.rules("simplify", [*IDENTITIES, *RESHAPES])
        run.rules("fuse", ACTIVATIONS)
        run.stage("clean", eliminate_common)
        run.stage("clean", eliminate_dead)
    # Behind everything that looks for constants.
    run.stage("splats", fill_splats)
    lowered = run.finish()
    require_target(lowered, target)
    return lowered


class _Run:
    """One run of a pipeline: the copy it works on, and what happened to it."""

    def __init__(self, model: Model, report: PipelineReport | None, check_each: bool) -> None:
        self.model = model.copy()
        self.report = report
        if report is not None and not report.stages:
            report.before = _count(self.model)
        self.check_each = check_each
        self.applied = 0
        self.names = _names(self.model)

    def rules(self, name: str, rules: Sequence[Rule]) -> None:
        self.stage(name, partial(rewrite, rules=rules))

    def stage(self, name: str, apply: Callable[[Graph], Outcome]) -> None:
        self.note(name, [apply(graph) for graph in self.model.graphs.values()])

    def whole(self, name: str, apply: Callable[[Model], Outcome]) -> None:
        """A stage that looks at all graphs together."""
        self.note(name, [apply(self.model)])

    def note(self, name: str, outcomes: Sequence[Outcome]) -> None:
        self.applied += sum(outcome.counts.total() for outcome in outcomes)
        if self.report is not None:
            entry = StageReport(name)
            for outcome in outcomes:
                entry.take(outcome)
            self.report.stages.append(entry)
        if self.check_each:
            verify(self.model)

    def _keep_names(self) -> None:
        """An output that became an input or another output is one tensor with it, and has its
        name: a signature keeps the one it was known by."""
        before, after = self.names, _names(self.model)
        if before is not None and after is not None and before.outputs != after.outputs:
            self.model.signatures.append(replace(before, key=DEFAULT_SIGNATURE))

    def finish(self) -> Model:
        if self.applied:  # else a file that was read goes back as it was
            for graph in self.model.graphs.values():
                graph.tensors = []  # positions in that file; no longer true
                name_values(graph)
            self._keep_names()
        verify(self.model)
        if self.report is not None:
            self.report.after = _count(self.model)
        return self.model


def _names(model: Model) -> Signature | None:
    """The inputs and outputs of the main graph by name, where no signature names them."""
    return None if model.signatures or not model.graphs else model.signature()


def _count(model: Model) -> int:
    return sum(len(graph) for graph in model.graphs.values())
