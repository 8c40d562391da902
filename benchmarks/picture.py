"""Results as one SVG: a panel of bars per table, a panel of lines per scaling study; log scales."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import Any

from delrec_compile.evaluation.latency.bench import NAMES

WIDTH, HEIGHT, COLUMNS = 460, 300, 2
LEFT, TOP, RIGHT, BOTTOM = 60, 40, 130, 40
OURS = "#d62728"
COLOURS = (
    *("#1f77b4", "#ff7f0e", "#9467bd", "#8c564b", "#2ca02c", "#7f7f7f", "#17becf"),
    *("#0b4f6c", "#e377c2", "#bcbd22", "#3b5998", "#006d5b", "#a0522d", "#5f9ea0"),
)
Results = dict[str, dict[str, Any]]


def draw(results: Results) -> str:
    """The whole picture."""
    panels = []
    for study in results.values():
        if study["over"] == "form":
            panels += [_bars(study["study"], point) for point in study["points"]]
        else:
            panels.append(_lines(study))
    rows = math.ceil(len(panels) / COLUMNS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * COLUMNS}" '
        f'height="{HEIGHT * rows}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for i, panel in enumerate(panels):
        at = (i % COLUMNS) * WIDTH, (i // COLUMNS) * HEIGHT
        parts += [f'<g transform="translate({at[0]},{at[1]})">', *panel, "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def colour(name: str) -> str:
    """One colour per engine; ours stand out."""
    return OURS if name == "ours" else COLOURS[NAMES.index(name) - 1]


def _bars(title: str, point: dict[str, Any]) -> list[str]:
    """One bar per engine, the fastest on top."""
    w = point["workload"]
    rows = sorted((r for r in point["rows"] if not r["skipped"]), key=lambda r: r["us_per_step"])
    low, high = rows[0]["us_per_step"] / 2, rows[-1]["us_per_step"]
    out = [_text(10, 20, f"{title}: {w['form']}, {w['batch']} stream(s), us per step", bold=True)]
    thick = (HEIGHT - TOP - 10) / len(rows)
    for i, row in enumerate(rows):
        y, us = TOP + i * thick, row["us_per_step"]
        long = 5 + (WIDTH - 260) * math.log(us / low) / math.log(high / low)
        out.append(_text(125, y + thick * 0.7, row["name"], end=True))
        out.append(
            f'<rect x="130" y="{y:.1f}" width="{long:.1f}" height="{thick * 0.8:.1f}" '
            f'fill="{colour(row["name"])}"/>'
        )
        times = f"{us:,.2f} ({row['ratio_to_ours']:,.1f}x)"
        out.append(_text(135 + long, y + thick * 0.7, times))
    return out


def _lines(study: dict[str, Any]) -> list[str]:
    """Microseconds per step over the study's number, one line per engine."""
    series: dict[str, list[tuple[float, float]]] = {}
    for point in study["points"]:
        for row in point["rows"]:
            if not row["skipped"]:
                xy = (float(point["value"]), float(row["us_per_step"]))
                series.setdefault(row["name"], []).append(xy)
    xs = [x for line in series.values() for x, _ in line]
    ys = [y for line in series.values() for _, y in line]
    x_range, y_range = (min(xs), max(xs)), (min(ys) / 1.5, max(ys) * 1.5)

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (WIDTH - LEFT - RIGHT) * _part(x, x_range),
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * _part(y, y_range),
        )

    out = [_text(10, 20, f"us per step over {study['title']}", bold=True)]
    for y in _decades(*y_range):
        _, at = place(x_range[0], y)
        out.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>'
        )
        out.append(_text(LEFT - 5, at + 4, f"{y:g}", end=True))
    for value in sorted(set(xs)):
        out.append(_text(place(value, 1)[0] - 6, HEIGHT - BOTTOM + 16, f"{value:g}"))
    out.append(_text(WIDTH - RIGHT, HEIGHT - 6, study["over"], end=True))
    free = 0.0
    for name, line in sorted(series.items(), key=lambda item: -item[1][-1][1]):
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in (place(*xy) for xy in line))
        thick = 3 if name == "ours" else 1.5
        out.append(
            f'<polyline points="{path}" fill="none" stroke="{colour(name)}" '
            f'stroke-width="{thick}"/>'
        )
        end = place(*line[-1])
        free = max(end[1] + 4, free + 12)
        out.append(_text(end[0] + 6, free, name, fill=colour(name)))
    return out


def _part(value: float, between: tuple[float, float]) -> float:
    low, high = between
    return math.log(value / low) / math.log(high / low) if high > low else 0.5


def _decades(low: float, high: float) -> Iterator[float]:
    for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1):
        yield 10.0**power


def _text(
    x: float, y: float, text: str, *, end: bool = False, bold: bool = False, fill: str = "#222"
) -> str:
    anchor = ' text-anchor="end"' if end else ""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}"{anchor}{weight}>{escape(text)}</text>'
