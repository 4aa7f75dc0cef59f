"""Measure freshly made graphs, and withdraw a gradient that finite differences contradict."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from onnx import ModelProto

from service.bundle.evidence import FiniteDifferences, FrameworkParity, Parity
from service.bundle.framework import Framework, compare_with_framework
from service.bundle.graphs import Graphs
from service.bundle.original import OriginalClassifier
from service.bundle.parity import (
    Effort,
    check_feature_gradient,
    check_image_gradient,
    compare_outputs,
    is_finite,
)
from service.bundle.recipe import Recipe
from service.errors import GraphError
from service.graphs.session import open_session

LARGEST_GRADIENT_ERROR = 0.05
"""Median relative error against finite differences above which a gradient is taken for wrong. A right one is below
1e-2 even where float32 takes the other side of many kinks; a wrong rule anywhere on the path gives about 1."""

NOT_FINITE = "wrong: it holds NaN or infinity, as where a root is taken or divided by 0"
"""Of a gradient that no map could be drawn from."""

Report: TypeAlias = Callable[[str], None]
"""Told what is going on, in one line each time."""


def measure(
    graphs: Graphs,
    original: ModelProto,
    recipe: Recipe,
    *,
    effort: Effort,
    framework: Framework | None,
    report: Report,
) -> tuple[Graphs, Parity]:
    """Compare the graphs with the original file, with finite differences and with the framework.

    Args:
        graphs: The graphs under test.
        original: The file they were made from.
        recipe: How they were made.
        effort: Images, and how many directions of finite differences to try on them.
        framework: The model in its framework, if there is one.
        report: Told of every stage.

    Returns:
        The graphs, without those that failed, and the figures.

    Raises:
        BundleBuildError: The classifier itself differs from the original.
        GraphError: ONNX Runtime cannot run a graph.
    """
    outputs = compare_outputs(
        OriginalClassifier(original, recipe.preprocessing, recipe.output, recipe.axes),
        open_session(graphs.classify, optimise=True),
        effort.images,
        ends_in_probabilities=recipe.ends_in_probabilities,
    )
    report(f"outputs differ from the original file's by at most {outputs.largest:.1e}")
    graphs, differences = check(graphs, effort, report)
    compared = None if framework is None else _compare(graphs, framework, effort, report)
    return graphs, Parity(
        outputs=outputs,
        gradient=differences.gradient,
        feature_gradient=differences.feature_gradient,
        why_unchecked=differences.why_unchecked,
        framework=compared,
    )


@dataclass(frozen=True, slots=True)
class Differences:
    """What finite differences said of the differentiated graphs.

    Args:
        gradient: Of ``gradient.onnx``; None if there is none, or if it was not checked.
        feature_gradient: Of ``features.onnx``, likewise.
        why_unchecked: Why a graph that is there was not checked; empty if it was.
    """

    gradient: FiniteDifferences | None = None
    feature_gradient: FiniteDifferences | None = None
    why_unchecked: str = ""


def check(graphs: Graphs, effort: Effort, report: Report) -> tuple[Graphs, Differences]:
    """Check both differentiated graphs; what cannot be checked is kept and said to be unchecked.

    One that does not run or is not finite is dropped, whether or not it is compared with differences.

    Args:
        graphs: The graphs under test.
        effort: Images, and how many directions of finite differences to try on them.
        report: Told of every stage.

    Returns:
        The graphs, without those that finite differences contradict, and the figures.
    """
    graphs = _usable(graphs, effort)
    if graphs.gradient is None and graphs.features is None:
        return graphs, Differences()
    if not effort.directions:
        return graphs, Differences(why_unchecked="switched off")
    report(f"checking gradients with {effort.passes} passes in float64")
    try:
        return _withdraw(graphs, _differences(graphs, effort), report)
    except GraphError as error:
        report(f"gradients are not checked: {error.detail}")
        return graphs, Differences(why_unchecked=error.detail)


def _usable(graphs: Graphs, effort: Effort) -> Graphs:
    """Drop the graphs that do not run, or give numbers which are none."""
    why = "" if graphs.gradient is None else _why_unusable(graphs.gradient, "gradient", effort)
    if why:
        graphs = replace(graphs, gradient=None, why_no_gradient=why)
    why = "" if graphs.features is None else _why_unusable(graphs.features, "feature_gradient", effort)
    if why:
        graphs = replace(graphs, features=None, why_no_features=why)
    return graphs


def _why_unusable(derivative: ModelProto, output: str, effort: Effort) -> str:
    try:
        return "" if is_finite(derivative, output, effort) else NOT_FINITE
    except GraphError as error:
        return error.detail


def _differences(graphs: Graphs, effort: Effort) -> Differences:
    gradient = features = None
    if graphs.gradient is not None:
        gradient = check_image_gradient(graphs.classify, graphs.gradient, effort)
    if graphs.features is not None:
        features = check_feature_gradient(graphs.features, effort)
    return Differences(gradient, features)


def _withdraw(graphs: Graphs, found: Differences, report: Report) -> tuple[Graphs, Differences]:
    """Drop the graphs that finite differences contradict."""
    if found.gradient is not None:
        report(f"gradient: {_figures(found.gradient)}")
        if found.gradient.errors.median > LARGEST_GRADIENT_ERROR:
            graphs = replace(graphs, gradient=None, why_no_gradient=f"wrong: {_figures(found.gradient)}")
            found = replace(found, gradient=None)
    if found.feature_gradient is not None:
        report(f"gradient for {graphs.feature_layer}: {_figures(found.feature_gradient)}")
        if found.feature_gradient.errors.median > LARGEST_GRADIENT_ERROR:
            why = f"wrong: {_figures(found.feature_gradient)}"
            graphs = replace(graphs, features=None, why_no_features=why)
            found = replace(found, feature_gradient=None)
    return graphs, found


def _compare(graphs: Graphs, framework: Framework, effort: Effort, report: Report) -> FrameworkParity:
    compared = compare_with_framework(
        framework,
        open_session(graphs.classify, optimise=True),
        None if graphs.gradient is None else open_session(graphs.gradient, optimise=True),
        effort.images,
    )
    report(f"logits differ from {compared.framework} in float64 by at most {compared.logits.largest:.1e}")
    return compared


def _figures(found: FiniteDifferences) -> str:
    errors = found.errors
    return (
        f"median relative error {errors.median:.1e}, largest {errors.largest:.1e}, against central differences in "
        f"{errors.count} directions"
    )
