"""CALL_ONCE before a plan: the graph that gives variables and tables their first values."""

from __future__ import annotations

from collections.abc import Callable

from edgewise.errors import EdgewiseError, InternalError, LimitError
from edgewise.ir.evaluate import BodyRunner, evaluate_node
from edgewise.ir.graph import Graph, Node
from edgewise.runtime.cut import MUCH_WORK, work_of
from edgewise.runtime.plan import Plan, Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan


def begin(node: Node, target: Target, runner: BodyRunner, run: Callable[[Plan], object]) -> None:
    """What a CALL_ONCE does before the first run: by a plan, which `run` takes, where there is much
    to compute; else by the references, which assign the constants of a file in less time than a
    plan is made. Nothing where it has been done.

    Raises: what `run` and the references raise.
    """
    (init,) = node.op.graphs
    if init in runner.resources.initialized:
        return
    made = _planned(init, target) if work_of(init) >= MUCH_WORK else None
    if made is None:
        evaluate_node(node, (), runner)
        return
    run(made)
    runner.resources.initialized.add(init)


def _planned(init: Graph, target: Target) -> Plan | None:
    try:
        return plan(init, target)
    except (InternalError, LimitError):
        raise
    except (NotPlannable, EdgewiseError):
        return None  # strings, or what the references say better
