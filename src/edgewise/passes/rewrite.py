"""Rewriting: rules, and the driver that applies them until none fits.

A rule is three small functions. Its pattern says what the graph must look like, its check whether
the numbers allow it (True, or a sentence why not), its rewrite builds what stands there instead::

    # relu(relu(x)) -> relu(x)
    Rule(
        "relu of relu",
        lambda p: p.relu(p.relu(p.value(), name="inner", shared=True)),
        lambda match: same_type(match["inner"], match.root.output),
        lambda b, match: match["inner"],
    )

The driver keeps a worklist of nodes. A rewrite puts back only nodes that it may have given a
match: what it made, their readers as far down as the deepest pattern reaches, and the readers of
values that lost one. So the cost is the number of nodes plus the number of rewrites.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from edgewise.errors import InternalError, ShapeError
from edgewise.ir.build import Builder
from edgewise.ir.dim import Dim
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.types import TensorType
from edgewise.ir.verify import compatible
from edgewise.passes.listed import Listed
from edgewise.passes.pattern import Match, PatternBuilder, Result
from edgewise.values import dataclass, field, replace

Verdict = bool | str  # True, or the sentence that says why not


class Usual(str):
    """Why a rule does not fit where it mostly does not: no near miss, reports leave it out."""

    __slots__ = ()


# Rewrites per node of the graph after which rules are said to undo each other. Folding MUL, ADD,
# RELU and PAD into one convolution takes four.
PATIENCE = 50
# A value with more readers than this cannot become exclusive to a match by losing one.
FEW = 4
_TOO_LARGE = "a number is too large for a constant ({})"


@dataclass(frozen=True, slots=True)
class Rule:
    """pattern -> rewrite where check is True. `tolerance`: relative to the output range; 0: the
    rule changes no bits. `phrase`: what reports say was done, with the plural in brackets
    ("batch norm[s] folded into the operator before"). `is_quiet`: the pattern is a bare operator
    that mostly does something (any RESHAPE), so that a miss is the usual case and reports leave it
    out."""

    name: str
    pattern: Callable[[PatternBuilder], Result]
    check: Callable[[Match], Verdict]
    rewrite: Callable[[Builder, Match], Value | Sequence[Value]]
    tolerance: float = 0.0
    is_quiet: bool = False
    phrase: str = ""

    def __str__(self) -> str:
        return self.name


def spellings(
    name: str,
    forms: Iterable[Callable[[PatternBuilder], Result]],
    check: Callable[[Match], Verdict],
    rewrite: Callable[[Builder, Match], Value | Sequence[Value]],
    *,
    tolerance: float,
    phrase: str,
) -> list[Rule]:
    """One rule for each way to write one thing."""
    return [Rule(name, form, check, rewrite, tolerance=tolerance, phrase=phrase) for form in forms]


@dataclass(frozen=True, slots=True)
class Miss:
    """A place where a rule's pattern fitted and the rule was not applied, and why."""

    rule: str
    node: str
    reason: str
    is_quiet: bool = False

    def __str__(self) -> str:
        return f"{self.node}: not '{self.rule}': {self.reason}"


@dataclass(frozen=True, slots=True)
class Change:
    """One application of a rule: the nodes that are gone, those that were made, and which node
    computes the first result instead (None: nothing does, it is a constant, an input or unread)."""

    rule: str
    gone: tuple[Node, ...]
    made: tuple[Node, ...]
    heir: Node | None


@dataclass(slots=True)
class Outcome:
    """What a pass did to one graph: how often each rule was applied, the near misses, every
    change in order, and the phrases of the rules applied."""

    counts: Counter[str] = field(default_factory=Counter)
    misses: list[Miss] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    phrases: dict[str, str] = field(default_factory=dict)

    def add(self, other: Outcome) -> None:
        """Take what another outcome has in."""
        self.counts += other.counts
        self.misses += other.misses
        self.changes += other.changes
        self.phrases.update(other.phrases)

    def replaced(
        self,
        rule: str,
        gone: Node,
        value: Value | None,
        made: Sequence[Node] = (),
        phrase: str = "",
    ) -> None:
        """Note that a node is gone and its first result read as `value`."""
        self.counts[rule] += 1
        self.phrases[rule] = phrase
        heir = None if value is None else value.producer
        self.changes.append(Change(rule, (gone,), tuple(made), heir))


def rewrite(graph: Graph, rules: Sequence[Rule | Listed]) -> Outcome:
    """Apply the rules in place until none fits; those of a list that is named stand in its place.

    New nodes have the location of the root they replace (of the first matched node that has one),
    which names the layers of the others that are gone; the value that replaces a result takes
    its name, source and extras, so that outputs keep their names.

    Raises:
        InternalError: a rule changed a type, or rules undo each other; the rule is named.
    """
    return _Driver(graph, rules).run()


def every(*checks: Callable[[Match], Verdict]) -> Callable[[Match], Verdict]:
    """The check that holds where all of these do; its reason is the first one's."""

    def check(match: Match) -> Verdict:
        for part in checks:
            verdict = part(match)
            if verdict is not True:
                return verdict
        return True

    return check


class _Driver:
    """State of one run: the worklist, the rules by root operator, what was counted."""

    def __init__(self, graph: Graph, rules: Sequence[Rule | Listed]) -> None:
        self.graph, self.given = graph, rules
        self.rules: dict[str, list[tuple[Rule, Result]]] = {}
        self.depth = 1
        self.operators: set[str] = set()  # that the graph has or had, by name
        self.learn(graph.nodes)
        self.work = deque(node for node in graph.nodes if node.op.name in self.rules)
        self.waiting = set(self.work)
        self.counts: Counter[str] = Counter()
        self.misses: dict[tuple[Node, Rule], str] = {}
        self.changes: list[Change] = []
        self.phrases: dict[str, str] = {}
        self.limit = PATIENCE * (len(graph) + 1)

    def learn(self, nodes: Iterable[Node]) -> None:
        """Import what may fit now that the graph has these nodes."""
        operators = self.operators | {node.op.name for node in nodes}
        if operators == self.operators:
            return
        self.operators, self.rules = operators, {}
        for given in self.given:
            self.depth = max(self.depth, _depth_of(given))
            for rule in (given,) if isinstance(given, Rule) else given.rules_for(operators):
                pattern = _pattern_of(rule)
                for name in pattern.ops:
                    self.rules.setdefault(name, []).append((rule, pattern))

    def run(self) -> Outcome:
        while self.work:
            node = self.work.popleft()
            self.waiting.discard(node)
            if node.graph is self.graph:
                self.visit(node)
        misses = [
            Miss(rule.name, str(node), reason, rule.is_quiet or isinstance(reason, Usual))
            for (node, rule), reason in self.misses.items()
            if node.graph is self.graph
        ]
        return Outcome(self.counts, misses, self.changes, self.phrases)

    def visit(self, node: Node) -> None:
        """Apply the first rule that fits at this root."""
        for rule, pattern in self.rules.get(node.op.name, ()):
            for match in pattern.at(node):
                verdict = match.problem() or _verdict(rule, match)
                if verdict is True:
                    verdict = self.apply(rule, match)
                if verdict is True:
                    return
                self.misses[node, rule] = verdict if isinstance(verdict, str) else str(verdict)

    def apply(self, rule: Rule, match: Match) -> Verdict:
        """Replace the root's results and forget what nobody reads any more; why not, where the
        rule would need a constant with numbers that its type does not have."""
        root = match.root
        readers = [reader for value in root.outputs for reader in value.consumers]
        previous = root.prev
        b = Builder(self.graph, before=root)
        b.location = next((n.location for n in match.nodes if n.location is not None), None)
        try:
            new = rule.rewrite(b, match)
        except OverflowError as error:
            for node in reversed(nodes_between(previous, root, self.graph)):
                self.graph.erase(node)
            return _TOO_LARGE.format(error)
        self.counts[rule.name] += 1
        self.phrases[rule.name] = rule.phrase
        if self.counts.total() > self.limit:
            busy = ", ".join(f"'{name}' {n} times" for name, n in self.counts.most_common(3))
            raise InternalError(
                f"rewriting {match.root} does not end: rules undo each other; applied {busy}"
            )
        values = [new] if isinstance(new, Value) else list(new)
        made = nodes_between(previous, root, self.graph)
        for old, value in zip(root.outputs, values, strict=True):
            _take_over(old, value, rule)
        self.graph.replace(root, values)
        touched = [value for value in root.inputs if value is not None]
        touched += self.erase_unread(match.nodes[1:])
        gone = tuple(node for node in match.nodes if node.graph is not self.graph)
        heir = values[0].producer
        if heir is not None and heir in made and heir.location is not None:
            heir.location = heir.location.taking(node.location for node in gone)
        self.changes.append(Change(rule.name, gone, tuple(made), heir))
        for value in touched:
            if len(value.uses) <= FEW:
                readers += value.consumers
        self.learn(made)
        self.push([*made, *readers])
        return True

    def erase_unread(self, nodes: Iterable[Node]) -> list[Value]:
        """Erase matched nodes that lost their last reader; returns what they read."""
        read = []
        for node in nodes:
            if node.graph is self.graph and not any(value.uses for value in node.outputs):
                read += [value for value in node.inputs if value is not None]
                self.graph.erase(node)
        return read

    def push(self, nodes: Iterable[Node]) -> None:
        """Put nodes, and their readers as far down as a pattern reaches, on the worklist."""
        level, seen = list(nodes), set[Node]()
        for _ in range(self.depth):
            below: list[Node] = []
            for node in level:
                if node in seen:
                    continue
                seen.add(node)
                if node not in self.waiting and node.op.name in self.rules:
                    self.waiting.add(node)
                    self.work.append(node)
                for value in node.outputs:
                    below += value.consumers
            level = below


@cache
def _pattern_of(rule: Rule) -> Result:
    """The rule's pattern, built once: all rules' together take as long as a small graph's rewrites
    (and a model has a graph for every body of its control flow)."""
    return rule.pattern(PatternBuilder())


@cache
def _depth_of(given: Rule | Listed) -> int:
    return _pattern_of(given).depth if isinstance(given, Rule) else given.depth


def _verdict(rule: Rule, match: Match) -> Verdict:
    """The rule's check; one that asks for a shape of unknown rank does not hold, nor one whose
    numbers do not fit a constant."""
    try:
        return rule.check(match)
    except ShapeError as unknown:
        return str(unknown)
    except OverflowError as error:
        return _TOO_LARGE.format(error)


def nodes_between(first: Node | None, last: Node, graph: Graph) -> list[Node]:
    """The nodes after `first` (None: from the start) and before `last`."""
    nodes = []
    node = first.next if first is not None else next(iter(graph.nodes))
    while node is not None and node is not last:
        nodes.append(node)
        node = node.next
    return nodes


def _take_over(old: Value, new: Value, rule: Rule) -> None:
    """Give `new` the identity of the value it replaces, and what is known of its shape."""
    if not compatible(old.type, new.type) or _stored_as(old.type) != _stored_as(new.type):
        raise InternalError(
            f"rule '{rule}' must keep the type of {old.name!r}: {old.type} {old.quant or ''} "
            f"became {new.type} {new.quant or ''}"
        )
    new.type = _refined(new.type, old.type)
    fresh = not new.name and not new.uses
    if fresh or (old.is_output and new.producer is not None and not new.is_output):
        new.name, new.source = old.name, old.source
        new.extras = {**old.extras, **new.extras}


def _stored_as(type_: TensorType) -> object:
    return type_.quant if type_.dtype.is_integer else None


def _refined(type_: TensorType, known: TensorType) -> TensorType:
    """The type with dimensions that only `known` has as integers filled in."""
    if type_.shape is None or known.shape is None:
        return replace(type_, shape=type_.shape if known.shape is None else known.shape)
    return type_.with_shape([_sharper(a, b) for a, b in zip(type_.shape, known.shape, strict=True)])


def _sharper(dim: Dim, known: Dim) -> Dim:
    return known if isinstance(known, int) else dim
