"""Graph -> Graph: rewrite rules, folding, fusing, lowering, and the pipelines made of them."""

from edgewise.passes.pipeline import canonicalize, to_tflite
from edgewise.passes.report import PipelineReport
from edgewise.passes.rewrite import Miss, Outcome, Rule, rewrite
from edgewise.passes.target import load_target, targets

__all__ = [
    "Miss",
    "Outcome",
    "PipelineReport",
    "Rule",
    "canonicalize",
    "load_target",
    "rewrite",
    "targets",
    "to_tflite",
]
