"""Which tensor the manifest names as the feature layer."""

from service.bundle.graphs import Graphs, differentiate
from tests.transformers import exported, transformer


def test_the_feature_layer_of_a_transformer_is_a_tensor_of_its_classifier() -> None:
    """Its tokens are laid out as a map on the way; to name that tensor would name nothing that can be asked for again."""
    classify = exported(transformer())

    found = differentiate(Graphs(classify), None)
    again = differentiate(Graphs(classify), found.feature_layer)

    assert any(found.feature_layer in node.output for node in classify.graph.node)
    assert found.features == again.features
