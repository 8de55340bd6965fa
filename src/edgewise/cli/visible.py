"""Text of others made safe for a terminal."""

from __future__ import annotations


def visible(text: str, keep: str = "") -> str:
    """`text` with everything that is not printable as an escape: `\\x1b`, `\\u202e`, `\\ud800`."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )
