"""What a pipeline did, and its account for people: how many operators became how many, because of
what, and what was nearly done but not, and why.

    238 operators became 101
        19 hard-swishes recognised                          -57
        34 batch norms folded into the operator before      -34
        ...

A rule carries its phrase (`Rule.phrase`); rules with one phrase are one line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from edgewise.ir.graph import Node
from edgewise.passes.rewrite import Change, Miss, Outcome
from edgewise.values import dataclass, field

# Names of places that one reason of a near miss shows; -vv shows all of them.
FEW = 3


@dataclass(frozen=True, slots=True)
class Edit:
    """One application of a rule, in words: the nodes that are gone and those made instead."""

    rule: str
    gone: tuple[str, ...]
    made: tuple[str, ...]

    def __str__(self) -> str:
        return f"{' + '.join(self.gone)} -> {' + '.join(self.made) or 'nothing'}"


@dataclass(slots=True)
class StageReport:
    """What one stage did: how often each rule was applied and how many operators that made more
    (`growth`, mostly negative), each application, and where a rule nearly fitted."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    growth: dict[str, int] = field(default_factory=dict)
    phrases: dict[str, str] = field(default_factory=dict)
    misses: list[Miss] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)

    def take(self, outcome: Outcome) -> None:
        """Add what a pass did to one graph."""
        self.counts += outcome.counts
        self.misses += outcome.misses
        self.phrases.update(outcome.phrases)
        for change in outcome.changes:
            more = len(change.made) - len(change.gone)
            self.growth[change.rule] = self.growth.get(change.rule, 0) + more
            self.edits.append(_edit(change))


def _edit(change: Change) -> Edit:
    # the root is the first node of a match and the last of the piece: from inputs to result
    gone, made = map(_label, reversed(change.gone)), map(_label, change.made)
    return Edit(change.rule, tuple(gone), tuple(made))


def _label(node: Node) -> str:
    """How messages name the node; its operator alone where it has no name yet."""
    return str(node).removesuffix(" ''")


@dataclass(slots=True)
class PipelineReport:
    """What pipelines did to a model, one after the other. `before` and `after` count operators of
    all graphs, `before` those that the first pipeline was given."""

    before: int = 0
    after: int = 0
    stages: list[StageReport] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        """Applications per rule, over all stages."""
        return sum((stage.counts for stage in self.stages), Counter[str]())

    def misses(self) -> list[Miss]:
        """The near misses that stood at the end: those of the last run of each stage. Quiet rules,
        whose misses are the usual case, are left out."""
        last = {stage.name: stage for stage in self.stages}
        found = (miss for stage in last.values() for miss in stage.misses if not miss.is_quiet)
        return list({(miss.rule, miss.node): miss for miss in found}.values())

    def account(self, *, nodes: bool = False) -> str:
        """The account as text; with `nodes` every application and every near miss by node."""
        lines = [f"{self.before} operators became {self.after}", *self._deeds(nodes)]
        misses = self.misses()
        if misses:
            lines += ["", "Not done, and why:", *_refusals(misses, nodes)]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.account()

    def _deeds(self, nodes: bool) -> list[str]:
        """A line per phrase, those that save most first."""
        counts: Counter[str] = Counter()
        growth: Counter[str] = Counter()
        edits: dict[str, list[Edit]] = {}
        for stage in self.stages:
            for rule, count in stage.counts.items():
                phrase = stage.phrases.get(rule) or rule
                counts[phrase] += count
                growth[phrase] += stage.growth.get(rule, 0)
            for edit in stage.edits:
                edits.setdefault(stage.phrases.get(edit.rule) or edit.rule, []).append(edit)
        order = sorted(counts, key=lambda phrase: (growth[phrase], -counts[phrase]))
        texts = {phrase: counted(counts[phrase], phrase) for phrase in order}
        wide = max(map(len, texts.values()), default=0)
        lines = []
        for phrase, text in texts.items():
            row = f"{counts[phrase]:>6} {text:<{wide}}  {_signed(growth[phrase]):>5}"
            lines.append(row.rstrip())
            if nodes:
                lines += [f"{'':>9}{edit}" for edit in edits.get(phrase, ())]
        return lines


def counted(count: int, phrase: str) -> str:
    """A phrase for so many things: what is in brackets goes where there is one.

    >>> counted(2, "hard-swish[es] recognised"), counted(1, "hard-swish[es] recognised")
    ('hard-swishes recognised', 'hard-swish recognised')
    """
    return re.sub(r"\[(.*?)\]", r"\1" if count != 1 else "", phrase)


def _signed(number: int) -> str:
    return f"{number:+}" if number else ""


def _refusals(misses: Sequence[Miss], nodes: bool) -> list[str]:
    """Near misses by rule, then by reason; reasons that differ in names and numbers are one."""
    groups: dict[str, dict[str, list[Miss]]] = {}
    for miss in misses:
        kind = re.sub(r"'[^']*'|-?\d+", "*", miss.reason)
        groups.setdefault(miss.rule, {}).setdefault(kind, []).append(miss)
    lines = []
    for rule, reasons in groups.items():
        lines.append(f"  {rule}")
        for alike in sorted(reasons.values(), key=len, reverse=True):
            lines.append(f"{len(alike):>6} x {alike[0].reason}")
            lines.append(f"{'':>9}at {_places([miss.node for miss in alike], nodes)}")
    return lines


def _places(names: Iterable[str], every: bool) -> str:
    """The first few names, or all."""
    names = list(names)
    shown = names if every else names[:FEW]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
