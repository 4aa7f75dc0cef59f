"""How results show themselves in a notebook: small HTML without scripts or outside resources."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saliserve_client.results import Explanation, Prediction, Receipt


def explanation(result: Explanation) -> str:
    """Show overlay, prediction and receipt beside each other."""
    picture = "" if result.overlay is None else f'<img alt="overlay" src="{data_url(result.overlay)}">'
    told = prediction(result.prediction) + _line(f"{result.method} for {result.target.label}")
    if result.receipt is not None:
        told += receipt(result.receipt)
    told += "".join(_line(f"warning: {text}") for text in result.warnings)
    return f'<div style="display:flex;gap:1em;align-items:flex-start">{picture}<div>{told}</div></div>'


def prediction(result: Prediction) -> str:
    """Show the classes as a table."""
    return _table(("class", "probability"), [(one.label, f"{one.probability:.3f}") for one in result.top_k])


def receipt(result: Receipt) -> str:
    """Show the verdict, its reason and the panel."""
    rows: list[tuple[str, ...]] = [
        (
            one.name,
            f"{one.auc_morf:.3f}",
            f"{one.auc_lerf:.3f}",
            f"{one.srg:+.3f}",
            "" if one.z_score is None else f"{one.z_score:+.1f}",
        )
        for one in result.operators
    ]
    head = f"<p><b>{escape(result.verdict)}</b>: {escape(result.reason)}</p>"
    return head + _table(("operator", "MoRF", "LeRF", "SRG", "z"), rows)


def data_url(picture: bytes) -> str:
    """Put a PNG or JPEG file into an address; its first bytes say which it is."""
    kind = "jpeg" if picture.startswith(b"\xff\xd8") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _line(text: str) -> str:
    return f"<p>{escape(text)}</p>"
