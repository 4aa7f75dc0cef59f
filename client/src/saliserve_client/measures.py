"""What a receipt can hold beside its verdict: luck, magnitudes, pixels, stability, repeatability, localisation."""

from __future__ import annotations

from dataclasses import dataclass, field

from saliserve_client.reading import Fields


@dataclass(frozen=True)
class Luck:
    """The map against random maps that are as smooth.

    Args:
        z_score: The map's gain in deviations of theirs.
        p_value: How often one of them would do at least as well.
        maps: Random maps per removal operator.
    """

    z_score: float
    p_value: float
    maps: int


@dataclass(frozen=True)
class Magnitude:
    """The map's sums against what the model loses, under one removal operator.

    Args:
        saco: 1 is perfect, about 0 chance, -1 upside down.
        mu_fidelity: Correlation of sums and losses of random sets of cells, likewise.
        normalised_infidelity: Share of the squared losses that the sums do not account for: 0 is perfect.
    """

    operator: str
    saco: float | None
    mu_fidelity: float | None
    mu_fidelity_rank: float | None
    normalised_infidelity: float | None


@dataclass(frozen=True)
class PixelScore:
    """The curves' areas with every pixel a cell of its own; no verdict is drawn from them."""

    operator: str
    auc_morf: float
    auc_lerf: float
    auc_random: float
    srg: float


@dataclass(frozen=True)
class Stability:
    """How much the map changes when the image hardly does.

    Args:
        max_sensitivity: Largest relative change of the map; 0 is perfectly stable, None for a map of zeros.
        relative_output_stability: Largest relative change of the map per change of the logits.
        radius: Of the l-infinity ball around the image, pixels in [0, 1].
        draws: Images that were tried.
    """

    max_sensitivity: float | None
    relative_output_stability: float | None
    label_changes: int
    radius: float
    draws: int


@dataclass(frozen=True)
class Agreement:
    """Two maps of the same image: rank correlation, and overlap of their highest tenths."""

    spearman: float | None
    top_tenth_overlap: float


@dataclass(frozen=True)
class Repeatability:
    """The same method once more.

    Args:
        second_seed: None for a method that draws nothing.
        second_baseline: None for a method without one baseline.
        baseline: The second one; empty if there is none.
    """

    second_seed: Agreement | None
    second_baseline: Agreement | None
    baseline: str


@dataclass(frozen=True)
class Localisation:
    """Where the map points, against the mask or boxes that were sent; every number's chance level is *chance*."""

    pointing_game: float
    relevance_mass: float | None
    relevance_rank: float
    chance: float


@dataclass(frozen=True)
class Measures:
    """What was asked for; the rest is empty or None."""

    luck: Luck | None = None
    magnitude: tuple[Magnitude, ...] = ()
    pixels: tuple[PixelScore, ...] = ()
    stability: Stability | None = None
    repeatability: Repeatability | None = None
    localisation: Localisation | None = None
    raw: dict[str, object] = field(default_factory=dict, repr=False, compare=False)


def measures(told: Fields) -> Measures:
    """Read a receipt's ``measures``."""
    luck = told.child("luck", optional=True)
    stability = told.child("stability", optional=True)
    repeatability = told.child("repeatability", optional=True)
    localisation = told.child("localisation", optional=True)
    return Measures(
        luck=_luck(luck) if luck.values else None,
        magnitude=tuple(map(_magnitude, told.child("magnitude", optional=True).children("operators"))),
        pixels=tuple(map(_pixels, told.child("pixels", optional=True).children("operators"))),
        stability=_stability(stability) if stability.values else None,
        repeatability=_repeatability(repeatability) if repeatability.values else None,
        localisation=_localisation(localisation) if localisation.values else None,
        raw=dict(told.values),
    )


def _luck(told: Fields) -> Luck:
    return Luck(z_score=told.number("z_score"), p_value=told.number("p_value"), maps=told.count("maps"))


def _magnitude(told: Fields) -> Magnitude:
    return Magnitude(
        operator=told.text("operator"),
        saco=told.optional_number("saco"),
        mu_fidelity=told.optional_number("mu_fidelity"),
        mu_fidelity_rank=told.optional_number("mu_fidelity_rank"),
        normalised_infidelity=told.optional_number("normalised_infidelity"),
    )


def _pixels(told: Fields) -> PixelScore:
    return PixelScore(
        operator=told.text("operator"),
        auc_morf=told.number("auc_morf"),
        auc_lerf=told.number("auc_lerf"),
        auc_random=told.number("auc_random"),
        srg=told.number("srg"),
    )


def _stability(told: Fields) -> Stability:
    return Stability(
        max_sensitivity=told.optional_number("max_sensitivity"),
        relative_output_stability=told.optional_number("relative_output_stability"),
        label_changes=told.count("label_changes"),
        radius=told.number("radius"),
        draws=told.count("draws"),
    )


def _repeatability(told: Fields) -> Repeatability:
    return Repeatability(
        second_seed=_agreement(told.child("second_seed", optional=True)),
        second_baseline=_agreement(told.child("second_baseline", optional=True)),
        baseline=told.text("baseline", default=""),
    )


def _agreement(told: Fields) -> Agreement | None:
    if not told.values:
        return None
    return Agreement(told.optional_number("spearman"), told.number("top_tenth_overlap"))


def _localisation(told: Fields) -> Localisation:
    return Localisation(
        pointing_game=told.number("pointing_game"),
        relevance_mass=told.optional_number("relevance_mass"),
        relevance_rank=told.number("relevance_rank"),
        chance=told.number("chance"),
    )
