"""Drop from a graph what its exporter noted about itself."""

from onnx import GraphProto, ModelProto

PRODUCER = "saliserve"


def drop_metadata(model: ModelProto) -> None:
    """Clear comments and metadata, in place; numbers do not change.

    PyTorch writes the stack trace of every operator, with the folders of the machine that exported it: nobody
    else's business, and other bytes on every machine.

    Args:
        model: Any graph.
    """
    model.doc_string = model.producer_version = model.domain = ""
    model.producer_name = PRODUCER
    del model.metadata_props[:]
    _drop(model.graph)


def _drop(graph: GraphProto) -> None:
    parts = [graph, *graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info]
    for part in parts:
        part.doc_string = ""
        del part.metadata_props[:]
    for node in graph.node:
        for attribute in node.attribute:
            attribute.doc_string = ""
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    _drop(inner)
