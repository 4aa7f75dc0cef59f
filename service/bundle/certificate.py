"""What a certificate says: whether the maps of a method depend on this model at all (docs/certificates.md)."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, JsonValue, model_validator

from service.bundle.evidence import Count, Part

Outcome: TypeAlias = Literal["pass", "fail", "inconclusive", "not applicable"]
"""Of a check. *Inconclusive*: the interval holds the threshold; more pictures would tell."""

Finding: TypeAlias = Literal["pass", "fail", "inconclusive"]
"""Of all checks together."""

CheckName: TypeAlias = Literal["mprt", "efficient_mprt", "random_logit", "planted_evidence"]

Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Digest: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Check(Part):
    """One check of a method on this model, such as the model parameter randomisation test."""

    verdict: Outcome = Field(description="Outcome.")
    value: Number | None = Field(
        description="What was measured: the mean over the pictures; null if nothing."
    )
    low: Number | None = Field(
        None, description="Lower end of the 95 % bootstrap interval over the pictures."
    )
    high: Number | None = Field(None, description="Upper end of that interval.")
    threshold: Number = Field(description="Where pass and fail part.")
    floor: Number | None = Field(
        None,
        description="The same number where the method can know nothing of the model; null if there is none.",
    )
    count: int = Field(ge=0, description="Pictures, or composites, that were measured.")
    definition: str = Field(
        min_length=1, description="What the value is, and which side of the threshold passes."
    )
    note: str = Field("", description="What a reader of the value must know; empty if nothing.")


class Stage(Part):
    """How alike the maps are after some layers were randomised, averaged over the pictures."""

    layers: int = Field(ge=1, description="Layers randomised, counted from the logits down.")
    lowest: str = Field(min_length=1, description="The lowest of them: the name of its first parameter.")
    rank_correlation: Number = Field(description="Spearman's, of magnitudes.")
    signed_rank_correlation: Number = Field(description="Spearman's, of the maps as they are.")
    structural_similarity: Number = Field(
        description="SSIM of magnitudes, each map scaled to a maximum of 1."
    )


class PictureSet(Part):
    """Which pictures were used. They are not in the bundle."""

    count: Count = Field(description="Number of pictures.")
    sha256: Digest = Field(description="SHA-256 over the sorted SHA-256 of the files.")


class Certificate(Part):
    """The sanity checks of one method on one model."""

    protocol: str = Field(min_length=1, description="Name and version of the procedure.")
    files_sha256: Digest = Field(description="Digest of the weights and graphs that were checked.")
    seed: int = Field(ge=0, description="Of everything random.")
    stages: Count | None = Field(
        None, description="Stages of the cascade asked for; null before this was kept."
    )
    composites: Count | None = Field(None, description="Composites asked for; null before this was kept.")
    parameters: Mapping[str, JsonValue] = Field(description="The method's options, defaults filled in.")
    pictures: PictureSet = Field(description="What it was measured on.")
    verdict: Finding = Field(
        description="fail: some check failed; pass: all that apply passed; inconclusive: anything else."
    )
    reason: str = Field(min_length=1, description="The verdict in a sentence.")
    checks: Mapping[CheckName, Check] = Field(min_length=1, description="Every check.")
    cascade: tuple[Stage, ...] = Field(min_length=1, description="From the fewest layers randomised to all.")
    floor: Stage = Field(
        description="Two networks with all layers randomised, independently: what the picture alone brings about."
    )
    forwards: Count = Field(description="Forward passes spent, those of gradients included.")

    @model_validator(mode="after")
    def _says_what_its_checks_say(self) -> Self:
        if self.verdict != conclude(self.checks):
            raise ValueError(f"verdict is {self.verdict}; the checks give {conclude(self.checks)}")
        return self


def conclude(checks: Mapping[CheckName, Check]) -> Finding:
    """Join the outcomes: one failure fails; every applicable check must pass for a pass.

    Examples:
        >>> one = Check(verdict="pass", value=0, threshold=1, count=9, definition="below passes")
        >>> unknown = one.model_copy(update={"verdict": "not applicable"})
        >>> conclude({"mprt": one, "random_logit": unknown}), conclude({"random_logit": unknown})
        ('pass', 'inconclusive')
    """
    outcomes = {check.verdict for check in checks.values()} - {"not applicable"}
    if "fail" in outcomes:
        return "fail"
    return "pass" if outcomes == {"pass"} else "inconclusive"


def digest_of(files: Mapping[str, str]) -> str:
    """Name weights and graphs by one SHA-256, whatever else their manifest says.

    Args:
        files: SHA-256 of every file by its name.

    Examples:
        >>> digest_of({"a": "0", "b": "1"}) == digest_of({"b": "1", "a": "0"}) != digest_of({"a": "1", "b": "0"})
        True
    """
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
