"""Small SVG charts whose colours come from the page, so that they read in light and dark."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ._html import escape

_WIDTH = 360.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 68.0, 10.0, 10.0, 38.0
_LETTER, _LINE = 6.2, 13.0  # of a note, in the chart's units: more than a letter of the usual fonts takes
Numbers = Sequence[float] | np.ndarray


class Plot:
    """One chart with two axes; marks are added, then `svg` writes it. Bounds in falling order flip an axis.

    Series are numbered from 1 to 4 and take the page's colours; a scale of 8 shades shows a quantity.
    """

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        *,
        x_label: str = "",
        y_label: str = "",
        x_log: bool = False,
        y_log: bool = False,
        height: float = 240.0,
    ) -> None:
        self.height = height
        self.labels = (x_label, y_label)
        self.logs = (x_log, y_log)
        self.x, self.y = _usable(x, x_log), _usable(y, y_log)
        self.marks: list[str] = []
        self.notes: list[tuple[float, float, str, str]] = []

    def picture(self, uri: str, xs: Numbers, ys: Numbers) -> None:
        """Lay a faint picture from (left, right) and (top, bottom) behind what is drawn later."""
        left, right, top, bottom = *map(self._at_x, xs), *map(self._at_y, ys)
        inside = f"{_LEFT} {_TOP} {_WIDTH - _LEFT - _RIGHT:g} {self.height - _TOP - _BOTTOM:g}"
        x, y, width, height = inside.split()
        self.marks.append(
            f'<svg x="{x}" y="{y}" width="{width}" height="{height}" viewBox="{inside}">'
            f'<image x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" '
            f'preserveAspectRatio="none" opacity="0.6" href="{uri}"/></svg>'
        )

    def line(self, xs: Numbers, ys: Numbers, *, series: int = 1, dashed: bool = False) -> None:
        """Join the points that are finite."""
        parts, pen = [], "M"
        for x, y in zip(_floats(xs), _floats(ys), strict=True):
            if not (math.isfinite(x) and math.isfinite(y)):
                pen = "M"
                continue
            parts.append(f"{pen}{self._at_x(x):.1f} {self._at_y(y):.1f}")
            pen = "L"
        style = f"line s{series}" + (" dashed" if dashed else "")
        self.marks.append(f'<path class="{style}" d="{"".join(parts)}"/>')

    def points(self, xs: Numbers, ys: Numbers, *, series: int = 1, large: bool = False) -> None:
        """Put a dot at every point."""
        self.marks.append(
            f'<path class="dots s{series}{" large" if large else ""}" d="{self._dots(xs, ys)}"/>'
        )

    def shaded(self, xs: Numbers, ys: Numbers, values: Numbers) -> None:
        """Put a dot at every point, in one of 8 shades by its value."""
        rows = np.asarray(values, dtype=np.float64)
        low, high = float(rows.min()), float(rows.max())
        shade = np.clip(((rows - low) / max(high - low, 1e-12) * 8).astype(int), 0, 7)
        xs, ys = np.asarray(xs), np.asarray(ys)
        for index in range(8):
            chosen = shade == index
            if chosen.any():
                self.marks.append(f'<path class="dots c{index}" d="{self._dots(xs[chosen], ys[chosen])}"/>')

    def steps(self, edges: Numbers, heights: Numbers, *, series: int = 1) -> None:
        """Draw a histogram as one filled outline."""
        base = self.y[0]
        path = [f"M{self._at_x(edges[0]):.1f} {self._at_y(base):.1f}"]
        for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
            top = self._at_y(max(float(height), base))
            path.append(f"L{self._at_x(left):.1f} {top:.1f}L{self._at_x(right):.1f} {top:.1f}")
        path.append(f"L{self._at_x(edges[-1]):.1f} {self._at_y(base):.1f}Z")
        self.marks.append(f'<path class="area s{series}" d="{"".join(path)}"/>')

    def horizontal(self, y: float, label: str = "") -> None:
        """Rule a dashed line at a height, with a word above its right end, or below for want of room."""
        at = self._at_y(y)
        self.marks.append(f'<path class="rule" d="M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}"/>')
        if label:
            below = at - 4 < _TOP + _LINE  # no room above it
            self.notes.append((_WIDTH - _RIGHT - 2, at + _LINE if below else at - 4, "end", label))

    def vertical(self, x: float, label: str = "") -> None:
        """Rule a dashed line at a place, with a word beside its top."""
        at = self._at_x(x)
        self.marks.append(f'<path class="rule" d="M{at:.1f} {_TOP}V{self.height - _BOTTOM}"/>')
        if label:
            end = at > 0.7 * _WIDTH
            shift, anchor = (-4, "end") if end else (4, "start")
            self.notes.append((at + shift, _TOP + 11, anchor, label))

    def diagonal(self) -> None:
        """Rule a dashed line where both coordinates are the same."""
        low, high = max(self.x[0], self.y[0]), min(self.x[1], self.y[1])
        ends = [f"{self._at_x(value):.1f} {self._at_y(value):.1f}" for value in (low, high)]
        self.marks.append(f'<path class="rule" d="M{ends[0]}L{ends[1]}"/>')

    def svg(self, alt: str) -> str:
        """Write the chart; `alt` says in words what it shows."""
        bottom = self.height - _BOTTOM
        grid, words = [], []
        for value in _ticks(self.x, self.logs[0], most=5):
            at = self._at_x(value)
            grid.append(f"M{at:.1f} {_TOP}V{bottom}")
            words.append(_word(_label(value, self.logs[0]), at, bottom + 18))
        for value in _ticks(self.y, self.logs[1], most=5):
            at = self._at_y(value)
            grid.append(f"M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}")
            words.append(_word(_label(value, self.logs[1]), _LEFT - 6, at + 4, anchor="end"))
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        if self.labels[0]:
            words.append(_word(self.labels[0], middle, self.height - 5))
        if self.labels[1]:
            turned = f"translate(11 {(_TOP + bottom) / 2}) rotate(-90)"
            words.append(f'<text transform="{turned}" text-anchor="middle">{escape(self.labels[1])}</text>')
        return (
            f'<svg class="plot" viewBox="0 0 {_WIDTH:g} {self.height:g}" role="img" '
            f'aria-label="{escape(alt)}">'
            f'<path class="grid" d="{"".join(grid)}"/>{"".join(self.marks)}'
            f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - _RIGHT}"/>{"".join(words)}'
            f"{''.join(self._placed(bottom))}</svg>"
        )

    def _placed(self, bottom: float) -> list[str]:
        """Write the notes, each moved down (or up, at the bottom) until it lies on no earlier one."""
        taken: list[tuple[float, float, float]] = []
        written = []
        for x, y, anchor, label in self.notes:
            width = _LETTER * len(label)
            left = x - width if anchor == "end" else x
            y = min(max(y, _TOP + _LINE), bottom - 4)
            tries = [y + sign * _LINE * step for step in range(len(self.notes) + 1) for sign in (1, -1)]
            free = [
                at for at in tries
                if _TOP + _LINE <= at <= bottom - 2 and not any(
                    abs(at - other) < _LINE and left < right and first < left + width
                    for other, first, right in taken
                )
            ]  # fmt: skip
            y = free[0] if free else y
            taken.append((y, left, left + width))
            written.append(
                f'<text class="note" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(label)}</text>'
            )
        return written

    def _dots(self, xs: Numbers, ys: Numbers) -> str:
        return "".join(
            f"M{self._at_x(x):.1f} {self._at_y(y):.1f}h0"
            for x, y in zip(_floats(xs), _floats(ys), strict=True)
            if math.isfinite(x) and math.isfinite(y)
        )

    def _at_x(self, value: float) -> float:
        return _LEFT + _share(value, self.x, self.logs[0]) * (_WIDTH - _LEFT - _RIGHT)

    def _at_y(self, value: float) -> float:
        bottom = self.height - _BOTTOM
        return bottom - _share(value, self.y, self.logs[1]) * (bottom - _TOP)


def _word(text: str, x: float, y: float, *, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def span(*parts: Iterable[float], log: bool = False, margin: float = 0.05) -> tuple[float, float]:
    """Return bounds that hold all finite values, with some room around them."""
    values = [float(v) for part in parts for v in part if math.isfinite(v) and not (log and v <= 0)]
    if not values:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = min(values), max(values)
    if log:
        room = max((high / low) ** margin, 1.1)
        return low / room, high * room
    room = margin * (high - low) or max(abs(high), 1.0) * 0.1
    return low - room, high + room


def _usable(bounds: tuple[float, float], log: bool) -> tuple[float, float]:
    low, high = (float(bound) for bound in bounds)
    if log:
        low = max(low, 1e-12)
        return low, max(high, low * 1.1)
    return low, high if high != low else low + 1.0


def _share(value: float, bounds: tuple[float, float], log: bool) -> float:
    low, high = bounds
    if log:
        low, high, value = math.log10(low), math.log10(high), math.log10(max(value, 1e-12))
    return min(max((value - low) / (high - low), -0.02), 1.02)


def _ticks(bounds: tuple[float, float], log: bool, *, most: int) -> list[float]:
    low, high = sorted(bounds)
    if log:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        powers = range(first, last + 1)
        step = max(1, -(-len(powers) // most))
        decades = [10.0**power for power in powers if (power - first) % step == 0]
        if len(decades) >= 2:
            return decades
        fine = [m * 10.0**p for p in range(first - 1, last + 2) for m in (1, 2, 5)]
        fine = [value for value in fine if low <= value <= high]
        if len(fine) >= 2:
            return fine
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _label(value: float, log: bool) -> str:
    if log and (value >= 1e4 or value < 1e-2):
        power = math.floor(math.log10(value) + 1e-9)
        return f"{value / 10.0**power:.4g}e{power}"
    if abs(value) <= 1e-12:
        return "0"
    plain = f"{value:.6g}"
    if len(plain.lstrip("-")) > 5 or "e" in plain:  # the axis' name stands beside it
        digits, power = f"{value:.5e}".split("e")
        plain = min(f"{digits.rstrip('0').rstrip('.')}e{int(power)}", plain, key=len)
    return f"\u2212{plain[1:]}" if value < 0 else plain


def _floats(values: Numbers) -> list[float]:
    return np.asarray(values, dtype=np.float64).tolist()
