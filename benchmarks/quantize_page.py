"""The table of `benchmarks/quantize.py` as a page of the documentation: rows in, Markdown out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HEAD = """# What each recipe costs

Made by `benchmarks/quantize.py`, which tells how, with 100 calibration samples and other ones for
the test; its JSON stands beside this page. *points* is the difference of top-1 from float's on the
same samples, in brackets the 95 % interval that McNemar's test does not reject; *agree* the share
of samples with the class of the float model; *KL* the mean divergence of the softmax from the float
model's; *ms* an inference on one thread, of which a tenth are faster (the machine had other work:
compare within a row). *litert* is our file in LiteRT, *aeq* AI Edge Quantizer's and *tensorflow*
TensorFlow's, both in LiteRT. A peer is bold where ours is worse by more than the 95 % interval of
the difference on the same samples; what is worse stands behind.
"""
Row = dict[str, Any]  # as JSON has it


def page(rows: Sequence[Row], models: Sequence[str], recipes: Sequence[str]) -> str:
    """A section for each model, in this order, a line for each recipe and who made or ran it."""
    parts = [HEAD]
    for model in models:
        own = [row for row in rows if row["model"] == model]
        if not own:
            continue
        parts.append(f"\n## {model}, {own[0]['samples']} samples\n\n")
        parts.append("| recipe | by | kB | top-1 | points | agree | KL | ms | ours is behind |\n")
        parts.append("|---|---|---|---|---|---|---|---|---|\n")
        known = [*recipes, *(r["recipe"] for r in own if r["recipe"] not in recipes)]
        for recipe in dict.fromkeys(known):
            lines = [row for row in own if row["recipe"] == recipe]
            parts += [_line(row, is_first=place == 0) for place, row in enumerate(lines)]
    return "".join(parts)


def _line(row: Row, *, is_first: bool) -> str:
    points, low, high = row["difference"]
    cells = (
        f"`{row['recipe']}`" if is_first else "",
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
