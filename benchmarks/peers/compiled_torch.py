"""Plain PyTorch behind ``torch.compile``; compiling takes a minute or more and is not part of the times."""

from benchmarks.peers.case import Contender
from benchmarks.peers.plain_torch import gradient, in_styles, occlusion

PACKAGE = "torch"

WORKS: dict[str, dict[str, Contender]] = {
    "gradient": in_styles(gradient, "compiled"),
    "occlusion": in_styles(occlusion, "compiled"),
}
