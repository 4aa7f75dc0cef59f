"""The measurements that a manifest carries: parity, evaluation, baselines."""

from typing import Annotated, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field

Error: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count: TypeAlias = Annotated[int, Field(ge=1)]


class Part(BaseModel):
    """What all parts of a manifest have in common: they are immutable and accept no unknown field."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ErrorSummary(Part):
    """Errors over several images or directions."""

    median: Error = Field(description="Median error.")
    largest: Error = Field(description="Largest error.")
    count: Count = Field(description="How many errors this summarises.")

    @classmethod
    def of(cls, errors: ArrayLike) -> Self:
        """Summarise errors to three significant digits; further ones differ from machine to machine.

        Examples:
            >>> ErrorSummary.of([1.23456e-6, 3.0, 2e-6])
            ErrorSummary(median=2e-06, largest=3.0, count=3)
        """
        values = np.asarray(errors, np.float64)
        median, largest = (float(f"{value:.2e}") for value in (np.median(values), values.max()))
        return cls(median=median, largest=largest, count=values.size)


class FiniteDifferences(Part):
    """A gradient graph, run in float32, against central differences of the classifier in float64.

    The error of a direction is ``|<gradient, direction> - difference|`` over the norm of the gradient; every
    element of a direction is +1 or -1, so that norm is the root mean square of the derivative over directions.
    Where the classifier has kinks (ReLU, max pooling), float32 may take the other side of one than float64
    does, and the error of a right gradient is then 1e-3 rather than 1e-6.
    """

    errors: ErrorSummary = Field(description="Relative errors over images and directions, at the best step.")
    step: float = Field(
        gt=0, description="The step with the smallest median error; for an image in pixel units [0, 1]."
    )
    steps: tuple[float, ...] = Field(min_length=1, description="All steps that were tried.")


class FrameworkParity(Part):
    """The graphs, run in float32, against the framework that made the model, in float64 on the same images."""

    framework: str = Field(min_length=1, description="Name and version, such as `PyTorch 2.14.1`.")
    logits: ErrorSummary = Field(description="Largest absolute error of an image's logits.")
    own_logits: ErrorSummary = Field(description="The same error of the framework itself in float32.")
    gradient: ErrorSummary | None = Field(
        None, description="L2 norm of the error of an image's gradient over the L2 norm of the gradient."
    )
    own_gradient: ErrorSummary | None = Field(
        None, description="The same error of the framework itself in float32."
    )


class Parity(Part):
    """How closely the bundle's graphs reproduce what they were made from."""

    outputs: ErrorSummary = Field(
        description="classify.onnx against the original file, both in float32 on the same ONNX Runtime: largest "
        "absolute difference of an image's logits, or of its probabilities if the file ends in those."
    )
    gradient: FiniteDifferences | None = Field(
        None, description="gradient.onnx. Null if there is none, or if it was not checked."
    )
    feature_gradient: FiniteDifferences | None = Field(
        None, description="features.onnx. Null if there is none, or if it was not checked."
    )
    why_unchecked: str = Field(
        "", description="Why there are no finite differences for a graph that is there; empty if there are."
    )
    framework: FrameworkParity | None = Field(
        None, description="Null if the bundle was built without the framework."
    )


class RobustAccuracy(Part):
    """Accuracy under an attack."""

    attack: str = Field(min_length=1, description="Attack and its settings.")
    epsilon: float = Field(ge=0, le=1, description="Largest change of a pixel, in pixel units [0, 1].")
    accuracy: Share = Field(description="Share of images still classified as labelled.")


class Evaluation(Part):
    """How well the model classifies data that it was not trained on."""

    data: str = Field(min_length=1, description="Data set and split.")
    images: Count = Field(description="Number of images.")
    accuracy: Share = Field(description="Share of images whose top class is the label.")
    top_5_accuracy: Share | None = Field(None, description="Share of images with the label in the top five.")
    expected_calibration_error: Share | None = Field(
        None, description="Mean gap between confidence and accuracy over 15 equal-width bins of confidence."
    )
    robust_accuracy: tuple[RobustAccuracy, ...] = Field((), description="Accuracy under attacks.")


class BaselineAudit(Part):
    """What the model says of an image that is nothing but a baseline, averaged where it is random."""

    neutral: bool = Field(description="Whether no class stands out.")
    predicted_class: int = Field(ge=0, description="Index of the most probable class.")
    largest_probability: Share = Field(description="Probability of that class.")
    entropy_share: Share = Field(description="Entropy of the probabilities over its maximum, log(classes).")
