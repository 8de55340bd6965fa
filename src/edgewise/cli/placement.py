"""`edgewise inspect --placement`: the plan of each graph on this machine, as a table or JSON."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click
import numpy as np

from edgewise.cli.screen import say, size_text, tell_table
from edgewise.cli.visible import visible
from edgewise.errors import EdgewiseError
from edgewise.ir.graph import Graph
from edgewise.ir.model import Model
from edgewise.runtime.library import host_isa
from edgewise.runtime.plan import Kernel, Placement, Plan, Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from edgewise.runtime.specialize import specialize

_PHRASES = {"kernel": "in kernels", "host": "in Python", "alias": "by alias"}


def show_placement(model: Model, path: Path, as_json: bool) -> None:
    """Print where the operators of every graph run; unknown dimensions are taken as 1."""
    target = Target(host_isa())
    plans = {name: _plan(graph, target) for name, graph in model.graphs.items()}
    if as_json:
        click.echo(json.dumps(_plain(model, path, target, plans), indent=2))
        return
    say(f"planned for {target.isa.name.lower()}", title=str(path))
    for name, made in plans.items():
        say()
        say(title=f"subgraph {name}")
        say()
        if isinstance(made, str):
            say(f"runs in Python as a whole: {made}")
        else:
            _print(model.graphs[name], made)


def _plan(graph: Graph, target: Target) -> Plan | str:
    shapes = [[d if isinstance(d, int) else 1 for d in v.type.shape or ()] for v in graph.inputs]
    zeros = [
        np.broadcast_to(np.zeros((), v.dtype.numpy), shape)
        for v, shape in zip(graph.inputs, shapes, strict=True)
    ]
    try:
        return plan(specialize(graph, zeros)[0], target)
    except (NotPlannable, EdgewiseError) as reason:
        return str(reason)


def _print(graph: Graph, made: Plan) -> None:
    ops = [node.op.name for node in graph.nodes]
    rows = [
        (str(number), op, p.where, "" if p.into is None else f"#{p.into}", p.detail)
        for number, (op, p) in enumerate(zip(ops, made.placement, strict=True))
    ]
    tell_table(("#", "operator", "runs", "with", "kernel or reason"), rows, right=(0, 3))
    say()
    totals = _totals(made)
    counts = ", ".join(f"{count} {_PHRASES.get(k, k)}" for k, count in totals["operators"].items())
    steps, locked = totals["steps"], totals["locked"]
    say(f"{len(rows)} operators: {counts}")
    say(f"{steps} steps" + (f", {locked} of them tile by tile with another" if locked else ""))
    say(
        f"arena {size_text(made.arena_bytes)} (at least {size_text(made.arena_lower_bound)}), "
        f"constants {size_text(made.constants.nbytes)}, "
        f"scratch {size_text(made.scratch_bytes)} per thread"
        + (f", variables {size_text(made.state_bytes)}" if made.state_bytes else "")
    )


def _totals(made: Plan) -> dict[str, Any]:
    kinds = Counter(p.where for p in made.placement)
    steps = made.steps
    locked = sum(step.locked for step in steps if isinstance(step, Kernel))
    return {
        "operators": dict(kinds.most_common()),
        "steps": len(steps),
        "locked": locked,
        "arena_bytes": made.arena_bytes,
        "arena_lower_bound": made.arena_lower_bound,
        "constant_bytes": made.constants.nbytes,
        "scratch_bytes": made.scratch_bytes,
        "state_bytes": made.state_bytes,
    }


def _plain(
    model: Model, path: Path, target: Target, plans: dict[str, Plan | str]
) -> dict[str, object]:
    graphs: dict[str, object] = {}
    for name, made in plans.items():
        if isinstance(made, str):
            graphs[name] = {"reason": made}
            continue
        ops = [node.op.name for node in model.graphs[name].nodes]
        rows = [_row(i, op, p) for i, (op, p) in enumerate(zip(ops, made.placement, strict=True))]
        graphs[name] = {"operators": rows, "totals": _totals(made)}
    return {"file": visible(str(path)), "isa": target.isa.name.lower(), "graphs": graphs}


def _row(index: int, op: str, p: Placement) -> dict[str, object]:
    return {
        "index": index,
        "op": op,
        "node": p.node,
        "where": p.where,
        "into": p.into,
        "detail": p.detail,
    }
