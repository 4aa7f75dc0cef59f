"""The section about what the receipts say together."""

from __future__ import annotations

from html import escape

from saliserve_client.dataset.compare import Comparison
from saliserve_client.dataset.words import MEASURES, agreement, images, shown


def section(found: Comparison) -> str:
    """Write means with their intervals, and the outcome if there are several contestants."""
    valid = [one for one in found.judgements if one.valid]
    if not valid:
        return ""
    head = "".join(f"<th>{escape(one.operator)}</th>" for one in valid)
    lines = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f"<td>{shown(one.means[number])}</td>" for one in valid)
        + f"<td>{found.spread[number]:.3f}</td></tr>"
        for number, name in enumerate(found.names)
    )
    told = f"{MEASURES[found.measure]}. Images: {images(found)}. Intervals of 95 % over the images."
    return (
        f"<h2>Over the images</h2><p>{escape(told)}</p>{_outcome(found)}"
        f"<table><thead><tr><th></th>{head}<th>spread</th></tr></thead><tbody>{lines}</tbody></table>"
    )


def _outcome(found: Comparison) -> str:
    if len(found.names) == 1:
        return ""
    return f"<p><b>{escape(found.outcome)}</b>: {escape(found.reason)}</p><p>{escape(agreement(found))}</p>"
