"""A report as blocks, written as Markdown and as HTML from the same source."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the title."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list of sentences."""

    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Code:
    """Commands."""

    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture file beside the report."""

    file: str
    caption: str


Block: TypeAlias = Heading | Paragraph | Items | Table | Code | Figure

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}td,th{border:1px solid #bbb;padding:.2rem .5rem;"
    "text-align:left}img{max-width:100%}pre{background:#f4f4f4;padding:.6rem;overflow-x:auto}"
)


def to_markdown(blocks: Sequence[Block]) -> str:
    """Write Markdown.

    Examples:
        >>> print(to_markdown([Heading("A", 1), Items(["one", "two"])]))
        # A
        <BLANKLINE>
        - one
        - two
        <BLANKLINE>
    """
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """Write one HTML page that loads nothing but the figures beside it."""
    body = "\n".join(_html(block) for block in blocks)
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def _markdown(block: Block) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {block.text}"
        case Paragraph():
            return block.text
        case Items():
            return "\n".join(f"- {text}" for text in block.texts)
        case Table():
            lines = [block.header, ["---"] * len(block.header), *block.rows]
            cells = [[cell.replace("|", r"\|") for cell in line] for line in lines]
            return "\n".join("| " + " | ".join(line) + " |" for line in cells)
        case Code():
            return f"```\n{block.text}\n```"
        case Figure():
            return f"![{block.caption}]({block.file})"


def _html(block: Block) -> str:
    match block:
        case Heading():
            return f"<h{block.level}>{html.escape(block.text)}</h{block.level}>"
        case Paragraph():
            return f"<p>{html.escape(block.text)}</p>"
        case Items():
            return "<ul>" + "".join(f"<li>{html.escape(text)}</li>" for text in block.texts) + "</ul>"
        case Table():
            head = "".join(f"<th>{html.escape(cell)}</th>" for cell in block.header)
            rows = "".join(
                "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
                for row in block.rows
            )
            return f"<table><tr>{head}</tr>{rows}</table>"
        case Code():
            return f"<pre>{html.escape(block.text)}</pre>"
        case Figure():
            caption = html.escape(block.caption)
            return f'<figure><img src="{html.escape(block.file)}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
