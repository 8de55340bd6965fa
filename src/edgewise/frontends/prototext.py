"""Protocol buffers as text (`.pbtxt`) -> their bytes, by the tables of `protobuf`.

    data = encoded(GraphDef, b'node { name: "x" op: "Placeholder" }', file="graph.pbtxt", enums={})
    graph = decode(GraphDef, data)

Fields that a class does not list are skipped, as they are in bytes. Depth is bounded; time and
memory are linear in the text, times the depth of the nesting. Malformed text gives a `FormatError`
with file and line, and nothing else.

**Source:** "Text Format Language Specification", protobuf.dev, 2025.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from functools import cache

from edgewise.errors import FormatError
from edgewise.frontends.protobuf import MAX_DEPTH, Field, Message
from edgewise.frontends.protobuf_fields import nested, text

_TOKEN = re.compile(
    rb"""(?P<blank>\s+|\#[^\n]*)|(?P<mark>[{}<>\[\]:;,])|(?P<word>[^\s{}<>\[\]:;,"'\#]+)"""
    rb"""|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
)
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")
_NAMED = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f",
          b"v": b"\v"}  # fmt: skip
_VARINT, _I64, _LENGTH, _, _, _I32 = range(6)
_CLOSING = {b"{": b"}", b"<": b">"}
_END = ("end", b"")


def encoded(
    cls: type[Message],
    data: bytes,
    *,
    file: str = "model",
    enums: Mapping[str, int],
    types: Mapping[str, type[Message]] | None = None,
) -> bytes:
    """The bytes of the message of class `cls` that `data` is the text of.

    `enums` are the numbers of named values, `types` the classes that a `google.protobuf.Any` may
    hold, by their full names. Raises FormatError, with the line.
    """
    return _Text(data, file, enums, types or {}).message(cls, b"")


class _Text:
    """The text being read: one token ahead."""

    def __init__(
        self, data: bytes, file: str, enums: Mapping[str, int], types: Mapping[str, type[Message]]
    ) -> None:
        self.data, self.file, self.enums, self.types = data, file, enums, types
        self.tables: dict[type[Message], dict[str, Field]] = {}
        self.at = self.depth = 0
        self.tokens = self._tokens()
        self.kind, self.token = next(self.tokens)

    def _tokens(self) -> Iterator[tuple[str, bytes]]:
        at = 0
        while at < len(self.data):
            found = _TOKEN.match(self.data, at)
            if found is None:
                self.at = at
                raise self.error("a string ends on its line")
            self.at, at = at, found.end()
            kind = found.lastgroup or ""
            if kind != "blank":
                yield kind, found.group()
        self.at = at
        while True:
            yield _END

    def take(self) -> bytes:
        """The token; the next one is read."""
        token = self.token
        self.kind, self.token = next(self.tokens)
        return token

    def skip(self, *marks: bytes) -> bool:
        """Whether the token was one of these; then it is taken."""
        if self.kind != "mark" or self.token not in marks:
            return False
        self.take()
        return True

    def message(self, cls: type[Message] | None, closing: bytes) -> bytes:
        """Bytes of the fields up to the mark `closing` (nothing: the end); of no class, nothing."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"messages are at most {MAX_DEPTH} deep")
        fields = {} if cls is None else self._fields(cls)
        out = bytearray()
        while not self._closed(closing):
            name = self._name()
            held = self.types.get(name.rpartition("/")[2])
            if held is not None and "type_url" in fields and self.skip(b"{"):
                parts = (("type_url", name.encode()), ("value", self.message(held, b"}")))
                for part, content in parts:
                    out += _delimited(fields[part], content)
                continue
            field = fields.get(name)
            has_colon = self.skip(b":")
            if has_colon and self.skip(b"["):
                while not self.skip(b"]"):
                    self._value(field, out)
                    self.skip(b",")
            elif has_colon or self.token in _CLOSING:
                self._value(field, out)
            else:
                raise self.error("after the name of a field stands ':', '{' or '<'")
            self.skip(b";", b",")
        self.depth -= 1
        return bytes(out)

    def _fields(self, cls: type[Message]) -> dict[str, Field]:
        if cls not in self.tables:
            self.tables[cls] = {field.name: field for _, field in cls._READS.values()}
        return self.tables[cls]

    def _name(self) -> str:
        """The name of a field, or of the type of an extension, which stands in brackets."""
        if self.skip(b"["):
            name = self.take().decode("utf-8", "replace")
            if not self.skip(b"]"):
                raise self.error("a name ends with ']'")
            return name
        if self.kind != "word":
            raise self.error("a field begins with its name")
        return self.take().decode("utf-8", "replace")

    def _closed(self, closing: bytes) -> bool:
        if closing:
            return self.skip(closing)
        return self.kind == "end"

    def _value(self, field: Field | None, out: bytearray) -> None:
        """Append one value, with its tag; of an unknown field, nothing."""
        if self.kind == "mark" and self.token in _CLOSING:
            closing = _CLOSING[self.take()]
            if field is None:
                self.message(None, closing)
                return
            inner = self.message(_class_of(field) or self._wrong(field, "a message"), closing)
            out += _delimited(field, inner)
        elif self.kind == "string":
            content = self._string()
            if field is None:
                return
            if (
                _LENGTH not in field.reads
                or _class_of(field) is not None
                or field.dtype is not None
            ):
                self._wrong(field, "a string")
            out += _delimited(field, content)
        elif self.kind == "word":
            word = self.take().decode("utf-8", "replace")
            if field is not None:
                out += self._number(field, word)
        else:
            raise self.error("a value is a number, a name, a string or a message")

    def _string(self) -> bytes:
        """The bytes of a string; strings that follow each other are one."""
        parts = []
        while self.kind == "string":
            parts.append(_ESCAPE.sub(_unescaped, self.take()[1:-1]))
        return b"".join(parts)

    def _number(self, field: Field, word: str) -> bytes:
        try:
            if _VARINT in field.reads:
                value = self._integer(word) & 0xFFFFFFFFFFFFFFFF
                return _varint(field.number << 3 | _VARINT) + _varint(value)
            for wire in (_I32, _I64):
                if wire in field.reads:
                    whole = field.convert.format.endswith(("I", "Q"))
                    number = self._integer(word) if whole else _real(word)
                    return _varint(field.number << 3 | wire) + bytes(field.convert.pack(number))
        except (ValueError, OverflowError, LookupError, struct.error):
            pass
        self._wrong(field, f"'{word[:40]}'")
        return b""

    def _integer(self, word: str) -> int:
        if word in ("true", "false"):
            return int(word == "true")
        if word in self.enums:
            return self.enums[word]
        digits = word.lstrip("+-")
        base = 8 if len(digits) > 1 and digits.isdigit() and digits[0] == "0" else 0
        return int(word, base)

    def _wrong(self, field: Field, found: str) -> type[Message]:
        raise self.error(f"{field.what} cannot be {found}")

    def error(self, rule: str) -> FormatError:
        """The error for the current line."""
        line = self.data.count(b"\n", 0, self.at) + 1
        return FormatError(f"line {line}: {rule}", file=self.file)


@cache
def _class_of(field: Field) -> type[Message] | None:
    """The class of a message field; of a map, that of its entries."""
    if not isinstance(field.default, dict):
        return None if field.cls is None else field.cls()
    value = text(2) if field.cls is None else nested(2, field.cls)
    return type("Entry", (Message,), {"key": text(1), "value": value})


def _real(word: str) -> float:
    return float(word[:-1] if word[-1] in "fF" and word[-2:-1].isdigit() else word)


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = found.group(1)
    if code[:1] in b"01234567":
        return bytes([int(code, 8) & 255])
    if code[:1] == b"x" and len(code) > 1:
        return bytes([int(code[1:], 16)])
    if code[:1] in b"uU" and len(code) > 1:
        return chr(min(int(code[1:], 16), 0x10FFFF)).encode("utf-8", "replace")
    return _NAMED.get(code, code)


def _delimited(field: Field, content: bytes) -> bytes:
    return _varint(field.number << 3 | _LENGTH) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
