"""What calibration finds out: between which numbers each value of a model lies.

`Ranges` is a value: it goes to a JSON file and comes back, may be edited by hand, and `quantize`
needs nothing else of the data::

    {"main": {"conv1": [0.0, 6.0], "logits": [-12.5, 17.25]}}
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from edgewise.errors import FormatError, QuantizationError
from edgewise.files import write_atomically
from edgewise.ir.graph import Node
from edgewise.values import dataclass

_MOST_BYTES = 1 << 28  # a range takes 50; a file of five million values is no longer read


@dataclass(frozen=True, slots=True)
class Range:
    """Real numbers from `low` to `high`, both finite."""

    low: float
    high: float

    def union(self, other: Range) -> Range:
        """The smallest range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))

    def holds(self, other: Range) -> bool:
        """The other lies within this one."""
        return self.low <= other.low and other.high <= self.high


def inside_name(node: Node, key: str) -> str:
    """Under which name `Ranges` has a value inside of an operator (`Op.inside`)."""
    return f"{node.output.name}:{key}"


class Ranges(Mapping[str, Mapping[str, Range]]):
    """By graph name and value name (those of `prepare(model)`) the range; immutable.

    Raises:
        QuantizationError: ends that are not finite, or in the wrong order; all are listed.
    """

    def __init__(self, graphs: Mapping[str, Mapping[str, Range]]) -> None:
        self._graphs = {graph: dict(ranges) for graph, ranges in graphs.items()}
        problems = [
            f"@{graph} {name!r}: [{r.low}, {r.high}]"
            for graph, ranges in self._graphs.items()
            for name, r in ranges.items()
            if not (math.isfinite(r.low) and math.isfinite(r.high) and r.low <= r.high)
        ]
        if problems:
            shown = "; ".join(problems[:10])
            raise QuantizationError(
                f"a range needs finite ends, the lower one first; got {len(problems)} others: "
                f"{shown}. Look for NaN and infinities in the samples and the model"
            )

    def __getitem__(self, graph: str) -> Mapping[str, Range]:
        return self._graphs[graph]

    def __iter__(self) -> Iterator[str]:
        return iter(self._graphs)

    def __len__(self) -> int:
        return len(self._graphs)

    def __repr__(self) -> str:
        return f"Ranges({sum(map(len, self._graphs.values()))} values)"

    def union(self, other: Ranges) -> Ranges:
        """Of every value the range that holds both."""
        merged = {graph: dict(ranges) for graph, ranges in self._graphs.items()}
        for graph, ranges in other._graphs.items():
            known = merged.setdefault(graph, {})
            for name, range_ in ranges.items():
                known[name] = known[name].union(range_) if name in known else range_
        return Ranges(merged)

    def to_json(self) -> str:
        """Text that `from_json` reads; numbers come back as they were."""
        data = {
            graph: {name: [r.low, r.high] for name, r in ranges.items()}
            for graph, ranges in self._graphs.items()
        }
        return json.dumps(data, indent=1)

    @classmethod
    def from_json(cls, text: str, *, file: str = "ranges") -> Ranges:
        """The ranges in a text of `to_json`. Raises FormatError, QuantizationError."""
        try:
            data = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise FormatError(f"is not JSON: {error}", file=file) from error
        if not isinstance(data, dict) or not all(isinstance(v, dict) for v in data.values()):
            raise FormatError("must be an object of graphs, each an object of ranges", file=file)
        return cls(
            {
                graph: {name: _range(pair, name, file) for name, pair in ranges.items()}
                for graph, ranges in data.items()
            }
        )

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> int:
        """Write a JSON file; returns its bytes. Raises OutputError."""
        return write_atomically(path, [self.to_json().encode()], overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ranges:
        """The ranges in a JSON file. Raises FormatError, QuantizationError."""
        file = Path(path)
        try:
            if file.stat().st_size > _MOST_BYTES:
                raise FormatError(f"is larger than {_MOST_BYTES} bytes", file=str(path))
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FormatError(f"cannot be read: {error}", file=str(path)) from error
        return cls.from_json(text, file=str(path))


def _range(pair: object, name: str, file: str) -> Range:
    if isinstance(pair, list) and len(pair) == 2:
        low, high = pair
        if all(isinstance(end, int | float) and not isinstance(end, bool) for end in pair):
            try:
                return Range(float(low), float(high))
            except OverflowError:
                pass
    raise FormatError(f"{name!r} must be a list of two numbers; got {str(pair)[:80]}", file=file)
