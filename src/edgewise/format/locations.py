"""Where operators come from, kept in the file: layer, source file and line of each.

A metadata entry `edgewise_locations` (JSON, deflated) has a list for every subgraph; LiteRT ignores
entries that it does not know. It is written where a file and line are known: names of tensors tell
the layer anyhow. A reader that finds other operators than were written (another tool changed the
file) leaves it out with a notice.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence

from edgewise.ir.graph import Graph, Location
from edgewise.log import log

ENTRY = "edgewise_locations"
MAX_BYTES = 64 << 20  # of the JSON, unpacked


def write_locations(graphs: Sequence[Graph]) -> bytes | None:
    """The entry for these graphs; None where no node has a file."""
    nodes = [node for graph in graphs for node in graph.nodes]
    if not any(node.location is not None and node.location.file for node in nodes):
        return None
    lists = [
        [
            None if (at := node.location) is None else [at.layer, at.file, at.line, *at.fused]
            for node in graph.nodes
        ]
        for graph in graphs
    ]
    text = json.dumps({"operators": _checksum(graphs), "locations": lists}, separators=(",", ":"))
    return zlib.compress(text.encode(), 9)


def read_locations(entry: bytes, graphs: Sequence[Graph], file: str) -> None:
    """Give the nodes of the graphs their locations."""
    try:
        lists = _lists(entry, graphs)
    except (zlib.error, ValueError, TypeError, LookupError, RecursionError) as problem:
        log().warning("%s: source locations are left out: %s", file, problem)
        return
    for graph, locations in zip(graphs, lists, strict=True):
        for node, location in zip(graph.nodes, locations, strict=True):
            node.location = location


def _lists(entry: bytes, graphs: Sequence[Graph]) -> list[list[Location | None]]:
    """The locations by graph. Raises ValueError and what malformed JSON makes Python raise."""
    unpacked = zlib.decompressobj()
    text = unpacked.decompress(entry, MAX_BYTES)
    if unpacked.unconsumed_tail:
        raise ValueError(f"they take more than {MAX_BYTES} bytes")
    found = json.loads(text)
    if found["operators"] != _checksum(graphs):
        raise ValueError("the operators are others than those that were written")
    lists = [[_location(item) for item in items] for items in found["locations"]]
    if [len(items) for items in lists] != [len(graph) for graph in graphs]:
        raise ValueError("there are not as many as operators")
    return lists


def _location(item: object) -> Location | None:
    if item is None:
        return None
    if not isinstance(item, list):
        raise TypeError(f"a location is a list; got {item!r}")
    layer, file, line, *fused = item
    texts = (layer, file, *fused)
    if not all(isinstance(text, str) for text in texts) or not isinstance(line, int):
        raise TypeError(f"a location is texts and a line; got {item!r}")
    return Location(layer, file, line, tuple(fused))


def _checksum(graphs: Sequence[Graph]) -> int:
    """Of the operators in order: a file that another tool changed has another one."""
    names = "\n".join(node.op.name for graph in graphs for node in graph.nodes)
    return zlib.crc32(names.encode("utf-8", "surrogateescape"))
