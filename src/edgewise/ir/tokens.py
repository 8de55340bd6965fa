"""Tokens of the text form, one line at a time; every refusal is a FormatError with the line."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

from edgewise.errors import EdgewiseError, FormatError

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>b?"[^"\\]*(?:\\.[^"\\]*)*")
    | (?P<number>-?(?:inf|nan)(?![A-Za-z_0-9])
        |-?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?(?![A-Za-z_]))
    | (?P<name>[%@](?:[A-Za-z_0-9](?:[A-Za-z_0-9./$-]|:(?=[A-Za-z_0-9]))*)?)
    | (?P<word>[A-Za-z_][A-Za-z_0-9]*)
    | (?P<sign>//|->|[-+*()\[\]{}=:,?])
    )""",
    re.VERBOSE,
)
T = TypeVar("T")


class Tokens:
    """A cursor over the tokens of the current line.

    A token is (kind, text); kinds are string, number, name, word, sign and, past the last, end.
    """

    def __init__(self, text: str, file: str) -> None:
        self.lines, self.number, self.file = text.split("\n"), 0, file
        self.tokens: list[tuple[str, str]] = []
        self.at = 0

    def next_line(self) -> bool:
        """Go to the next line that is not empty; False at the end."""
        while self.number < len(self.lines):
            line = self.lines[self.number].rstrip()
            self.number += 1
            if line:
                self.tokens, self.at = self._split(line), 0
                return True
        self.tokens, self.at = [], 0
        return False

    def _split(self, line: str) -> list[tuple[str, str]]:
        found, position = [], 0
        while position < len(line):
            match = _TOKEN.match(line, position)
            if match is None or match.lastgroup is None:
                raise self.error(f"unexpected {line[position : position + 20].strip()!r}")
            found.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        return found

    def peek(self) -> tuple[str, str]:
        """The current token."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "end of line")

    def accept(self, token: str) -> bool:
        """Step over this sign or word if it is the current token."""
        kind, text = self.peek()
        found = text == token and kind in ("sign", "word")
        self.at += found
        return found

    def take(self, token: str) -> None:
        """Step over this sign or word."""
        if not self.accept(token):
            raise self.error(f"expected {token!r}; got {self.peek()[1][:40]!r}")

    def take_kind(self, kind: str, what: str) -> str:
        """Step over a token of this kind; its text."""
        found, text = self.peek()
        if found != kind:
            raise self.error(f"expected {what}; got {text[:40]!r}")
        self.at += 1
        return text

    def end(self) -> None:
        """Nothing may be left on the line."""
        if self.at < len(self.tokens):
            raise self.error(f"expected the end of the line; got {self.peek()[1][:40]!r}")

    def separated(self, close: str) -> bool:
        """Between the items of a list: True before another one, False after the closing sign."""
        if self.accept(close):
            return False
        if self.at and self.tokens[self.at - 1][1] not in ("(", "[", "{"):
            self.take(",")
        return True

    def word(self) -> str:
        """A bare word."""
        return self.take_kind("word", "a word")

    def word_or_string(self) -> str:
        """A name that is quoted where it is no word."""
        return self.string() if self.peek()[0] == "string" else self.word()

    def name(self, sigil: str) -> str:
        """The name after `%` or `@`."""
        text = self.take_kind("name", f"{sigil}name")
        if text[0] != sigil:
            raise self.error(f"expected {sigil}name; got {text}")
        return text[1:] or self.string()

    def string(self) -> str:
        """A quoted string."""
        text = self.take_kind("string", "a string")
        return self.checked(lambda: _unquoted(text))

    def integer(self) -> int:
        """An integer."""
        text = self.take_kind("number", "an integer")
        if not re.fullmatch(r"-?\d{1,40}", text):
            raise self.error(f"expected an integer; got {text[:20]}")
        return int(text)

    def bytes_(self) -> bytes:
        """`b"..."` or `base64 "..."`."""
        if self.accept("base64"):
            return self.base64()
        text = self.take_kind("string", "bytes")
        if not text.startswith("b"):
            raise self.error(f'bytes are b"..." or base64 "..."; got {text[:20]}')
        return self.checked(lambda: _unquoted(text[1:]).encode("latin-1"))

    def base64(self) -> bytes:
        """The string after the word base64, decoded."""
        text = self.take_kind("string", "base64")
        try:
            return base64.b64decode(text[1:-1], validate=True)
        except (binascii.Error, ValueError) as error:
            raise self.error(f"base64: {error}") from None

    def checked(self, build: Callable[..., T], *args: Any) -> T:
        """What `build` returns; its refusal as a FormatError of this line."""
        try:
            return build(*args)
        except FormatError:
            raise
        except (EdgewiseError, TypeError, ValueError, ArithmeticError) as error:
            raise self.error(str(error)) from None

    def error(self, rule: str) -> FormatError:
        """A refusal of the current line."""
        return FormatError(rule, file=f"{self.file}, line {self.number}")


def _unquoted(text: str) -> str:
    found = json.loads(text)
    if not isinstance(found, str):
        raise ValueError(f"expected a string; got {text[:20]}")
    return found
