"""docs/gradients.md lists the operators that have a rule: all of them and no other, with the rules' own formulas."""

from scripts.gradients_page import PAGE, operator_table, written
from service.graphs.step import RULES


def test_the_table_of_operators_is_that_of_the_rules():
    page = PAGE.read_text()
    assert written(page) == page


def test_the_page_holds_the_table():
    """Without its markers the page would be as the script writes it, with no table at all."""
    assert operator_table() in PAGE.read_text()
    assert operator_table().count("\n| ") == len(RULES)
