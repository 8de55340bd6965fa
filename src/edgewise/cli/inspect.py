"""`edgewise inspect`: what is in a model, as tables or JSON."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import click

from edgewise.cli.operators import ops_option
from edgewise.cli.placement import show_placement
from edgewise.cli.screen import console, count_text, say, size_text, table
from edgewise.cli.visible import visible
from edgewise.format import load
from edgewise.ir.model import Model
from edgewise.ir.report import OpRow, Report, describe


@click.command("inspect")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--tensors", is_flag=True, help="Also list every tensor an operator reads or writes.")
@click.option("--placement", is_flag=True, help="Show where every operator runs here, and why.")
@ops_option()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def command(model: Path, tensors: bool, placement: bool, as_json: bool) -> None:
    """Show what is in a .tflite file.

    Operators in order with result, work (multiply-accumulates) and constants; totals, memory,
    signatures, metadata. Work and memory of a model with unknown dimensions are those at size 1.
    With --placement: the kernel of every operator on this machine, what it is fused with or why it
    runs in Python, and the memory of the plan.

    \b
    Examples:
      edgewise inspect model.tflite
      edgewise inspect model.tflite --tensors
      edgewise inspect model.tflite --placement
      edgewise inspect model.tflite --json
    """
    loaded = load(model)
    if placement:
        show_placement(loaded, model, as_json)
        return
    reports = {name: describe(graph) for name, graph in loaded.graphs.items()}
    if as_json:
        click.echo(json.dumps(_plain(loaded, model, reports), indent=2))
        return
    facts = [size_text(model.stat().st_size), loaded.description]
    say("  ".join(fact for fact in facts if fact), title=str(model))
    for name, report in reports.items():
        say()
        _print_graph(name, report, tensors)
    if loaded.signatures or loaded.metadata:
        say()
    for s in loaded.signatures:
        ins, outs = ", ".join(s.inputs), ", ".join(s.outputs)
        on = "" if len(reports) == 1 else f" (subgraph {s.graph})"
        say(f"signature {s.key}: {ins} -> {outs}{on}")
    for key, data in loaded.metadata.items():
        say(f"metadata {key}: {size_text(len(data))}")


def _print_graph(name: str, report: Report, tensors: bool) -> None:
    say(title=f"subgraph {name}")
    ends = [("input", row) for row in report.inputs] + [("output", row) for row in report.outputs]
    rows = [(what, row.type, row.quantization, row.name) for what, row in ends]
    for line in table(("", "", "", ""), rows)[1:]:
        say(line)
    say()
    head, *lines = table(
        ("#", "operator", "MACs", "constants", "result", "quantization"),
        [_cells(op) for op in report.ops],
        right=(0, 2, 3),
    )
    say(title=head)
    for op, line in zip(report.ops, lines, strict=True):
        console.print(line)
        for what, row in [("reads ", r) for r in op.inputs] + [("writes", r) for r in op.outputs]:
            if tensors:
                say(f"      {what} {row.type} {row.name}  {row.quantization}".rstrip())
    say()
    kinds = Counter(op.op for op in report.ops).most_common()
    say(", ".join(f"{count} {kind}" for kind, count in kinds))
    macs, peak = report.macs, report.peak_activation_bytes
    say(
        f"{len(report.ops)} operator{'s'[: len(report.ops) != 1]}, "
        f"{'unknown' if macs is None else count_text(macs)} MACs, "
        f"constants {size_text(report.constant_bytes)}, "
        f"activations at the peak {'unknown' if peak is None else size_text(peak)}"
        + (" (unknown dimensions as 1)" if report.assumes_ones else "")
    )


def _cells(op: OpRow) -> tuple[str, ...]:
    result = op.outputs[0] if op.outputs else None
    return (
        str(op.index),
        op.op,
        "?" if op.macs is None else count_text(op.macs) if op.macs else "",
        size_text(op.constant_bytes) if op.constant_bytes else "",
        "" if result is None else result.type,
        "" if result is None else result.quantization,
    )


def _plain(model: Model, path: Path, reports: dict[str, Report]) -> dict[str, object]:
    return {
        "file": visible(str(path)),
        "bytes": path.stat().st_size,
        "description": model.description,
        "graphs": {name: report.as_json() for name, report in reports.items()},
        "signatures": [
            {"key": s.key, "graph": s.graph, "inputs": list(s.inputs), "outputs": list(s.outputs)}
            for s in model.signatures
        ],
        "metadata": {key: len(data) for key, data in model.metadata.items()},
    }
