"""`.tflite` bytes to and from a Model: schema as data, FlatBuffer reader and writer.

`schema*` says what the tables are, `record` what they are in memory, `flatbuffer` decodes and
`build` encodes any of them, `container` does a whole file; `reader` and `writer` go between the
records of a file and a Model. Nothing outside this package sees FlatBuffer bytes.
"""

from typing import TYPE_CHECKING

from edgewise.lazy import names

if TYPE_CHECKING:
    from edgewise.format.reader import load
    from edgewise.format.writer import write

__all__ = ["load", "write"]
__getattr__ = names(__name__, {"load": "reader", "write": "writer"})
