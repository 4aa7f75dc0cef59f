"""Make the graphs of a bundle from an ONNX classifier."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from onnx import ModelProto

from service.bundle.audit import STANDARD_DOMAINS
from service.bundle.manifest import ATTENTION, CLASSIFY, EXTRAS, FEATURES, GRADIENT, GUIDED, Task
from service.bundle.metadata import drop_metadata
from service.bundle.original import last_operator
from service.bundle.recipe import Recipe
from service.errors import BundleBuildError, GraphError
from service.graphs.attention import attention_graph
from service.graphs.differentiate import features_graph, gradient_graph
from service.graphs.guided import guided_graph
from service.graphs.layers import PREFIX as MAP_PREFIX
from service.graphs.prepare import prepare


@dataclass(frozen=True, slots=True)
class Graphs:
    """What was made, and why not more.

    Args:
        classify: ``image -> logits``.
        gradient: Also ``gradient``; None if the classifier cannot be differentiated.
        features: Also ``features`` and ``feature_gradient``; None likewise.
        why_no_gradient: Empty if there is one.
        why_no_features: Empty if there are.
        extras: Graphs that were asked for beyond these, by file name.
    """

    classify: ModelProto
    gradient: ModelProto | None = None
    features: ModelProto | None = None
    why_no_gradient: str = ""
    why_no_features: str = ""
    extras: Mapping[str, ModelProto] = field(default_factory=dict)

    @property
    def by_file(self) -> dict[str, ModelProto]:
        """The graphs that there are, by file name."""
        graphs = {CLASSIFY: self.classify, GRADIENT: self.gradient, FEATURES: self.features, **self.extras}
        return {name: model for name, model in graphs.items() if model is not None}

    @property
    def opset(self) -> int:
        """The one operator set of all graphs."""
        return int(self.classify.opset_import[0].version)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        axes = self.classify.graph.input[0].type.tensor_type.shape.dim
        return axes[2].dim_value, axes[3].dim_value

    @property
    def feature_layer(self) -> str:
        """The classifier's tensor that ``features.onnx`` differentiates for; empty if there is none."""
        if self.features is None:
            return ""
        producers = {name: node for node in self.features.graph.node for name in node.output}
        layer = producers["features"].input[0]
        while layer.startswith(f"{MAP_PREFIX}/"):  # on the way from tokens to a map
            layer = producers[layer].input[0]
        return str(layer)


def make_classifier(model: ModelProto, recipe: Recipe) -> Graphs:
    """Bring a classifier to the form of ``classify.onnx``.

    Args:
        model: The file's content, weights inside.
        recipe: What the file does not say.

    Returns:
        The classifier, not differentiated yet.

    Raises:
        GraphError: The file is no image classifier that ONNX Runtime can run.
        BundleBuildError: It uses operators that are not standard, has another number of classes, or ends in
            probabilities of another task.
    """
    classify = prepare(
        model,
        mean=recipe.preprocessing.mean,
        std=recipe.preprocessing.std,
        size=recipe.size,
        axes=recipe.axes,
        ends_in_probabilities=recipe.ends_in_probabilities,
        logits=recipe.output,
    )
    if recipe.ends_in_probabilities:
        _check_task(last_operator(model, recipe.output), recipe.task)
    drop_metadata(classify)
    _check_operators(classify)
    _check_classes(classify, recipe)
    return Graphs(classify)


def differentiate(graphs: Graphs, layer: str | None) -> Graphs:
    """Add the differentiated graphs, as far as there are rules for the classifier's operators.

    Args:
        graphs: Holds the classifier.
        layer: The feature layer; None takes the last tensor with height and width.

    Returns:
        The graphs; where one could not be made, the reason instead.

    Raises:
        GraphError: *layer* was named and cannot be used.
    """
    gradient, why_no_gradient = None, ""
    features, why_no_features = None, ""
    try:
        gradient = gradient_graph(graphs.classify)
    except GraphError as error:
        why_no_gradient = error.detail
    try:
        features = features_graph(graphs.classify, layer)
    except GraphError as error:
        if layer is not None:
            raise
        why_no_features = error.detail
    for model in (gradient, features):
        if model is not None:
            drop_metadata(model)
    return Graphs(graphs.classify, gradient, features, why_no_gradient, why_no_features)


def with_extras(graphs: Graphs, wanted: Iterable[str]) -> Graphs:
    """Add graphs that a bundle holds on request only.

    Args:
        graphs: Holds the classifier.
        wanted: Words of :data:`service.bundle.manifest.EXTRAS`.

    Returns:
        The graphs.

    Raises:
        GraphError: The classifier has nothing for such a graph to follow, or an operator without a rule.
    """
    extras = {EXTRAS[word]: _EXTRA_GRAPHS[EXTRAS[word]](graphs.classify) for word in wanted}
    for model in extras.values():
        drop_metadata(model)
    return replace(graphs, extras=extras)


_EXTRA_GRAPHS: Mapping[str, Callable[[ModelProto], ModelProto]] = {
    GUIDED: guided_graph,
    ATTENTION: attention_graph,
}


def _check_task(operator: str, task: Task) -> None:
    """What is served as probability must be what the file called so."""
    expected = "multi_label" if operator == "Sigmoid" else "single_label"
    if task != expected:
        raise BundleBuildError(
            f"the model ends in {operator}, which makes it {expected}; found task {task}", where="task"
        )


def _check_operators(classify: ModelProto) -> None:
    foreign = sorted({entry.domain for entry in classify.opset_import} - STANDARD_DOMAINS)
    if foreign:
        names = sorted({node.op_type for node in classify.graph.node if node.domain in foreign})
        raise BundleBuildError(
            f"the model uses {names[:5]} of {foreign}; a bundle holds standard ONNX operators only. "
            "Export it again without optimisation for a runtime.",
            where=names[0],
        )


def _check_classes(classify: ModelProto, recipe: Recipe) -> None:
    found = classify.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    if found != len(recipe.classes):
        raise BundleBuildError(
            f"{len(recipe.classes)} class names for {found} logits; check the list of classes and the output's name",
            where="classes",
        )
