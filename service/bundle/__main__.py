"""Build, rebuild, verify, describe and certify bundles: ``python -m service.bundle --help``.

A program, not a part of the package: it alone may import what is above ``service.bundle``.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from service.bundle.arguments import parse, recipe_of
from service.bundle.build import Oracles, build_bundle
from service.bundle.card import card_of
from service.bundle.load import Bundle, load_bundle
from service.bundle.manifest import CARD, MANIFEST, first_problem, read_manifest
from service.bundle.rebuild import rebuild_bundle
from service.certificate.certify import Effort, certify
from service.errors import SaliserveError
from service.runtime.device import choose_device


def main(arguments: Sequence[str]) -> int:
    """Run a command.

    Args:
        arguments: The command line, without the program.

    Returns:
        0 if all went well, 1 if the model or the bundle cannot be used; a wrong command line exits with 2.
    """
    given = parse(arguments)
    try:
        match given.command:
            case "build":
                oracles = Oracles(directions=given.directions)
                bundle = build_bundle(
                    given.model,
                    recipe_of(given),
                    given.out,
                    oracles=oracles,
                    force=given.force,
                    report=_report,
                )
                _describe(bundle)
            case "rebuild":
                _describe(
                    rebuild_bundle(
                        given.folder, extras=given.extra, directions=given.directions, report=_report
                    )
                )
            case "verify":
                _describe(load_bundle(given.folder))
                _compare_card(given.folder)
            case "card":
                _write_card(given.folder)
            case "certify":
                _certify(given)
    except SaliserveError as error:
        return _fail(error.detail, error.code)
    except ValidationError as error:
        return _fail(first_problem(error), "bundle_build_error")
    return 0


def _certify(given: argparse.Namespace) -> None:
    begin = time.monotonic()
    bundle = certify(
        given.folder,
        given.pictures,
        choose_device(given.provider, threads=given.threads),
        methods=given.methods,
        effort=Effort(given.count, given.composites, given.stages, given.seed),
        force=given.force,
        report=lambda stage: _report(f"{time.monotonic() - begin:7.1f} s  {stage}"),
    )
    for name, certificate in bundle.manifest.certificates.items():
        print(f"{name}: {certificate.verdict}. {certificate.reason}")
    _describe(bundle)


def _report(stage: str) -> None:
    print(f"  {stage}", file=sys.stderr, flush=True)


def _fail(detail: str, code: str) -> int:
    print(f"error ({code}): {detail}", file=sys.stderr)
    return 1


def _describe(bundle: Bundle) -> None:
    manifest = bundle.manifest
    size = sum(entry.bytes for entry in manifest.files.values())
    print(f"{bundle.folder}: {manifest.name} {manifest.version}, {size / 1e6:.1f} MB, sha256 {bundle.sha256}")
    print(
        f"  {len(manifest.classes)} classes, {manifest.input.height} x {manifest.input.width}, opset {manifest.opset}"
    )
    for what, graph in (("gradient", manifest.gradient), ("features", manifest.features)):
        print(f"  {what}: {'available' if graph.available else graph.reason}")


def _compare_card(folder: Path) -> None:
    card = folder / CARD
    if not card.is_file() or card.read_text(encoding="utf-8") != card_of(read_manifest(folder / MANIFEST)):
        print(
            f"  {CARD} does not say what the manifest says; `python -m service.bundle card {folder}` writes it"
        )


def _write_card(folder: Path) -> None:
    (folder / CARD).write_text(card_of(read_manifest(folder / MANIFEST)), encoding="utf-8")
    print(folder / CARD)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
