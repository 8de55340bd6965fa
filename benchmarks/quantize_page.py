"""docs/quantization_table.md: what each recipe costs, of what `benchmarks/quantize.py` measured.

python benchmarks/quantize_page.py            write the page
python benchmarks/quantize_page.py --check    fail if the page is stale
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "quantization_table.md"
KEPT = ROOT / "docs" / "quantization_table.json"
HEAD = """# What each recipe costs

Measured by `benchmarks/quantize.py`, which tells how, {dates}, with 100 calibration samples and
other ones for the test; [its JSON](quantization_table.json) has the date of every line. *points* is
the difference of top-1 from float's on the same samples, in brackets the 95 % interval that
McNemar's test does not reject; *agree* the share of samples with the class of the float model; *KL*
the mean divergence of the softmax from the float model's; *ms* an inference on one thread, of which
a tenth are faster (the machine had other work: compare within a row). *in litert* is our file in
LiteRT, *aeq* AI Edge Quantizer's and *tensorflow* TensorFlow's, both in LiteRT. `@1024`: weights
from so many elements on, as TensorFlow's converter does; `+`: techniques other than `compensate`,
of static recipes `correct_biases`, and with int8 data `finer_steps` and `shift_channels`, which a
recipe alone does with its samples (`+none`: none at all); peers have none.
A peer is bold where ours is worse by more than the 95 % interval of the difference on the same
samples; what is worse stands behind.

{summary}
{glance}"""
NAMES = {
    "mnist_valid": "MNIST, two convolutions",
    "mnist_dw": "MNIST, depthwise",
    "trained_lstm": "MNIST, LSTM",
    "kws": "keyword spotting (DS-CNN of MLPerf Tiny)",
    "resnet8": "ResNet8, CIFAR-10",
    "mbnet128": "MobileNetV1 0.25, ImageNet at 128 pixels",
    "mobilenet_v1": "MobileNetV1 0.25, ImageNet at 224 pixels",
    "mobilenet_v2_probe": "MobileNetV2 features and a probe, cats and dogs",
    "efficientnet_lite0": "EfficientNet-Lite0, ImageNet",
}
GLANCE = (  # recipes of the first table
    "dynamic_wi8_afp32",
    "static_wi8_ai8",
    "static_wi8_ai16",
    "weight_only_wi4_afp32",
    "static_wi4_ai8",
    "static_wi8_ai8+none",
)
Row = dict[str, Any]  # as JSON has it


def render() -> str:
    """The page: a section for each model, a line for each recipe and who made or ran it."""
    rows: list[Row] = json.loads(KEPT.read_text())
    days = sorted({row["date"] for row in rows})
    dates = f"on {days[0]}" if len(days) == 1 else f"from {days[0]} to {days[-1]}"
    parts = [HEAD.format(dates=dates, summary=summary(rows), glance=glance(rows))]
    for model, own in groupby(rows, key=lambda row: row["model"]):
        lines = list(own)
        title = f"{NAMES.get(model, model)} (`--model {model}`)"
        parts.append(f"\n## {title}: {lines[0]['samples']} samples\n\n")
        parts.append("| recipe | by | kB | top-1 | points | agree | KL | ms | ours is behind |\n")
        parts.append("|---|---|---|---|---|---|---|---|---|\n")
        for _, of_recipe in groupby(lines, key=lambda row: row["recipe"]):
            parts += [_line(row, is_first=place == 0) for place, row in enumerate(of_recipe)]
    return "".join(parts)


def summary(rows: list[Row]) -> str:
    """How often ours is behind a peer, and where."""
    against = [r for r in rows if r["by"] in ("aeq", "tensorflow") and "refusal" not in r]
    worse = [r for r in against if r["behind"]]
    said = f"Of {len(against)} comparisons with a peer ours is behind in {len(worse)}"
    lines = [f"- {r['model']}, `{r['recipe']}`, {r['by']}: {r['behind']}\n" for r in worse]
    return f"{said}{':' if worse else '.'}\n\n{''.join(lines)}"


def glance(rows: list[Row]) -> str:
    """Our files of a few recipes: kB, points of top-1 against float, and KL."""
    ours = {(r["model"], r["recipe"]): r for r in rows if r["by"] == "edgewise"}
    lines = [
        "\n## At a glance\n\nkB, points of top-1 against float, KL.\n\n",
        f"| model | float | {' | '.join(f'`{name}`' for name in GLANCE)} |\n",
        f"|---|---|{'---|' * len(GLANCE)}\n",
    ]
    for model in dict.fromkeys(row["model"] for row in rows):
        known = [ours.get((model, recipe)) for recipe in GLANCE]
        cells = [
            "" if r is None or "refusal" in r else f"{_kb(r)}, {_points(r)}, {r['kl']:.1e}"
            for r in known
        ]
        whole = ours[model, "float32"]
        first = f"{_kb(whole)}, {whole['top1']:.1f} %"
        lines.append(f"| {NAMES.get(model, model)} | {first} | {' | '.join(cells)} |\n")
    return "".join(lines)


def _kb(row: Row) -> str:
    return f"{row['bytes'] / 1000:.{0 if row['bytes'] >= 100_000 else 1}f}"


def _points(row: Row) -> str:
    return f"{row['difference'][0]:+.1f}"


def _line(row: Row, *, is_first: bool) -> str:
    first = f"`{row['recipe']}`" if is_first else ""
    if "refusal" in row:
        said = " ".join(row["refusal"].split()).replace("|", "\\|")
        return f"| {first} | {row['by']} | | | | | | | not done: {said} |\n"
    _, low, high = row["difference"]
    cells = (
        first,
        f"**{row['by']}**" if row["behind"] else row["by"],
        _kb(row),
        f"{row['top1']:.1f}",
        f"{_points(row)} [{low:.1f}, {high:.1f}]",
        f"{row['agree']:.1f}",
        f"{row['kl']:.1e}",
        f"{row['ms']:.3g}",
        row["behind"],
    )
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    """As the module's docstring says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        PAGE.write_text(render())
    elif PAGE.read_text() != render():
        sys.exit("docs/quantization_table.md is stale: run benchmarks/quantize_page.py")


if __name__ == "__main__":
    main()
