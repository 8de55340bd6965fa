"""Cases of convolutions, windows, sorting, writing, control flow and complex numbers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.frontends.jax.cases import M, N, X, Y, case, real, whole


def convolution(shape, kernel, strides=(1, 1), padding="SAME", batch=True, **options):
    """A convolution by a constant kernel; the last two axes of the kernel are channels."""
    weights = real(*kernel, seed=11)
    rank = len(shape)
    layouts = {
        3: ("NHC", "HIO", "NHC"),
        4: ("NHWC", "HWIO", "NHWC"),
        5: ("NDHWC", "DHWIO", "NDHWC"),
    }
    options.setdefault("dimension_numbers", layouts[rank])
    return case(
        lambda x: lax.conv_general_dilated(x, weights, strides, padding, **options),
        real(*shape, seed=12), batch=batch, tolerance=1e-5,
    )  # fmt: skip


NCHW = ("NCHW", "OIHW", "NCHW")
CONVOLUTIONS = {
    "same": convolution((2, 7, 6, 3), (3, 3, 3, 4)),
    "strided": convolution((2, 7, 6, 3), (3, 2, 3, 4), (2, 3)),
    "valid": convolution((2, 7, 6, 3), (3, 3, 3, 4), padding="VALID"),
    "edges": convolution((2, 7, 6, 3), (3, 3, 3, 4), (2, 1), ((2, 0), (0, 3))),
    "negative edges": convolution((2, 7, 6, 3), (3, 3, 3, 4), (1, 1), ((-1, 0), (0, 1))),
    "dilated": convolution((2, 9, 8, 3), (3, 3, 3, 4), rhs_dilation=(2, 1)),
    "depthwise": convolution((2, 7, 6, 3), (3, 3, 1, 6), feature_group_count=3),
    "groups": convolution((2, 7, 6, 4), (3, 3, 2, 6), feature_group_count=2),
    "channels first": convolution(
        (2, 3, 7, 6), (4, 3, 3, 3), dimension_numbers=NCHW, padding=((1, 1), (1, 1))
    ),
    "odd layout": convolution(
        (7, 2, 3, 6), (3, 4, 3, 3), dimension_numbers=("HNCW", "HOWI", "WHCN"), batch=False
    ),
    "transposed": case(
        lambda x: lax.conv_transpose(x, real(3, 3, 3, 4), (2, 2), "SAME"), real(2, 5, 4, 3),
        tolerance=1e-5,
    ),
    "transposed valid": case(
        lambda x: lax.conv_transpose(x, real(3, 2, 3, 4), (2, 3), "VALID"), real(2, 5, 4, 3),
        tolerance=1e-5,
    ),
    "transposed with edges": convolution(
        (2, 5, 4, 3), (3, 3, 3, 4), padding=((1, 2), (4, 0)), lhs_dilation=(2, 2)
    ),
    "transposed groups": convolution(
        (2, 5, 4, 4), (3, 3, 2, 4), padding=((1, 2), (2, 1)), lhs_dilation=(2, 2),
        feature_group_count=2,
    ),
    "one axis": convolution((2, 9, 3), (3, 3, 4), (2,)),
    "one axis causal": convolution((2, 9, 3), (3, 3, 4), (1,), ((2, 0),)),
    "jnp.convolve": case(lambda x: jnp.convolve(x, real(3), mode="same"), real(9), batch=False),
    "three axes": convolution((2, 4, 5, 3, 2), (2, 3, 3, 2, 4), (1, 1, 1)),
    "three axes in groups": convolution(
        (2, 4, 5, 3, 4), (2, 3, 3, 2, 4), (1, 1, 1), feature_group_count=2
    ),
    "a computed kernel": case(
        lambda x, w: lax.conv_general_dilated(
            x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        ),
        real(2, 5, 4, 3), real(3, 3, 3, 2), batch=False, tolerance=1e-5,
    ),
}  # fmt: skip


def pooling(function, init, window, strides, padding="VALID", shape=(2, 7, 6, 3), **options):
    return case(
        lambda x: lax.reduce_window(x, init, function, window, strides, padding, **options),
        real(*shape, seed=13),
    )


WINDOWS = {
    "max": pooling(lax.max, -jnp.inf, (1, 2, 2, 1), (1, 2, 2, 1)),
    "max same": pooling(lax.max, -jnp.inf, (1, 3, 3, 1), (1, 2, 2, 1), "SAME"),
    "max edges": pooling(
        lax.max, -jnp.inf, (1, 3, 3, 1), (1, 2, 2, 1), ((0, 0), (1, 0), (2, 1), (0, 0))
    ),
    "min": pooling(lax.min, jnp.inf, (1, 3, 2, 1), (1, 1, 2, 1)),
    "sum": pooling(lax.add, 0.0, (1, 2, 3, 1), (1, 2, 1, 1)),
    "sum same": pooling(lax.add, 0.0, (1, 3, 3, 1), (1, 2, 2, 1), "SAME"),
    "channels first": pooling(lax.max, -jnp.inf, (1, 1, 2, 2), (1, 1, 2, 2), shape=(2, 3, 6, 4)),
    "one axis": pooling(lax.add, 0.0, (1, 3, 1), (1, 2, 1), shape=(2, 9, 3)),
    "dilated": case(
        lambda x: lax.reduce_window(
            x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 1, 1, 1), "VALID", window_dilation=(1, 2, 1, 1)
        ),
        real(2, 7, 6, 3),
        batch=False,
    ),
    "whole numbers": case(
        lambda i: lax.reduce_window(i, 0, lax.add, (1, 2), (1, 2), "VALID"), M, batch=False
    ),
}

ORDER = {
    "sort": case(lambda x: jnp.sort(x, axis=1), X),
    "sort down": case(lambda x: jnp.sort(x, axis=1, descending=True), X),
    "sort rows": case(lambda x: jnp.sort(x, axis=0), X, batch=False),
    "argsort": case(lambda x: jnp.argsort(x, axis=1), X),
    "sort whole numbers": case(lambda i: jnp.sort(i, axis=1), M),
    "sort by two keys": case(
        lambda i, j, x: lax.sort((i, j, x), dimension=1, num_keys=2), M % 3, N, X
    ),
    "lexsort": case(lambda i, j: jnp.lexsort((i, j), axis=1), M, N % 2),
    "sort with a second": case(lambda x, y: lax.sort((x, y), dimension=1, num_keys=1), X, Y),
    "top_k": case(lambda x: lax.top_k(x, 2), X),
    "median": case(lambda x: jnp.median(x, axis=1), X),
    "quantile": case(lambda x: jnp.quantile(x, 0.3, axis=1), X),
}

WRITES = {
    "set a column": case(lambda x: x.at[:, 1].set(0.0), X),
    "set a slice": case(lambda x, y: x.at[:, 1:3].set(y), X, real(3, 2)),
    "add to a column": case(lambda x: x.at[:, 1].add(2.0), X),
    "set a row": case(lambda x, i: x.at[i].set(7.0), X, np.int32(1), batch=False),
    "set rows": case(lambda x, i: x.at[i].set(7.0), X, whole(2, low=0, high=3), batch=False),
    "add to rows": case(
        lambda x, i, y: x.at[i].add(y), X, np.array([1, 1, 0], np.int32), Y, batch=False
    ),
    "add to elements": case(
        lambda x, i, j: x.at[i, j].add(1.0), X, np.array([0, 1, 2], np.int32),
        np.array([3, 3, 0], np.int32), batch=False,
    ),
    "max of rows": case(lambda x, i: x.at[i].max(0.1), X, np.array([0, 2], np.int32), batch=False),
    "multiply rows": case(
        lambda x, i: x.at[i].multiply(3.0), X, np.array([0, 2], np.int32), batch=False
    ),
    "segment_sum": case(
        lambda x, i: jax.ops.segment_sum(x, i, 4), X, np.array([3, 0, 3], np.int32), batch=False
    ),
    "bincount": case(lambda i: jnp.bincount(i.ravel() % 5, length=5), N, batch=False),
}  # fmt: skip


def _recurrent(x):
    w, u = real(4, 5, seed=20) * 0.3, real(5, 5, seed=21) * 0.3

    def step(state, row):
        state = jnp.tanh(row @ w + state @ u)
        return state, state

    last, states = lax.scan(step, jnp.zeros((x.shape[0], 5)), jnp.swapaxes(x, 0, 1))
    return last, jnp.swapaxes(states, 0, 1)


CONTROL = {
    "cond": case(lambda x: lax.cond(jnp.sum(x) > 0, jnp.sin, lambda x: x * 2, x), X),
    "cond with constants": case(
        lambda x, y: lax.cond(x[0, 0] > y[0, 0], lambda: x + Y, lambda: y - X), X, Y, batch=False
    ),
    "switch": case(
        lambda i, x: lax.switch(i, [jnp.sin, jnp.cos, jnp.exp], x), np.int32(1), X, batch=False
    ),
    "switch beyond": case(
        lambda i, x: lax.switch(i, [jnp.sin, jnp.cos, jnp.exp], x), np.int32(7), X, batch=False
    ),
    "while": case(lambda x: lax.while_loop(lambda s: jnp.sum(s) < 90, lambda s: s * 2 + 1, x), X),
    "while with a tensor": case(
        lambda x, y: lax.while_loop(lambda s: jnp.sum(s) < jnp.sum(y) + 50, lambda s: s + y * y, x),
        X, Y,
    ),
    "fori": case(lambda x: lax.fori_loop(0, 5, lambda i, s: s * 0.5 + i, x), X),
    "scan written out": case(_recurrent, real(3, 6, 4)),
    "scan in a loop": case(_recurrent, real(3, 70, 4)),
    "scan back": case(
        lambda x: lax.scan(lambda s, r: (s + r, s * r), jnp.ones(4), x, reverse=True),
        real(5, 4), batch=False,
    ),
    "scan back in a loop": case(
        lambda x: lax.scan(lambda s, r: (s * 0.9 + r, s - r), jnp.ones(4), x, reverse=True),
        real(150, 4), batch=False, tolerance=1e-5,
    ),
    "scan over the batch": case(lambda x: lax.scan(lambda s, r: (s + r, s), jnp.zeros(4), x), X),
    "associative_scan": case(lambda x: lax.associative_scan(jnp.add, x, axis=1), X),
    "map": case(lambda x: lax.map(lambda r: r * 2 + 1, x), X, batch=False),
    "vmap": case(jax.vmap(lambda r: jnp.dot(r, r) + r[0]), X, batch=False),
    "checkpoint": case(jax.checkpoint(lambda x: jnp.sin(x) * 2), X),
    "custom_vjp": case(lambda x: jax.nn.relu(x) + jax.numpy.linalg.norm(x), X),
    "grad": case(jax.grad(lambda x: jnp.sum(jnp.sin(x) ** 2)), X),
}  # fmt: skip

COMPLEX = {
    "rfft": case(lambda x: jnp.abs(jnp.fft.rfft(x)), real(3, 10)),
    "fft": case(lambda x: jnp.real(jnp.fft.fft(x) * 1j), real(3, 10), tolerance=1e-5),
    "fft and back": case(lambda x: jnp.fft.irfft(jnp.fft.rfft(x) * 2), real(3, 10), tolerance=1e-5),
    "fft2": case(lambda x: jnp.imag(jnp.fft.fft2(x)), real(3, 4, 6), tolerance=1e-5),
    "ifft": case(lambda x: jnp.fft.ifft(x).imag, real(3, 8)),
    "fftshift": case(
        lambda x: jnp.fft.fftshift(jnp.fft.fft(x), axes=1).real, real(3, 8), tolerance=1e-5
    ),
    "filter": case(
        lambda x: jnp.fft.irfft(jnp.fft.rfft(x) * (real(6) + 1j * real(6, seed=3)), n=10),
        real(3, 10), tolerance=1e-5,
    ),
    "rotation": case(
        lambda x: (lax.complex(x[..., 0::2], x[..., 1::2]) * jnp.exp(1j * jnp.arange(2.0))).real, X
    ),
    "angle": case(lambda x, y: jnp.angle(lax.complex(x, y)), X, Y),
    "quotient": case(lambda x, y: (1 / lax.complex(x, y)).imag, X, Y, tolerance=1e-5),
    "logarithm": case(lambda x, y: jnp.log(lax.complex(x, y)).imag, X, Y),
    "products": case(
        lambda x, y: jnp.abs(lax.complex(x, y) @ jnp.asarray(real(4, 2) * (1 + 2j))), X, Y,
        tolerance=1e-5,
    ),
}  # fmt: skip

MORE = {
    f"{family}: {name}": found
    for family, table in {
        "convolutions": CONVOLUTIONS,
        "windows": WINDOWS,
        "order": ORDER,
        "writes": WRITES,
        "control": CONTROL,
        "complex": COMPLEX,
    }.items()
    for name, found in table.items()
}
