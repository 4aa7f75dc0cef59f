"""Distributions as SVG, without scripts."""

from __future__ import annotations

from html import escape

from saliserve_client.report.summary import Histogram

WIDTH = 420
HEIGHT = 120


def histogram(shown: Histogram, *, title: str, unit: str) -> str:
    """Draw a histogram with the ends of its axis and a line at 0, where chance is."""
    tallest = max(shown.counts) or 1
    step = WIDTH / len(shown.counts)
    bars = "".join(
        f'<rect x="{index * step + 1:.1f}" y="{HEIGHT - HEIGHT * count / tallest:.1f}" '
        f'width="{step - 2:.1f}" height="{HEIGHT * count / tallest:.1f}"><title>{count}</title></rect>'
        for index, count in enumerate(shown.counts)
        if count
    )
    zero = (0 - shown.low) / (shown.high - shown.low) * WIDTH
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT + 18}" role="img" aria-label="{escape(title)}">{bars}'
        f'<line x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{HEIGHT}"/>'
        f'<text x="0" y="{HEIGHT + 14}">≤ {shown.low:g}</text>'
        f'<text x="{zero:.1f}" y="{HEIGHT + 14}" text-anchor="middle">0</text>'
        f'<text x="{WIDTH}" y="{HEIGHT + 14}" text-anchor="end">≥ {shown.high:g}</text></svg>'
        f"<figcaption><b>{escape(title)}</b>: {escape(unit)}</figcaption></figure>"
    )


def bars(counts: list[tuple[str, int]]) -> str:
    """Draw named counts as horizontal bars."""
    total = sum(count for _, count in counts) or 1
    return "".join(
        f'<div class="bar"><span>{escape(name)}</span><i style="width:{100 * count / total * 0.6:.1f}%"></i>'
        f"<span>{count} ({100 * count / total:.1f} %)</span></div>"
        for name, count in counts
    )
