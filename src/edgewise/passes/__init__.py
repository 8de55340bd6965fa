"""Graph -> Graph: rewrite rules, folding, fusing, lowering, and the pipelines made of them."""

from typing import TYPE_CHECKING

from edgewise.lazy import names

if TYPE_CHECKING:
    from edgewise.passes.pipeline import canonicalize, to_tflite
    from edgewise.passes.report import PipelineReport
    from edgewise.passes.rewrite import Miss, Outcome, Rule
    from edgewise.passes.target import load_target, targets

__all__ = [
    "Miss",
    "Outcome",
    "PipelineReport",
    "Rule",
    "canonicalize",
    "load_target",
    "targets",
    "to_tflite",
]
_HOMES = {
    "Miss": "rewrite",
    "Outcome": "rewrite",
    "PipelineReport": "report",
    "Rule": "rewrite",
    "canonicalize": "pipeline",
    "load_target": "target",
    "targets": "target",
    "to_tflite": "pipeline",
}
__getattr__ = names(__name__, _HOMES)
