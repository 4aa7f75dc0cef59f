"""Certify one method on one model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.arrays import Image, SaliencyMap
from service.bundle.certificate import Certificate, Check, CheckName, PictureSet, Stage, conclude
from service.certificate.checks import MOST_ALIKE, MOST_ALIKE_CLASSES, explained, judge, short, unmeasured
from service.certificate.complexity import relative_rise
from service.certificate.mosaic import Composite, area_share, mass_in
from service.certificate.similarity import rank_correlation, structural_similarity
from service.certificate.variants import Randomised, Variants
from service.explain.method import Method, Parameters
from service.explain.subject import Subject
from service.faithfulness.streams import stream
from service.runtime.drive import drive
from service.runtime.model import LoadedModel

PROTOCOL = "certificate 1"

_BINARY = 2

DEFINITIONS: Mapping[CheckName, str] = {
    "mprt": "Spearman's rank correlation of the magnitudes of the map and of that after randomising layers from the "
    "logits down, averaged over the stages of the cascade. Below the threshold passes; the floor is that of two "
    "networks randomised completely.",
    "efficient_mprt": "Relative rise of the entropy of the map's histogram (100 bins) when all layers are randomised. "
    "Above the threshold passes.",
    "random_logit": "Spearman's rank correlation of the map for the predicted class and of that for another class, "
    "drawn at random. Below the threshold passes; the floor is that of two networks randomised completely.",
    "planted_evidence": "Share of the map's positive part in the quadrant with the explained class, less the larger of "
    "the quadrant's share of the area and of what the same method puts there when all layers are randomised (the "
    "floor). Above the threshold passes.",
}
"""What each check's value is."""


@dataclass(frozen=True, slots=True)
class Study:
    """What is the same for all methods.

    Args:
        variants: The model, and the same with layers randomised.
        images: ``[3, H, W]`` each.
        classes: What the model takes each image for.
        composites: Images with planted evidence.
        tried: How many composites were tried for them.
        pictures: What the manifest keeps of the pictures.
        seed: Of everything random.
    """

    variants: Variants
    images: tuple[Image, ...]
    classes: tuple[int, ...]
    composites: tuple[Composite, ...]
    tried: int
    pictures: PictureSet
    seed: int


class _Explainer:
    """Makes the maps of a method, and counts what they cost."""

    def __init__(self, method: Method, parameters: Parameters, seed: int) -> None:
        self._method = method
        self._parameters = parameters
        self._seed = seed
        self.forwards = 0

    def __call__(self, model: LoadedModel, image: Image, target: int) -> SaliencyMap:
        subject = Subject.of(model, image, target=target, seed=self._seed)
        explanation = drive(self._method.plan(subject, self._parameters), model)
        self.forwards += explanation.forwards
        return explanation.map


def examine(
    method: Method,
    parameters: Parameters,
    study: Study,
    *,
    files_sha256: str,
    report: Callable[[str], None] = lambda _: None,
) -> Certificate:
    """Run all checks of a method.

    Args:
        method: Any, also one that is not served.
        parameters: With which options.
        study: Of which model.
        files_sha256: What the certificate is bound to.
        report: Told of every stage.

    Raises:
        ExplanationError: A map is not finite.
    """
    explainer = _Explainer(method, parameters, study.seed)
    report("the trained network")
    own = _maps(explainer, study.variants.trained, study)
    blanks = []
    for variant in study.variants.cascade:
        report(f"{variant.layers} layers randomised")
        blanks.append(_maps(explainer, variant.model, study))
    report("a second network with all layers randomised")
    other = _maps(explainer, study.variants.other.model, study)
    kept = [index for index, saliency in enumerate(own) if np.ptp(saliency) > 0]
    flat = sum(np.ptp(blanks[-1][index]) == 0 for index in kept)
    maps = _Maps(own, blanks, other, tuple(kept), _flat(len(own) - len(kept), int(flat), len(own)))
    report("another class")
    flipped = _flipped(explainer, study, maps)
    report(f"{len(study.composites)} composites")
    checks: dict[CheckName, Check] = {
        "mprt": _mprt(maps, study),
        "efficient_mprt": _efficient_mprt(maps, study),
        "random_logit": flipped,
        "planted_evidence": _planted(explainer, study),
    }
    return Certificate(
        protocol=PROTOCOL,
        files_sha256=files_sha256,
        seed=study.seed,
        parameters=parameters.model_dump(mode="json"),
        pictures=study.pictures,
        verdict=conclude(checks),
        reason=explained(checks),
        checks=checks,
        cascade=tuple(
            _stage(variant, maps, stage)
            for variant, stage in zip(study.variants.cascade, maps.cascade, strict=True)
        ),
        floor=_floor(study.variants.other, maps),
        forwards=explainer.forwards,
    )


@dataclass(frozen=True, slots=True)
class _Maps:
    """Maps of every picture.

    Args:
        own: Of the trained network.
        cascade: Of every stage.
        other: Of the second network without any knowledge.
        kept: Pictures whose own map is not the same everywhere.
        note: What was left out; empty if nothing.
    """

    own: Sequence[SaliencyMap]
    cascade: Sequence[Sequence[SaliencyMap]]
    other: Sequence[SaliencyMap]
    kept: tuple[int, ...]
    note: str


def _maps(explainer: _Explainer, model: LoadedModel, study: Study) -> list[SaliencyMap]:
    return [
        explainer(model, image, target) for image, target in zip(study.images, study.classes, strict=True)
    ]


def _flat(own: int, blank: int, count: int) -> str:
    parts = []
    if own:
        parts.append(f"{own} of {count} maps are the same everywhere and were left out")
    if blank:
        parts.append(
            f"{blank} of {count} maps of the randomised network are the same everywhere and count as uncorrelated"
        )
    return "; ".join(parts)


def _mprt(maps: _Maps, study: Study) -> Check:
    alike = [
        float(np.mean([_magnitudes(maps.own[index], stage[index]) for stage in maps.cascade]))
        for index in maps.kept
    ]
    return judge(
        alike,
        stream(study.seed, "mprt"),
        threshold=MOST_ALIKE,
        above_passes=False,
        floor=_mean([_magnitudes(maps.cascade[-1][index], maps.other[index]) for index in maps.kept]),
        definition=DEFINITIONS["mprt"],
        note=maps.note,
    )


def _efficient_mprt(maps: _Maps, study: Study) -> Check:
    rises = [relative_rise(maps.own[index], maps.cascade[-1][index]) for index in maps.kept]
    return judge(
        [rise for rise in rises if rise is not None],
        stream(study.seed, "efficient_mprt"),
        threshold=0,
        above_passes=True,
        floor=None,
        definition=DEFINITIONS["efficient_mprt"],
        note=maps.note,
    )


def _flipped(explainer: _Explainer, study: Study, maps: _Maps) -> Check:
    """Compare with the map of another class.

    Where there are two, a magnitude may rightly be the same for both: one logit can be the other's negative.
    """
    classes = len(study.variants.trained.classes)
    unsigned = all(bool((maps.own[index] >= 0).all()) for index in maps.kept)
    definition = DEFINITIONS["random_logit"]
    if classes == 1 or (classes == _BINARY and unsigned):
        note = "there is one class" if classes == 1 else "there are two classes and the map has no sign"
        return unmeasured("not applicable", threshold=MOST_ALIKE_CLASSES, definition=definition, note=note)
    random = stream(study.seed, "random_logit")
    alike = []
    for index in maps.kept:
        target = study.classes[index]
        another = (target + int(random.integers(1, classes))) % classes
        flipped = explainer(study.variants.trained, study.images[index], another)
        alike.append(rank_correlation(maps.own[index], flipped))
    return judge(
        alike,
        random,
        threshold=MOST_ALIKE_CLASSES,
        above_passes=False,
        floor=_mean([rank_correlation(maps.cascade[-1][index], maps.other[index]) for index in maps.kept]),
        definition=definition,
        note=maps.note,
    )


def _planted(explainer: _Explainer, study: Study) -> Check:
    definition = DEFINITIONS["planted_evidence"]
    if not study.composites:
        note = (
            "all pictures are of one class to the model"
            if study.tried == 0
            else f"in none of {study.tried} composites did the model find the planted evidence"
        )
        return unmeasured("not applicable", threshold=0, definition=definition, note=note)
    gains, masses, floors = [], [], []
    for one in study.composites:
        mass, blank = (
            mass_in(explainer(model, one.pixels, one.target), one.quadrant)
            for model in (study.variants.trained, study.variants.blank.model)
        )
        gains.append(mass - max(blank, area_share(one.quadrant, *one.pixels.shape[1:])))
        masses.append(mass)
        floors.append(blank)
    return judge(
        gains,
        stream(study.seed, "planted_evidence"),
        threshold=0,
        above_passes=True,
        floor=_mean(floors),
        definition=definition,
        note=f"{np.mean(masses):.2f} of the map lies in the planted quadrant; the model found the evidence in "
        f"{len(study.composites)} of {study.tried} composites",
    )


def _stage(variant: Randomised, maps: _Maps, stage: Sequence[SaliencyMap]) -> Stage:
    return _alike(variant, [(maps.own[index], stage[index]) for index in maps.kept])


def _floor(variant: Randomised, maps: _Maps) -> Stage:
    return _alike(variant, [(maps.cascade[-1][index], maps.other[index]) for index in maps.kept])


def _alike(variant: Randomised, pairs: Sequence[tuple[SaliencyMap, SaliencyMap]]) -> Stage:
    return Stage(
        layers=variant.layers,
        lowest=variant.lowest,
        rank_correlation=short(_mean([_magnitudes(*pair) for pair in pairs]) or 0.0),
        signed_rank_correlation=short(_mean([rank_correlation(*pair) for pair in pairs]) or 0.0),
        structural_similarity=short(_mean([structural_similarity(*pair) for pair in pairs]) or 0.0),
    )


def _magnitudes(first: SaliencyMap, second: SaliencyMap) -> float:
    return rank_correlation(np.abs(first), np.abs(second))


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None
