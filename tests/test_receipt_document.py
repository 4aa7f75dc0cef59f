"""docs/receipt.md: its code runs, its costs and links are true."""

import json
import re
from pathlib import Path

import pytest
from saliserve_client.answers import explanation
from saliserve_client.exchange import Reply

from service.faithfulness.measures.cost import measured_forwards
from service.faithfulness.protocol import FAST, FULL
from tests.client.answers import explain_answer

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "receipt.md").read_text()


def test_its_code_runs(capsys: pytest.CaptureFixture[str]):
    """On two explanations whose receipts are the same."""
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    one = explanation(Reply(200, {}, json.dumps(explain_answer()).encode()))
    exec(compile(code, "receipt.md", "exec"), {"first": one, "second": one})  # noqa: S102 - our own page
    assert capsys.readouterr().out.startswith("None The ranking is not robust")


def test_its_costs_are_those_of_the_code():
    assert f"| forward passes, at most | {FAST.forwards} | {FULL.forwards} |" in PAGE
    for name in ("luck", "magnitude", "pixels"):
        fast, full = (measured_forwards(protocol, [name]) for protocol in (FAST, FULL))
        assert re.search(rf"`{name}` \|.*{fast} with `fast`, {full} with `full`", PAGE), name


def test_its_thresholds_are_those_of_the_code():
    limits = FULL.thresholds
    assert f"p <= {100 * limits.faithful:g} %" in PAGE
    assert f"at least {100 * limits.least_gain:g} % of the probability at stake" in PAGE
    assert f"p > {100 * limits.noticeable / 2:g} %" in PAGE
    assert f"at most {100 * limits.most_trivial:g} % of its ranks" in PAGE


def test_every_local_link_leads_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", PAGE):
        assert (DOCS / target).exists(), target
