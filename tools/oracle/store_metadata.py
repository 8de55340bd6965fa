"""Ask TensorFlow Lite Support what it reads in a file whose metadata Edgewise wrote.

    uv venv --python 3.11 SUPPORT && uv pip install --python SUPPORT tflite-support 'numpy<2'
    python tools/oracle/store_metadata.py --support-python SUPPORT/bin/python

Writes `tests/metadata/displayed.json`, which `tests/metadata/test_metadata.py` compares with.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.metadata.example import everything  # noqa: E402

_DISPLAY = """\
import json, sys
from importlib.metadata import version
from tflite_support import metadata
shown = metadata.MetadataDisplayer.with_model_file(sys.argv[1])
files = {n: shown.get_associated_file_buffer(n).decode() for n in sorted(
    shown.get_packed_associated_file_list())}
print(json.dumps({"versions": {"tflite-support": version("tflite-support")},
                  "displayed": shown.get_metadata_json(), "files": files}))
"""


def main() -> None:
    """Write the file, ask, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--support-python", required=True)
    options = parser.parse_args()
    data = everything().to_bytes()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "everything.tflite"
        file.write_bytes(data)
        command = [options.support_python, "-c", _DISPLAY, str(file)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    answer = {"sha256": sha256(data).hexdigest(), **json.loads(said)}
    path = ROOT / "tests" / "metadata" / "displayed.json"
    path.write_text(json.dumps(answer, indent=1, ensure_ascii=False) + "\n")
    print(f"{path}: {len(answer['displayed'])} characters")


if __name__ == "__main__":
    main()
