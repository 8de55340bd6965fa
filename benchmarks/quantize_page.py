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
a tenth are faster (the machine had other work: compare within a row). *litert* is our file in
LiteRT, *aeq* AI Edge Quantizer's and *tensorflow* TensorFlow's, both in LiteRT. `@1024`: weights
from so many elements on, as TensorFlow's converter does; `+`: techniques, of which peers have none.
A peer is bold where ours is worse by more than the 95 % interval of the difference on the same
samples; what is worse stands behind.

{summary}
"""
Row = dict[str, Any]  # as JSON has it


def render() -> str:
    """The page: a section for each model, a line for each recipe and who made or ran it."""
    rows: list[Row] = json.loads(KEPT.read_text())
    days = sorted({row["date"] for row in rows})
    dates = f"on {days[0]}" if len(days) == 1 else f"from {days[0]} to {days[-1]}"
    parts = [HEAD.format(dates=dates, summary=summary(rows))]
    for model, own in groupby(rows, key=lambda row: row["model"]):
        lines = list(own)
        parts.append(f"\n## {model}, {lines[0]['samples']} samples\n\n")
        parts.append("| recipe | by | kB | top-1 | points | agree | KL | ms | ours is behind |\n")
        parts.append("|---|---|---|---|---|---|---|---|---|\n")
        for _, of_recipe in groupby(lines, key=lambda row: row["recipe"]):
            parts += [_line(row, is_first=place == 0) for place, row in enumerate(of_recipe)]
    return "".join(parts)


def summary(rows: list[Row]) -> str:
    """How often ours is behind a peer, and where."""
    against = [r for r in rows if r["by"] in ("aeq", "tensorflow") and "refusal" not in r]
    worse = [f"{r['model']} `{r['recipe']}` ({r['by']})" for r in against if r["behind"]]
    said = f"Of {len(against)} comparisons with a peer ours is behind in {len(worse)}"
    return f"{said}: {', '.join(worse)}." if worse else f"{said}."


def _line(row: Row, *, is_first: bool) -> str:
    first = f"`{row['recipe']}`" if is_first else ""
    if "refusal" in row:
        said = " ".join(row["refusal"].split()).replace("|", "\\|")
        return f"| {first} | {row['by']} | | | | | | | not done: {said} |\n"
    points, low, high = row["difference"]
    cells = (
        first,
        f"**{row['by']}**" if row["behind"] else row["by"],
        f"{row['bytes'] / 1000:.0f}",
        f"{row['top1']:.1f}",
        f"{points:+.1f} [{low:.1f}, {high:.1f}]",
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
