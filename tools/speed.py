"""docs/speed.md: how fast the networks of `benchmarks/table.py` are, ours beside the others'.

python tools/speed.py --keep TABLE.json ... --isa NAME --machine "..."
                                    what benchmarks/table.py wrote, in place of that machine's
python tools/speed.py               write the page
python tools/speed.py --check       fail if the page is stale
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "speed.md"
KEPT = ROOT / "docs" / "speed.json"
KINDS = {
    "f32": "float32",
    "int8": "int8",
    "dr": "Dynamic range: int8 weights, float32 activations",
    "i16x8": "16x8: int16 activations, int8 weights",
}
NAMES = {"litert": "LiteRT", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}

PREFACE = """# Speed

One thread, one inference, milliseconds; in brackets how many times ours another runtime takes
(above 1: ours is faster; below 1 it is slower). Every row is one run in which the runtimes take
turns, each in a process of its own (`edgewise benchmark MODEL --vs ...` does the same for yours).
The networks have random weights at the published sizes; OpenVINO reads the same `.tflite`, ONNX
Runtime the same network as `.onnx`. "-": the runtime does not run the file.

Processors differ in what they multiply fast: with AVX2, 8 bits have twice the rate of float32; with
VNNI four times; with AMX 32 times, which the other runtimes use, too.

The page is made by `tools/speed.py` from what

    python benchmarks/table.py FOLDER --vs litert,onnxruntime,openvino --python PATH --json FILE

measured.
"""


def keep(paths: list[Path], isa: str, machine: str) -> None:
    """Medians of the files, and where they were measured: a machine per instruction set."""
    medians: dict[str, dict[str, float]] = {}
    versions: dict[str, str] = {}
    for path in paths:
        for row in json.loads(path.read_text()).values():
            found = {n: m for n, m in row.items() if isinstance(m, dict) and m.get("median_ms")}
            if "edgewise" not in found:
                continue
            medians[row["model"]] = {n: round(m["median_ms"], 4) for n, m in found.items()}
            versions |= {n: m["version"] for n, m in found.items()}
    kept = json.loads(KEPT.read_text())
    kept[isa] = {"machine": machine, "versions": versions, "median_ms": medians}
    KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


def table(kind: str, rows: dict[str, dict[str, float]]) -> str:
    """The networks of one kind."""
    others = [name for name in NAMES if any(name in row for row in rows.values())]
    lines = [
        f"### {KINDS[kind]}",
        "",
        f"| network | Edgewise | {' | '.join(NAMES[name] for name in others)} |",
        f"|---|---:|{'---:|' * len(others)}",
    ]
    for network, row in sorted(rows.items()):
        ours = row["edgewise"]
        cells = [f"{_ms(row[n])} ({row[n] / ours:.2f})" if n in row else "-" for n in others]
        lines.append(f"| {network} | {_ms(ours)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _ms(milliseconds: float) -> str:
    """Three digits."""
    return f"{milliseconds:#.3g}" if milliseconds < 100 else f"{milliseconds:.0f}"


def render() -> str:
    """The page: machines in the order of their instruction sets' names."""
    parts = [PREFACE]
    kept: dict[str, Any] = json.loads(KEPT.read_text())
    for isa, found in sorted(kept.items()):
        versions = ", ".join(f"{NAMES[n]} {v}" for n, v in found["versions"].items() if n in NAMES)
        parts.append(f"## {isa}\n\n{found['machine']};\n{versions}.\n")
        for kind in KINDS:
            suffix = f"/{kind}.tflite"
            rows = {n: row for n, row in found["median_ms"].items() if n.endswith(suffix)}
            if rows:
                parts.append(
                    table(kind, {n.removesuffix(suffix): r for n, r in rows.items()}) + "\n"
                )
    return "\n".join(parts)


def main() -> None:
    """As the module's docstring says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", nargs="+", type=Path)
    parser.add_argument("--isa", default="")
    parser.add_argument("--machine", default="")
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args()
    if chosen.keep:
        keep(chosen.keep, chosen.isa, chosen.machine)
    if chosen.check:
        if PAGE.read_text() != render():
            sys.exit("docs/speed.md is stale: run tools/speed.py")
    else:
        PAGE.write_text(render())


if __name__ == "__main__":
    main()
