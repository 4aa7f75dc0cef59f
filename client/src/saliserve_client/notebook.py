"""How results show themselves in a notebook: small HTML without scripts or outside resources."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Row:
    """What is shown of one removal operator."""

    name: str
    auc_morf: float
    auc_lerf: float
    srg: float
    z_score: float | None


def explanation(overlay: bytes | None, told: str) -> str:
    """Show an overlay, and beside it what is told of it, in HTML."""
    picture = "" if overlay is None else f'<img alt="overlay" src="{data_url(overlay)}">'
    return f'<div style="display:flex;gap:1em;align-items:flex-start">{picture}<div>{told}</div></div>'


def prediction(classes: Iterable[tuple[str, float]]) -> str:
    """Show classes with their probabilities as a table."""
    return _table(("class", "probability"), [(label, f"{probability:.3f}") for label, probability in classes])


def receipt(verdict: str, reason: str, operators: Iterable[Row]) -> str:
    """Show the verdict, its reason and the panel."""
    rows: list[tuple[str, ...]] = [
        (
            one.name,
            f"{one.auc_morf:.3f}",
            f"{one.auc_lerf:.3f}",
            f"{one.srg:+.3f}",
            "" if one.z_score is None else f"{one.z_score:+.1f}",
        )
        for one in operators
    ]
    head = f"<p><b>{escape(verdict)}</b>: {escape(reason)}</p>"
    return head + _table(("operator", "MoRF", "LeRF", "SRG", "z"), rows)


def line(text: str) -> str:
    """Show a sentence."""
    return f"<p>{escape(text)}</p>"


def data_url(picture: bytes) -> str:
    """Put a PNG or JPEG file into an address; its first bytes say which it is."""
    kind = "jpeg" if picture.startswith(b"\xff\xd8") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
