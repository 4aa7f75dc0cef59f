"""Tables of a page in Markdown."""

from collections.abc import Iterator, Sequence


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """Write a table, and an empty line after it."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for line in lines:
        yield f"| {' | '.join(line)} |"
    yield ""
