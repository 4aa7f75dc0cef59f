"""docs/certificates.md: its table says what the bundled manifests say, and its links lead somewhere."""

import re
from pathlib import Path

from service.bundle.certificate import Certificate
from service.bundle.manifest import MANIFEST, read_manifest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "certificates.md").read_text()
MODELS = {
    "EfficientNet-Lite0": "imagenet-efficientnet-lite0",
    "CIFAR-10 standard": "cifar10-standard",
    "CIFAR-10 SCAAT": "cifar10-scaat",
    "blood smear standard": "blood-smear-standard",
    "blood smear SCAAT": "blood-smear-scaat",
}


def _table() -> dict[tuple[str, str], str]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines()]
    head = next(cells for cells in lines if cells[:2] == ["method", "EfficientNet-Lite0"])
    rows = [cells for cells in lines if len(cells) == len(head) and cells[0].startswith("`")]
    return {
        (row[0].strip("`"), title): cell
        for row in rows
        for title, cell in zip(head[1:], row[1:], strict=True)
        if title in MODELS
    }


def _cell(certificate: Certificate | None) -> str:
    if certificate is None:
        return "not certified"
    if certificate.verdict == "pass":
        return "pass"
    told = {"fail": "**fail**", "inconclusive": "inconclusive"}[certificate.verdict]
    named = [name for name, check in certificate.checks.items() if check.verdict == certificate.verdict]
    return f"{told}: {', '.join(named)}"


def test_its_table_is_what_the_manifests_say():
    told = _table()
    manifests = {
        title: read_manifest(ROOT / "models" / name / "1" / MANIFEST) for title, name in MODELS.items()
    }
    certified = {method for manifest in manifests.values() for method in manifest.certificates}

    assert {method for method, _ in told} == certified
    for (method, title), cell in told.items():
        assert cell == _cell(manifests[title].certificates.get(method)), (method, title)


def test_every_bundled_certificate_says_how_much_was_measured():
    """Without that a run that goes on would make all of them again."""
    for name in MODELS.values():
        for method, one in read_manifest(ROOT / "models" / name / "1" / MANIFEST).certificates.items():
            assert one.stages, (name, method)
            assert one.composites, (name, method)


def test_every_local_link_leads_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
