"""BLAKE2b (RFC 7693), from where the module hashlib has it: that one loads OpenSSL for others,
3 ms and 4 MB of a first start."""

from __future__ import annotations

try:
    from _blake2 import blake2b
except ImportError:  # not CPython and not PyPy
    from hashlib import blake2b


def hash_of(data: bytes | memoryview) -> bytes:
    """Its hash of 256 bits."""
    return blake2b(data, digest_size=32).digest()
