"""What convolutions that stage x share: their tiles, and the scratch memory of one."""

from __future__ import annotations

from collections.abc import Callable

from edgewise.runtime.library import Fields, Isa, constant
from edgewise.runtime.plan import Target
from edgewise.runtime.select.weights import flat
from edgewise.values import dataclass

_SLACK = 128  # bytes before the staged lines and behind them: for alignment, and read beyond
_BLOCK_OF_FEW_ROWS = 64 * 1024  # bytes of weights that make a tile where x has few rows
_LEAST_ROWS = 12  # of a tile made for threads, each of which reads all weights of its panels


@dataclass(frozen=True, slots=True)
class Layout:
    """The tiles of a convolution whose pixel (n, i, j) of y lies at `places`, and their memory."""

    window: dict[str, int]
    groups: int
    places: dict[str, int]  # fields of ew_conv_layout
    is_dense: bool
    tiles: Tiles

    @classmethod
    def of(
        cls,
        window: dict[str, int],
        groups: int,
        k: int,
        places: dict[str, int],
        target: Target,
        *,
        staged: int,
        result: int,
    ) -> Layout:
        """K products make an element of y; `staged`, `result`: bytes of elements of x and y."""
        is_one = is_dense(window, places)
        if is_one:
            window = flat(window)
        tiles = Tiles.of(window, groups, k, target, staged, result)
        return cls(window, groups, places, is_one, tiles)

    @property
    def fields(self) -> Fields:
        """Those of ew_conv_layout."""
        return {
            "window": self.window,
            "groups": self.groups,
            "lines_per_tile": self.tiles.lines,
            "columns_per_tile": self.tiles.columns,
            "panels_per_tile": self.tiles.panels,
            **self.places,
        }

    @property
    def tile_elements(self) -> int | None:
        """Elements of y that a tile writes, where they are one run; see Call."""
        is_whole = self.is_dense and self.places["y_pixel"] == self.window["o"] and self.groups == 1
        return self.tiles.run_of(self.window) if is_whole else None


def is_dense(window: dict[str, int], places: dict[str, int]) -> bool:
    """All pixels of y are equally far apart."""
    is_dense = places["y_line"] == window["ow"] * places["y_pixel"]
    return is_dense and places["y_image"] == window["oh"] * places["y_line"]


def runs_of(window: dict[str, int]) -> int:
    """Contiguous runs of x that K consists of."""
    return window["kernel_h"] * (1 if window["dilation_w"] == 1 else window["kernel_w"])


@dataclass(frozen=True, slots=True)
class Tiles:
    """How the product is cut into tiles, and the scratch memory of one."""

    lines: int
    columns: int
    panels: int
    count: int
    scratch: int  # bytes of what is staged; 0 if scalar
    panel: int  # channels of one

    def run_of(self, window: dict[str, int]) -> int | None:
        """Elements of a dense y that a tile writes, where they are one run; see Call."""
        n, oh, ow, o = (window[name] for name in ("n", "oh", "ow", "o"))
        if n * oh * ow == 1:
            return min(self.panels * self.panel, o)
        is_run = self.columns == ow and (n == 1 or oh % self.lines == 0)
        is_run = is_run or n * oh == 1
        return self.lines * self.columns * o if is_run and self.panels * self.panel >= o else None

    @classmethod
    def of(
        cls,
        window: dict[str, int],
        groups: int,
        k: int,
        target: Target,
        element: int,
        result: int,
        rows: int = 12,
    ) -> Tiles:
        """As many lines of y as keep the staged part of x and the results in the cache; a part of
        a line has a multiple of `rows` pixels."""
        n, oh, ow, o = (window[name] for name in ("n", "oh", "ow", "o"))
        if min(n, oh, ow) == 0:
            return cls(1, 1, 1, 0, 0, 1)
        if target.isa is Isa.SCALAR:
            return cls(1, ow, 1, groups * n * oh, 0, o)
        per_group, width = o // groups, 2 * target.isa.lanes
        panels = -(-per_group // width)
        c = window["c"] // groups * element

        def staged(lines: int, columns: int) -> int:
            return _span(window, "h", lines) * _span(window, "w", columns) * c

        def fits(lines: int, columns: int) -> bool:
            total = staged(lines, columns) + lines * columns * per_group * result
            return total <= target.block_bytes

        most = _largest(lambda n: fits(1, n), ow) // rows * rows
        columns = ow if fits(1, ow) else max(most, rows)
        columns = min(columns, ow)
        lines = max(_largest(lambda n: fits(n, columns), oh), 1) if columns == ow else 1
        panels_per_tile = panels
        if oh * ow <= 6 and (n * oh * ow > 1 or target.threads > 1):
            panels_per_tile = min(panels, max(_BLOCK_OF_FEW_ROWS // max(k * width, 1), 1))
        if target.threads > 1:
            wanted = -(-target.tiles_per_thread * target.threads // (groups * n))
            least = _LEAST_ROWS * (2 if target.isa.lanes == 16 else 1)
            if oh > 1:  # rather too many tiles than a few equal ones that divide badly
                lines = min(lines, max(oh // wanted, -(-least // ow)))
            else:
                columns = min(columns, -(-ow // min(wanted, max(ow // least, 1))))
            blocks = -(-oh // lines) * -(-ow // columns)
            if blocks < wanted:
                panels_per_tile = min(panels_per_tile, -(-panels // -(-wanted // blocks)))
        if oh * ow == 1:  # panels are multiplied so many at once
            at_once = constant("EW_GEMV_B8")
            panels_per_tile = min(-(-panels_per_tile // at_once) * at_once, panels)
        scratch = runs_of(window) * 4 + staged(lines, columns) + _SLACK
        blocks = -(-oh // lines) * -(-ow // columns) * -(-panels // panels_per_tile)
        return cls(lines, columns, panels_per_tile, groups * n * blocks, scratch, width)


def _span(window: dict[str, int], axis: str, count: int) -> int:
    """Staged lines or columns that `count` outputs read (ew_staging_of in conv_tiles.h)."""
    kernel = window[f"kernel_{axis}"]
    if kernel == 1:
        return count
    return (count - 1) * window[f"stride_{axis}"] + (kernel - 1) * window[f"dilation_{axis}"] + 1


def _largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number up to `most` that fits, by halving; 0 where none does."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
