"""docs/models.md: every model file of `../shared/data`, run here and compared with LiteRT.

    python tools/models.py --judge       run all of them, keep what was found in docs/models.json
    python tools/models.py               write the page
    python tools/models.py --check       fail if the page is stale

LiteRT's answers (both resolvers, each model in a worker process) are stored: see
`tools/oracle/store.py`. The rules are those of `tests/models/verdict.py`, the causes of what does
not agree those of `tests/models/causes.py`; `tests/models/test_shared_tflite.py` judges every file
again and fails where the page says something else.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.models.causes import CAUSES  # noqa: E402
from tests.models.verdict import judge  # noqa: E402
from tests.oracle import answers  # noqa: E402
from tests.oracle.inputs import DATA  # noqa: E402

PAGE = ROOT / "docs" / "models.md"
KEPT = ROOT / "docs" / "models.json"

PREFACE = """# Models of others

Every model file of the shared data, run by the kernels and compared with LiteRT {litert}. Made by
`tools/models.py`; a test runs all of them again and fails where a file has another verdict than
this page says.

- **agree**: floats within 3e-4 of the output range; of models with integer activations, every
  operator that is stored (each kind, up to 320 KB) gives LiteRT's bits on LiteRT's operands, or is
  within one step where [numerics](numerics.md) has measured that LiteRT's two resolvers differ;
  models with integer weights and float activations are, over many inputs, no further from float
  arithmetic than LiteRT is, but for chance.
- **differ**: they do not, and the cause is written down.
- **unsupported**: it has operators that cannot run here; each is named: TensorFlow's own (Flex),
  those that only a vendor's compiler knows, and custom ones of LiteRT's tests, which no kernel in
  LiteRT runs either (`edgewise.register_op` takes them).
- **refused**: the file is not well formed; what is wrong is said. LiteRT runs none of these.

"Against" says who gave the answer: `litert` (default kernels), `litert-ref` (only its reference
kernels run the file), `micro` (only TensorFlow Lite Micro does), `reference` (none of them does).
"""


@dataclass(frozen=True)
class Row:
    """What was found of one file."""

    file: str
    kind: str
    oracle: str
    result: str
    note: str


def main() -> None:
    """What the arguments say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--judge", action="store_true", help="run the models anew")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--check", action="store_true", help="fail if the page is stale")
    chosen = parser.parse_args()
    if chosen.check:
        sys.exit(PAGE.read_text() != render())
    if chosen.judge:
        _judge(chosen.data)
    PAGE.write_text(render())


def _judge(data: Path) -> None:
    rows = []
    for answer in answers.load().values():
        found = judge(answer, data)
        rows.append(Row(found.file, found.kind, found.oracle, found.result, found.note))
        print(found.line, flush=True)
    text = ",\n".join(json.dumps(asdict(row)) for row in rows)
    new = KEPT.with_suffix(".new")
    new.write_text(f"[\n{text}\n]\n")
    new.replace(KEPT)


@cache
def kept() -> dict[str, Row]:
    """What was found, by file."""
    rows = [Row(**fields) for fields in json.loads(KEPT.read_text())]
    return {row.file: row for row in rows}


def render() -> str:
    """The page."""
    rows = list(kept().values())
    versions = json.loads((answers.FOLDER / "index.json").read_text())["versions"]["litert"]
    lines = [PREFACE.format(litert=versions["ai-edge-litert"]), *_summary(rows)]
    for folder in dict.fromkeys(_folder(row) for row in rows):
        lines += ["", f"## {folder}", "", "| file | kind | against | result | found |"]
        lines.append("|---|---|---|---|---|")
        lines += [_line(row) for row in rows if _folder(row) == folder]
    return "\n".join(lines) + "\n"


def _summary(rows: list[Row]) -> list[str]:
    names = ("agree", "differ", "unsupported", "refused")
    lines = [f"| files of | {' | '.join(names)} |", "|---|---:|---:|---:|---:|"]
    counts = Counter((_folder(row), row.result) for row in rows)
    lines += [
        f"| {folder} | {' | '.join(str(counts[folder, n]) for n in names)} |"
        for folder in dict.fromkeys(_folder(row) for row in rows)
    ]
    total = Counter(row.result for row in rows)
    lines.append(f"| all {len(rows)} | {' | '.join(str(total[n]) for n in names)} |")
    return lines


def _folder(row: Row) -> str:
    return "/".join(Path(row.file).parts[:2])


def _line(row: Row) -> str:
    name = Path(*Path(row.file).parts[2:]).as_posix()
    cause = CAUSES.get(Path(row.file).name)
    found = "; ".join(text for text in (cause[1] if cause else "", row.note) if text)
    cells = (name, row.kind, row.oracle, row.result, found.replace("|", "\\|"))
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
