"""The table of all models: Edgewise against LiteRT, ONNX Runtime and OpenVINO.

    python benchmarks/table.py FOLDER_OR_FILE ... --vs litert --python PATH [--threads 1]
        [--kind f32 --kind int8] [--rounds 5] [--seconds 0.3] [--json FILE]

Every `.tflite` below the folders (those named by `--kind`, where given) is measured as
`edgewise benchmark` does: one worker process per runtime, by turns. A cell is the median in
milliseconds and, in brackets, how many times ours that is; the last columns are the least bar that
is asked of us for LiteRT's time over ours, and whether the median reaches it. Files that a runtime
does not run say "-". `--python` names the interpreter that has the other runtimes; ONNX Runtime
reads `NAME.onnx` beside `NAME.tflite`. With `--json` finished rows are kept, so that an interrupted
run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgewise.measure.peers import compare, difference

# LiteRT 2.3's time over ours on one thread, at the least: (float32, int8, dynamic range, 16x8);
# on processors with AVX-512 and VNNI, where 8-bit products have four times float32's rate
BARS = {
    "mobilenet_v1": (1.03, 1.35, 3.5),
    "mobilenet_v2": (1.08, 1.75, 4.5, 40.0),
    "mobilenet_v3_small": (1.1, 7.0, 2.0),
    "mobilenet_v3_large": (1.08, 4.5, 2.5),
    "efficientnet_lite0": (1.1, 1.75, 5.0, 40.0),
    "efficientnet_b0": (1.1, 1.7, 3.0),
    "resnet50": (1.15, 1.12, 1.15),
    "ssd_mobilenet_v2": (1.1, 1.6, 4.5),
    "transformer": (1.0, 3.0, 1.1),
    "lstm_kws": (1.0, math.nan, 1.3),
    "tiny_resnet8": (1.1, 1.2, 1.2, 40.0),
    "tiny_vww": (1.3, 2.5, 2.0),
    "tiny_dscnn": (1.2, 2.0, 1.2),
    "tiny_ae": (1.0, 1.0, 1.0),
}


def models(paths: Sequence[Path], kinds: Sequence[str]) -> Iterator[Path]:
    """The files, in order."""
    for path in paths:
        found = sorted(path.rglob("*.tflite")) if path.is_dir() else [path]
        yield from (f for f in found if not kinds or f.stem in kinds)


def bar(model: Path) -> float:
    """What is asked for; NaN where nothing is."""
    bars = dict(zip(("f32", "int8", "dr", "i16x8"), BARS.get(model.parent.name, ()), strict=False))
    return bars.get(model.stem, math.nan)


def measure(model: Path, args: argparse.Namespace) -> dict[str, object]:
    """A row: median and least milliseconds per runtime, and how far apart the outputs are."""
    found = compare(
        model,
        args.vs,
        python=args.python,
        threads=args.threads,
        rounds=args.rounds,
        seconds=args.seconds,
    )
    row: dict[str, object] = {"model": "/".join(model.parts[-2:]), "bar": bar(model)}
    for m in found:
        row[m.runtime] = {**m.as_json(), "apart": difference(found[0], m)}
    return row


def line(row: dict[str, object], runtimes: Sequence[str]) -> str:
    """The row as Markdown."""
    cells, ratio = [], math.nan
    ours = row["edgewise"]
    assert isinstance(ours, dict)
    mine = ours.get("median_ms", math.nan)
    for name in runtimes:
        found = row[name]
        assert isinstance(found, dict)
        median = found.get("median_ms", math.nan)
        times = "" if name == "edgewise" else f" ({median / mine:.2f})"
        cells.append("-" if math.isnan(median) else f"{median:.3f}{times}")
        ratio = median / mine if name == "litert" else ratio
    least = row["bar"]
    assert isinstance(least, float)
    bar_text = "" if math.isnan(least) else f"{least:g}"
    verdict = "" if math.isnan(least) else "yes" if ratio >= least else "no"
    return f"| {row['model']} | {' | '.join(cells)} | {bar_text} | {verdict} |"


def main() -> None:
    """Print the table, a row when it is measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--vs", default=["litert"], type=lambda text: text.split(","))
    parser.add_argument("--python", help="an interpreter that has the other runtimes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kind", action="append", default=[], help="file name without suffix")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="per runtime and round")
    parser.add_argument("--json", type=Path, help="rows so far; finished ones are not repeated")
    args = parser.parse_args()
    done: dict[str, dict[str, object]] = {}
    if args.json is not None and args.json.exists():
        done = json.loads(args.json.read_text())
    runtimes = ["edgewise", *args.vs]
    heads = ["model", *(f"{name} ms" for name in runtimes), "bar", "reached"]
    sys.stdout.write(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n")
    for model in models(args.paths, args.kind):
        key = str(model)
        if key not in done:
            done[key] = measure(model, args)
        if args.json is not None:
            args.json.write_text(json.dumps(done, indent=1))
        sys.stdout.write(line(done[key], runtimes) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
