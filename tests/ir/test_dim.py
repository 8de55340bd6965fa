"""The algebra of dimensions: substitution agrees with integers, equality and bounds are sound."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.ir.dim import (
    Dim,
    Sym,
    bounds,
    dim_max,
    elements,
    exact_quotient,
    is_static,
    same_dim,
    substitute,
    symbols,
    unknown_dim,
)

SYMS = [Sym("N", 1, 9), Sym("M", 0, 5), Sym("K", 2)]
INTS = st.integers(-7, 7)
Env = dict[Sym, int]
Recipe = Callable[[list[Dim]], Dim]


def _recipes() -> st.SearchStrategy[Recipe]:
    """Functions of [N, M, K] that work on dimensions and on integers alike."""
    leaf = st.builds(lambda i: lambda v: v[i], st.integers(0, 2)) | st.builds(
        lambda c: lambda _: c, INTS
    )
    return st.recursive(
        leaf,
        lambda inner: (
            st.builds(lambda a, b: lambda v: a(v) + b(v), inner, inner)
            | st.builds(lambda a, b: lambda v: a(v) - b(v), inner, inner)
            | st.builds(lambda a, b: lambda v: a(v) * b(v), inner, inner)
            | st.builds(lambda a, d: lambda v: a(v) // d, inner, st.integers(1, 5))
            | st.builds(lambda a, d: lambda v: a(v) % d, inner, st.integers(1, 5))
            | st.builds(lambda a, f: lambda v: dim_max(a(v), f), inner, INTS)
        ),
        max_leaves=6,
    )


ENVS = st.builds(
    lambda n, m, k: dict(zip(SYMS, (n, m, k), strict=True)),
    st.integers(1, 9),
    st.integers(0, 5),
    st.integers(2, 30),
)


@given(_recipes(), ENVS)
def test_substitution_agrees_with_integers(recipe: Recipe, env: Env) -> None:
    dim = recipe(list(SYMS))
    assert substitute(dim, env) == recipe([env[s] for s in SYMS])


@given(_recipes(), ENVS)
def test_bounds_hold(recipe: Recipe, env: Env) -> None:
    low, high = bounds(recipe(list(SYMS)))
    value = recipe([env[s] for s in SYMS])
    assert low <= value
    assert high is None or value <= high


@given(_recipes(), _recipes(), ENVS)
def test_decided_equality_is_right(a: Recipe, b: Recipe, env: Env) -> None:
    numbers = [env[s] for s in SYMS]
    decided = same_dim(a(list(SYMS)), b(list(SYMS)))
    assert decided in (None, a(numbers) == b(numbers))


@given(_recipes(), _recipes(), ENVS)
def test_exact_quotient_is_exact(a: Recipe, b: Recipe, env: Env) -> None:
    dim, divisor = a(list(SYMS)), b(list(SYMS))
    quotient = exact_quotient(dim * divisor, divisor)
    if quotient is not None:
        numbers = [env[s] for s in SYMS]
        assert substitute(quotient * divisor, env) == a(numbers) * b(numbers)


@given(_recipes(), _recipes())
def test_sums_and_products_are_canonical(a: Recipe, b: Recipe) -> None:
    x, y = a(list(SYMS)), b(list(SYMS))
    assert x + y == y + x
    assert x * y == y * x
    assert x - x == 0
    assert (x + y) - y == x
    assert hash(x + y) == hash(y + x)


def test_symbols_and_elements() -> None:
    n, m, _ = SYMS
    shape: tuple[Dim, ...] = (n, 7, (m + 1) // 2)
    assert symbols(shape) == {n, m}
    assert not is_static(shape)
    assert str(elements((n, 7, 3))) == "21*N"
    assert elements(()) == 1


def test_reshape_quotients() -> None:
    n, m, k = SYMS
    assert exact_quotient(n * 147, 147) == n
    assert exact_quotient(n * m * 6, m * 2) == n * 3
    assert exact_quotient(n * 7, 2) is None
    assert exact_quotient(n * 7, k) is None
    assert exact_quotient(n + m, n + m) == 1
    assert exact_quotient(0, n) == 0
    assert exact_quotient(n, 0) is None


def test_unknown_equality() -> None:
    n, m, _ = SYMS
    assert same_dim(n, n) is True
    assert same_dim(n, m) is None
    assert same_dim(n, n + 1) is False
    assert same_dim(n, 0) is False  # N is at least 1
    assert same_dim(n, 10) is False  # and at most 9
    assert same_dim(unknown_dim(), unknown_dim()) is None


def test_division_needs_a_positive_divisor() -> None:
    with pytest.raises(ValueError, match="positive integer; got 0"):
        SYMS[0] // 0


def test_bounds_of_products_that_may_be_negative() -> None:
    n, m = Sym("n", 0, 10), Sym("m", 0, 10)
    product = ((n - 3) // 2) * ((m - 3) // 2)
    assert bounds(product) == (-6, 9)
    assert same_dim(product, 0) is None
    assert bounds(Sym("free") * Sym("none", 0, 0)) == (0, 0)  # infinity times 0
