from training.report.document import Code, Figure, Heading, Items, Paragraph, Table, to_html, to_markdown

BLOCKS = [
    Heading("a < b"),
    Paragraph("one & two"),
    Items(["x"]),
    Table(("h", "k"), [("1", "<2>")]),
    Code("go"),
    Figure("f.svg", "seen"),
]


def test_markdown_and_html_hold_the_same():
    markdown, page = to_markdown(BLOCKS), to_html("t", BLOCKS)
    for text in ("go", "f.svg", "seen", "x"):
        assert text in markdown
        assert text in page
    assert "| h | k |\n| --- | --- |\n| 1 | <2> |" in markdown


def test_a_bar_in_a_cell_ends_no_cell():
    """`SGT, |g|, half of the pixels` lost all but its first word."""
    assert r"| SGT, \|g\| | 1 |" in to_markdown([Table(("h", "k"), [("SGT, |g|", "1")])])


def test_text_cannot_become_markup():
    page = to_html("<t>", BLOCKS)
    assert "a &lt; b" in page
    assert "<2>" not in page
    assert "<t>" not in page


def test_the_page_loads_nothing_from_elsewhere():
    assert "http" not in to_html("t", BLOCKS)
