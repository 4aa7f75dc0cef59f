"""The page about a model that people read, generated from its manifest."""

from collections.abc import Iterable, Iterator
from typing import get_args

from service.bundle.certificate import Check, CheckName
from service.bundle.evidence import ErrorSummary, Evaluation, Parity
from service.bundle.manifest import Manifest
from service.imaging.resize import CenterCrop, Pad, ResizePolicy

CHECKS: tuple[CheckName, ...] = get_args(CheckName)

FEW = 12
"""Class names that fit into a line; more are counted."""


def card_of(manifest: Manifest) -> str:
    """Write the card of a model, in Markdown.

    Args:
        manifest: What the model says about itself; nothing else enters.

    Returns:
        The page; the same manifest gives the same bytes.
    """
    sections = [
        _summary(manifest),
        _terms(manifest),
        _training(manifest),
        _explanations(manifest),
        _parity(manifest.parity),
        _evaluation(manifest.evaluation),
        _certificates(manifest),
        _baselines(manifest),
        _files(manifest),
    ]
    note = "Generated from `manifest.json` by `python -m service.bundle card`; edits are overwritten."
    parts = [f"# {manifest.name} {manifest.version}", *("\n".join(section) for section in sections), note]
    return "\n\n".join(parts) + "\n"


def _summary(manifest: Manifest) -> Iterator[str]:
    size = f"{manifest.input.height} x {manifest.input.width}"
    yield f"- Task: {manifest.task}, {len(manifest.classes)} classes{_named(manifest.classes)}"
    yield f"- Input: RGB in [0, 1], {size} pixels; {_resizing(manifest.input.resize)}"
    yield f"- Built: {manifest.created:%Y-%m-%d}, ONNX opset {manifest.opset}"


def _named(classes: tuple[str, ...]) -> str:
    return "" if len(classes) > FEW else f": {', '.join(classes)}"


def _resizing(policy: ResizePolicy) -> str:
    how = f"{policy.interpolation} (Pillow, antialiased)" if policy.interpolation != "nearest" else "nearest"
    match policy:
        case CenterCrop():
            return f"the central {policy.fraction:.4g} of a picture is scaled to it, {how}"
        case Pad():
            return f"a picture is scaled to fit and padded with RGB {policy.fill}, {how}"
        case _:
            return f"a picture is stretched to it, {how}"


def _terms(manifest: Manifest) -> Iterator[str]:
    source = manifest.source
    yield "## Source and licence\n"
    yield f"- Weights: {source.origin}"
    yield f"- Licence: {source.licence}"
    if source.classes_origin:
        yield f"- Class names: {source.classes_origin}"
    yield f"- Built from `{source.file}`, SHA-256 `{source.sha256}`"
    if manifest.tools:
        yield f"- Built with {', '.join(f'{name} {version}' for name, version in manifest.tools.items())}"


def _training(manifest: Manifest) -> Iterator[str]:
    yield "## Training\n"
    provenance = manifest.provenance
    if provenance is None:
        yield "Not recorded: the model was brought as an ONNX file."
        return
    seed = "not recorded" if provenance.seed is None else str(provenance.seed)
    yield f"- Arm: {provenance.arm}; data: {provenance.data}; seed: {seed}; code: {provenance.code_version}"
    for name, value in provenance.hyper_parameters.items():
        yield f"- {name}: {value}"


def _explanations(manifest: Manifest) -> Iterator[str]:
    yield "## Explanations\n"
    if manifest.gradient.available:
        yield "- Gradients with respect to the image: available"
    else:
        yield f"- Gradients with respect to the image: off. {manifest.gradient.reason}"
    if manifest.features.available:
        yield f"- Class activation maps: available, at `{manifest.features.layer}`"
    else:
        yield f"- Class activation maps: off. {manifest.features.reason}"
    yield "- Methods that only perturb the image work in any case."


def _parity(parity: Parity) -> Iterator[str]:
    yield "## Parity\n"
    yield "| what | against | median error | largest | count |"
    yield "|---|---|---|---|---|"
    yield _row("outputs, absolute", "the original file, float32", parity.outputs)
    for name, found in (("gradient", parity.gradient), ("feature gradient", parity.feature_gradient)):
        if found is not None:
            yield _row(f"{name}, relative", f"differences in float64, step {found.step:g}", found.errors)
    framework = parity.framework
    if framework is None:
        return
    rows = [
        ("logits, absolute", framework.logits, framework.own_logits),
        ("gradient, relative L2", framework.gradient, framework.own_gradient),
    ]
    for what, ours, own in rows:
        if ours is not None and own is not None:
            yield _row(what, f"{framework.framework}, float64", ours)
            yield _row(f"{what}: its own in float32", f"{framework.framework}, float64", own)


def _row(what: str, against: str, errors: ErrorSummary) -> str:
    return f"| {what} | {against} | {errors.median:.1e} | {errors.largest:.1e} | {errors.count} |"


def _evaluation(evaluation: Evaluation | None) -> Iterator[str]:
    yield "## Evaluation\n"
    if evaluation is None:
        yield "Not measured."
        return
    yield f"- Data: {evaluation.data}, {evaluation.images} images"
    yield f"- Accuracy: {evaluation.accuracy:.2%}"
    if evaluation.top_5_accuracy is not None:
        yield f"- Label among the top five: {evaluation.top_5_accuracy:.2%}"
    if evaluation.expected_calibration_error is not None:
        yield f"- Expected calibration error: {evaluation.expected_calibration_error:.2%}"
    for robust in evaluation.robust_accuracy:
        yield f"- Accuracy under {robust.attack}, epsilon {robust.epsilon:.4g}: {robust.accuracy:.2%}"


def _certificates(manifest: Manifest) -> Iterator[str]:
    yield "## Certificates\n"
    if not manifest.certificates:
        yield "Not certified: no method was checked on this model."
        return
    yield "| method | verdict | randomised layers | its entropy | another class | planted evidence |"
    yield "|---|---|---|---|---|---|"
    for method, certificate in manifest.certificates.items():
        cells = [_check(certificate.checks.get(name)) for name in CHECKS]
        yield f"| {method} | {certificate.verdict} | {' | '.join(cells)} |"
    some = next(iter(manifest.certificates.values()))
    yield f"\nOn {some.pictures.count} pictures; docs/certificates.md says what the numbers mean."


def _check(check: Check | None) -> str:
    if check is None or check.value is None:
        return "-" if check is None else check.verdict
    return f"{check.verdict} ({check.value:.2f})"


def _baselines(manifest: Manifest) -> Iterator[str]:
    yield "## Baselines\n"
    lines = [
        f"- {name}: {'neutral' if audit.neutral else 'not neutral'}, "
        f"{audit.largest_probability:.2%} {manifest.classes[audit.predicted_class]}"
        for name, audit in manifest.baselines.items()
    ]
    yield from lines or ["Not measured."]


def _files(manifest: Manifest) -> Iterable[str]:
    yield "## Files\n"
    yield "| file | bytes | SHA-256 |"
    yield "|---|---|---|"
    for name, entry in manifest.files.items():
        yield f"| {name} | {entry.bytes} | `{entry.sha256}` |"
