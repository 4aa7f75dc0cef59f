"""Networks drawn at random: what is computed anew within a window beside whole passes over the changed images.

The oracle is the classifier itself. All weights and pixels are positive, so that nothing cancels: both ways sum the
same products, a rounding each, and differ by at most ``2 n eps`` of the logit, n being the sum of the layers' terms.
"""

from dataclasses import dataclass, field
from unittest.mock import patch

import numpy as np
from hypothesis import event, given, note, reject, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, printer

from service.graphs.incremental.crops import Crops, whole
from service.graphs.incremental.cuts import Cut, cut
from service.graphs.incremental.write import incremental_graph
from service.graphs.session import RUNTIME_ERRORS, open_session

CLASSES = 3
RNG = np.random.default_rng(0)


@dataclass
class Network:
    """A network in the making."""

    channels: int = 3
    nodes: list[NodeProto] = field(default_factory=list)
    weights: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    terms: int = 0
    top: str = "image"

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        """Append an operator; give its output's name."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def weight(self, *shape: int) -> str:
        """Make positive weights whose sum over all but the first axis is 1."""
        name = f"w{len(self.weights)}"
        values = RNG.uniform(0.5, 1.5, shape)
        self.weights[name] = (values / values[:1].sum()).astype(np.float32)
        return name

    def convolve(self, x: str, channels: int, **attributes: object) -> str:
        kernel = attributes["kernel_shape"]
        assert isinstance(kernel, list)
        group = int(attributes.get("group", 1))  # type: ignore[call-overload]
        self.terms += self.channels // group * kernel[0] * kernel[1]
        return self.add("Conv", x, self.weight(channels, self.channels // group, *kernel), **attributes)


@st.composite
def windows_of_operator(draw: st.DrawFn, most: int = 5) -> dict[str, object]:
    """Kernel, stride, dilation and border of an operator, each of its own along height and width."""
    kernel = draw(st.lists(st.integers(1, most), min_size=2, max_size=2))
    strides = [draw(st.integers(1, min(2, length))) for length in kernel]
    rule = draw(st.sampled_from(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    attributes: dict[str, object] = {"kernel_shape": kernel, "strides": strides, "auto_pad": rule}
    if rule == "NOTSET":
        attributes["pads"] = [draw(st.integers(0, length - 1)) for length in (*kernel, *kernel)]
    return attributes


@st.composite
def networks(draw: st.DrawFn) -> tuple[ModelProto, int]:
    """A classifier of small images, and the number of terms that its logits are summed from."""
    height, width = draw(st.integers(22, 34)), draw(st.integers(22, 34))
    network = Network()
    for _ in range(draw(st.integers(1, 6))):
        _block(network, draw)
    features = network.add("GlobalAveragePool", network.top)
    flat = network.add("Flatten", features)
    network.terms += height * width + network.channels
    network.nodes.append(
        helper.make_node("MatMul", [flat, network.weight(network.channels, CLASSES)], ["logits"])
    )
    graph = helper.make_graph(
        network.nodes,
        "random",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, height, width])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in network.weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model, network.terms


def _block(network: Network, draw: st.DrawFn) -> None:
    """Append one of the pieces that classifiers are made of."""
    x, channels = network.top, network.channels
    kind = draw(
        st.sampled_from(
            ["convolution", "depthwise", "maximum", "mean", "residual", "dense", "border", "curve", "gate"]
        )
    )
    if kind == "convolution":
        wide = draw(st.integers(2, 6))
        dilations = draw(st.lists(st.integers(1, 2), min_size=2, max_size=2))
        attributes = draw(windows_of_operator(3))
        if attributes["auto_pad"] != "NOTSET":
            dilations = [1, 1]
        network.top = network.add("Relu", network.convolve(x, wide, dilations=dilations, **attributes))
        network.channels = wide
    elif kind == "depthwise":
        network.top = network.convolve(x, channels, group=channels, **draw(windows_of_operator()))
    elif kind == "maximum":
        network.top = network.add(
            "MaxPool", x, ceil_mode=draw(st.integers(0, 1)), **draw(windows_of_operator(3))
        )
    elif kind == "mean":
        attributes = draw(windows_of_operator(3))
        counted = draw(st.integers(0, 1))
        network.top = network.add("AveragePool", x, count_include_pad=counted, **attributes)
        network.terms += 9
    elif kind == "residual":
        same = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
        inner = network.add("Relu", network.convolve(x, channels, **same))
        network.top = network.add("Add", network.convolve(inner, channels, **same), x)
        network.terms += 1
    elif kind == "dense":
        more = network.convolve(x, 2, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        network.top = network.add("Concat", x, more, axis=1)
        network.channels += 2
    elif kind == "border":
        pads, axes = f"p{len(network.weights)}", f"a{len(network.weights)}"
        around = [draw(st.integers(0, 2)) for _ in range(4)]
        network.weights[pads] = np.array([0, 0, *around[:2], 0, 0, *around[2:]], np.int64)  # type: ignore[assignment]
        network.weights[axes] = np.arange(4)  # type: ignore[assignment]
        network.top = network.add("Pad", x, pads, "", axes)
    elif (
        kind == "curve"
    ):  # of a positive number it does not enlarge a relative error, and adds a few roundings
        network.top = network.add("Atan", x)
        network.terms += 4
    else:
        network.top = network.add("Mul", x, network.weight(channels, 1, 1))


def table(image: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(image.reshape(len(image), -1).T)


def recomputed(
    model: ModelProto,
    found: Cut,
    image: NDArray[np.float32],
    shown: NDArray[np.float32],
    windows: NDArray[np.int64],
) -> NDArray[np.float32]:
    session = open_session(incremental_graph(model, found), optimise=True)
    names = [output.name for output in session.get_outputs()]
    base = {"base_0": table(image)}
    answers = dict(zip(names, session.run(names, {**base, **whole(found)}), strict=True))
    bases = {"base_0": np.concatenate([table(image), table(shown)])}
    bases |= {name.replace("table", "base"): answers[name] for name in names if name != "logits"}
    places = Crops(found, windows).places(slice(0, len(windows)))
    [logits] = session.run(["logits"], {**bases, **places})
    return np.asarray(logits)


@settings(max_examples=150, deadline=None)
@given(networks(), st.data())
def test_what_is_computed_anew_is_what_whole_passes_give(case: tuple[ModelProto, int], data: st.DataObject):
    model, terms = case
    with patch("service.graphs.incremental.cuts._moved", return_value=0.0):  # the more cuts, the better
        found = cut(model)
    event("no cut" if found is None else f"{len(found.stretches)} stretches")
    if found is None:
        return
    note(printer.to_text(model.graph))
    note(str(found.stretches))
    _, height, width = found.stretches[0].shape
    image, shown = RNG.random((2, 3, height, width), dtype=np.float32)
    size = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    corners = st.tuples(st.integers(0, height - 1), st.integers(0, width - 1))
    first = np.array(data.draw(st.lists(corners, min_size=1, max_size=5)))
    # One overhangs at two sides, one shows nothing.
    far = [[height - 1, width - 1, height + 3, width + 9], [0, 0, 0, 0]]
    windows = np.concatenate([np.concatenate([first, first + size], axis=1), far])
    images = np.repeat(image[None], len(windows), axis=0)
    for changed, (top, left, bottom, right) in zip(images, windows, strict=True):
        changed[:, top:bottom, left:right] = shown[:, top:bottom, left:right]
    try:
        [expected] = open_session(model, optimise=True).run(None, {"image": images})
    except RUNTIME_ERRORS:
        reject()  # no classifier: a kernel is larger than what it slides over
    got = recomputed(model, found, image, shown, windows)
    tolerance = 2 * terms * float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(got, expected, rtol=tolerance)
