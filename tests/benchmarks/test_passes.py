"""What a metric asked of the model is counted, not believed."""

import torch

from benchmarks.peers.passes import Passes


def test_every_image_of_every_batch_counts_once() -> None:
    """A metric that runs twice must not be said to take twice as many passes."""
    network = torch.nn.Identity()
    passes = Passes(network)

    network(torch.zeros(3, 1))
    network(torch.zeros(2, 1))

    assert (passes.taken(), passes.taken()) == (5, 0)
