"""Model -> C: the plan for plain C, printed, and the kernels it calls.

    NAME.h      what to call, and how much memory to give it
    NAME.c      constants, parameters, and one function that calls the kernels in order
    kernels/    the kernels' own sources, those files that are needed

The C is complete: it includes `<stdint.h>` and `<stddef.h>` only, allocates nothing and has no
state, so runs at the same time need nothing but memory of their own. A kernel file holds a family;
what a model does not call is dropped by the linker (`-ffunction-sections`, `--gc-sections`). The
interpreter runs the same plan on the host (`Isa.SCALAR`), which is how exported C is checked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewise.deploy.c_page import CPage
from edgewise.deploy.c_text import identifier
from edgewise.errors import ConversionError, OutputError, UnsupportedOp, listing
from edgewise.files import check_output, write_atomically
from edgewise.ir.evaluate import BodyRunner, evaluate_node
from edgewise.ir.graph import Graph, Value
from edgewise.ir.model import Model, Signature
from edgewise.ir.nesting import reachable
from edgewise.ir.resources import Resources, Variable
from edgewise.ops.random import is_unseeded
from edgewise.runtime.library import LIBRARY, Isa, constant, kernel_index, kernel_source
from edgewise.runtime.plan import Plan, Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from edgewise.runtime.specialize import specialize

# Tiles as small as kernels make them: scratch memory is what a microcontroller has least of.
MICROCONTROLLER = Target(Isa.SCALAR, block_bytes=1024)
KERNELS = "kernels"  # the folder of their sources: names like math.h must not stand beside a user's


@dataclass(frozen=True, slots=True)
class CExport:
    """What was written, and the bytes that the model needs beside its code."""

    files: tuple[Path, ...]
    arena_bytes: int
    scratch_bytes: int
    state_bytes: int  # variables, which keep their values between runs
    constant_bytes: int


def export_c(
    model: Model,
    folder: str | os.PathLike[str],
    *,
    name: str = "model",
    signature: str | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    target: Target = MICROCONTROLLER,
    overwrite: bool = False,
) -> CExport:
    """Write a model as C sources into a folder, which is made where it does not exist.

    Args:
        name: of the files and, as a prefix, of everything in them.
        signature: which one of the model (None: the default one).
        shapes: of inputs by name; unknown sizes of other inputs are taken as 1.
        target: a plan for plain C (`Isa.SCALAR`); the default is made for little memory.

    Raises:
        UnsupportedOp: operators that no kernel runs; all are named.
        ConversionError: shapes depend on data, or the target is not plain C.
        OutputError: a file exists and `overwrite` is False, or cannot be written.
    """
    if target.isa is not Isa.SCALAR:
        raise ConversionError(f"exported C is plain C; got a target for {target.isa.name}")
    chosen = model.signature(signature)
    graph, made = _planned(model, chosen, shapes or {}, target)
    first = _first_values(made)
    page = CPage(
        made, graph, chosen, identifier(name), is_stateless=model.is_stateless, first=first
    )
    return write_page(page, folder, overwrite=overwrite)


def write_page(page: CPage, folder: str | os.PathLike[str], *, overwrite: bool = False) -> CExport:
    """Write a printed plan and the kernels it calls. Raises OutputError."""
    texts = {f"{page.name}.h": page.header(), f"{page.name}.c": page.source()}
    written = _write(Path(folder), {**texts, **_sources(page.kernels)}, overwrite)
    plan = page.plan
    return CExport(
        written, plan.arena_bytes, plan.scratch_bytes, plan.state_bytes, page.constant_bytes
    )


def _planned(
    model: Model, signature: Signature, shapes: Mapping[str, Sequence[int]], target: Target
) -> tuple[Graph, Plan]:
    """The graph with the shapes it is exported for, and its plan."""
    graph = model.graphs[signature.graph]
    unknown = sorted(shapes.keys() - signature.inputs.keys())
    if unknown:
        names = ", ".join(signature.inputs)
        raise ConversionError(f"no input is named {', '.join(unknown)}; inputs are {names}")
    given = {place: shapes[name] for name, place in signature.inputs.items() if name in shapes}
    inputs = [_stand_in(v, given.get(i)) for i, v in enumerate(graph.inputs)]
    try:
        graph = specialize(graph, inputs)[0]
        made = plan(graph, target)
    except NotPlannable as reason:
        raise ConversionError(f"{model.file or 'model'}: cannot be exported: {reason}") from None
    refused = [f"{p.node}: {p.detail}" for p in made.placement if p.where == "host"]
    refused += [
        f"{made.placement[step['node']].node}: its kernel is in a library that was loaded"
        for step in made.code.steps
        if step["kind"] == constant("EW_STEP_kernel") and step["index"] >= len(kernel_index())
    ]
    refused += [
        f"{node}: it has no seed, and exported C knows nothing that differs from run to run"
        for inner in reachable(graph)
        for node in inner.nodes
        if is_unseeded(node.op)
    ]
    if refused:
        raise UnsupportedOp(listing(refused, "operators have no kernel and cannot be exported"))
    return graph, made


def _first_values(plan: Plan) -> Mapping[Variable, np.ndarray]:
    """What variables that operators name hold when CALL_ONCE has run. Raises ConversionError."""
    resources = Resources()
    for node in plan.once:
        evaluate_node(node, (), BodyRunner(node, resources=resources))
    problems, first = [], {}
    for name, named in plan.named.items():
        array = resources.values.get(name)
        wanted = named.place.shape, named.place.dtype
        if array is not None and (array.shape, array.dtype) == wanted:
            first[name] = array
        elif array is not None:
            problems.append(f"the {name} begins as {array.dtype}{list(array.shape)}")
        elif not named.is_assigned_first:
            problems.append(f"the {name} is read before anything gives it a value")
    if problems:
        raise ConversionError(listing(problems, "variables keep the model from being exported"))
    return first


def _stand_in(value: Value, shape: Sequence[int] | None) -> np.ndarray:
    """An array of the shape an input is exported for; it takes no memory."""
    dims = tuple(d if isinstance(d, int) else 1 for d in value.shape) if shape is None else shape
    return np.broadcast_to(np.zeros((), value.dtype.numpy), tuple(dims))


def _sources(kernels: Sequence[str]) -> dict[str, str]:
    """The files that define these kernels and what they include, by path."""
    folder = Path(LIBRARY).parent
    found: dict[str, str] = {}
    wanted = ["kernel.h", *(kernel_source(k)[0] for k in kernels)]
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = (folder / name).read_text()
            wanted += re.findall(r'^#include "(.+)"', found[name], re.MULTILINE)
            body = f"{Path(name).stem}.c"  # of what a header declares; run.h: of types only
            wanted += [body] if name != "run.h" and (folder / body).exists() else []
    return {f"{KERNELS}/{name}": text for name, text in sorted(found.items())}


def _write(folder: Path, texts: Mapping[str, str], overwrite: bool) -> tuple[Path, ...]:
    """All files or, where one may not be written, none."""
    try:
        (folder / KERNELS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror or error}") from error
    for name in texts:
        check_output(folder / name, overwrite=overwrite)
    for name, text in texts.items():
        write_atomically(folder / name, [text.encode("ascii", "replace")], overwrite=overwrite)
    return tuple(folder / name for name in texts)
