"""Copies of what NumPy calls a view of one operand: diagonals of matrices, halves of numbers."""

from __future__ import annotations

import numpy as np

from edgewise.runtime.calls import Selection, Site, require, shape_of
from edgewise.runtime.select.copy import View, constant_view, copies, filled, view


def matrix_diag(site: Site) -> Selection:
    """Zeros, then x over their diagonals."""
    x, y = view(site.node.operand(0)), view(site.node.output)
    zero = constant_view(np.zeros(1, y.elements.dtype))
    return [*filled(y, zero), *copies([(x, _diagonals(site, y))])]


def matrix_set_diag(site: Site) -> Selection:
    """x, then the diagonals over it."""
    x, diagonal = (view(site.node.operand(i)) for i in (0, 1))
    y = view(site.node.output)
    return copies([(x, y), (diagonal, _diagonals(site, y))])


def _diagonals(site: Site, y: View) -> View:
    require(y.elements.ndim == len(site.node.output.shape), "elements of 16 bytes")
    shortest = min(y.elements.shape[-2:])
    square = y.elements[..., :shortest, :shortest]
    return y.of(np.einsum("...ii->...i", square))


def real(site: Site) -> Selection:
    """The first half of each number."""
    return _half(site, 0)


def imag(site: Site) -> Selection:
    """The second half of each number."""
    return _half(site, 1)


def _half(site: Site, which: int) -> Selection:
    x, shape = view(site.node.operand(0)), shape_of(site.node.output)
    halves = x.elements.reshape(-1).view(f"u{x.elements.itemsize // 2}").reshape(*shape, 2)
    return copies([(x.of(halves[..., which]), view(site.node.output))])
