"""`edgewise inspect`: what is in a model, as tables or JSON."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from edgewise.cli.screen import console, count_text, size_text
from edgewise.format import load
from edgewise.ir.model import Model
from edgewise.ir.report import Report, TensorRow, describe


@click.command("inspect")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--tensors", is_flag=True, help="Also list every tensor an operator reads.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def command(model: Path, tensors: bool, as_json: bool) -> None:
    """Show what is in a .tflite file.

    Operators in order with result, work (multiply-accumulates) and constants; totals, memory,
    signatures, metadata.

    \b
    Examples:
      edgewise inspect model.tflite
      edgewise inspect model.tflite --tensors
      edgewise inspect model.tflite --json | jq .graphs
    """
    loaded = load(model)
    reports = {name: describe(graph) for name, graph in loaded.graphs.items()}
    if as_json:
        click.echo(json.dumps(_plain(loaded, model, reports), indent=2))
        return
    console.print(
        f"[bold]{escape(str(model))}[/bold]  {size_text(model.stat().st_size)}"
        + (f"  {escape(loaded.description)}" if loaded.description else "")
    )
    for name, report in reports.items():
        _print_graph(name, report, tensors)
    for s in loaded.signatures:
        ins, outs = ", ".join(s.inputs), ", ".join(s.outputs)
        console.print(f"signature {escape(s.key)}: {escape(ins)} -> {escape(outs)}")
    for key, data in loaded.metadata.items():
        console.print(f"metadata {escape(key)}: {size_text(len(data))}")


def _print_graph(name: str, report: Report, tensors: bool) -> None:
    for what, rows in (("input", report.inputs), ("output", report.outputs)):
        for row in rows:
            console.print(f"{what} {_tensor(row)}")
    table = Table(title=f"subgraph {escape(name)}", title_justify="left", box=None, pad_edge=False)
    table.add_column("#", justify="right", style="dim")
    table.add_column("operator", style="bold", no_wrap=True)
    table.add_column("result", no_wrap=True)
    table.add_column("MACs", justify="right", no_wrap=True)
    table.add_column("constants", justify="right", no_wrap=True)
    table.add_column("quantization" if not tensors else "reads", no_wrap=True)
    for op in report.ops:
        result = op.outputs[0] if op.outputs else None
        table.add_row(
            str(op.index),
            op.op,
            "" if result is None else escape(f"{result.dtype}{result.shape}".replace(" ", "")),
            "?" if op.macs is None else count_text(op.macs) if op.macs else "",
            size_text(op.constant_bytes) if op.constant_bytes else "",
            "\n".join(_tensor(t) for t in op.inputs)
            if tensors
            else ""
            if result is None
            else result.quantization,
        )
    console.print(table)
    peak = report.peak_activation_bytes
    console.print(
        f"{len(report.ops)} operators, "
        f"{'unknown' if report.macs is None else count_text(report.macs)} MACs, "
        f"constants {size_text(report.constant_bytes)}, "
        f"activations at the peak {'unknown' if peak is None else size_text(peak)}"
    )


def _tensor(row: TensorRow) -> str:
    text = f"{row.name} {row.dtype}{row.shape}".replace(", ", ",")
    return escape(text) + (f"  {row.quantization}" if row.quantization else "")


def _plain(model: Model, path: Path, reports: dict[str, Report]) -> dict[str, object]:
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "description": model.description,
        "graphs": {name: report.as_json() for name, report in reports.items()},
        "signatures": [
            {"key": s.key, "graph": s.graph, "inputs": list(s.inputs), "outputs": list(s.outputs)}
            for s in model.signatures
        ],
        "metadata": {key: len(data) for key, data in model.metadata.items()},
    }
