import errno
import json
import os

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    optimiser_tensors,
    restore_network,
    restore_optimiser,
    save_checkpoint,
)
from training.errors import CheckpointError


def checkpoint(value: float) -> Checkpoint:
    return Checkpoint({"w": torch.full((2,), value)}, {"0.momentum_buffer": torch.ones(2)}, {"step": value})


def test_what_is_written_is_read(tmp_path):
    save_checkpoint(tmp_path / "new" / "a.safetensors", checkpoint(3.0))
    found = load_checkpoint(tmp_path / "new" / "a.safetensors")
    assert torch.equal(found.network["w"], torch.full((2,), 3.0))
    assert torch.equal(found.optimiser["0.momentum_buffer"], torch.ones(2))
    assert found.facts == {"step": 3.0}


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    """The error comes where real ones do, when the data is flushed; nothing half-written stays behind."""
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, checkpoint(1.0))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left"):
        save_checkpoint(path, checkpoint(2.0))
    assert load_checkpoint(path).facts == {"step": 1.0}
    assert list(tmp_path.iterdir()) == [path]


def test_tied_weights_are_written_twice_and_not_refused(tmp_path):
    shared = torch.ones(2)
    save_checkpoint(tmp_path / "a", Checkpoint({"one": shared, "two": shared}, {}, {}))
    assert set(load_checkpoint(tmp_path / "a").network) == {"one", "two"}


@pytest.mark.parametrize("content", [None, b"", b"not a checkpoint at all"])
def test_a_missing_or_damaged_file_is_named(content, tmp_path):
    path = tmp_path / "a.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.safetensors"):
        load_checkpoint(path)


def test_somebody_elses_file_is_refused(tmp_path):
    save_file({"w": torch.ones(1)}, tmp_path / "a")
    with pytest.raises(CheckpointError, match="saliserve-training-1"):
        load_checkpoint(tmp_path / "a")


def test_there_is_nothing_executable_inside(tmp_path):
    """A safetensors file is a length, a JSON header and raw numbers."""
    save_checkpoint(tmp_path / "a", checkpoint(1.0))
    data = (tmp_path / "a").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert len(data) == 8 + length + 4 * 4
    assert json.loads(header["__metadata__"]["facts"]) == {"step": 1.0}


def test_another_architecture_is_refused_by_name():
    saved = Checkpoint(dict(nn.Linear(3, 2).state_dict()), {}, {})
    with pytest.raises(CheckpointError, match=r"weight is \(2, 3\) there and \(2, 4\) here"):
        restore_network(nn.Linear(4, 2), saved, "a.safetensors")
    with pytest.raises(CheckpointError, match=r"bias is .* there and absent here"):
        restore_network(nn.Linear(3, 2, bias=False), saved, "a.safetensors")


def test_an_optimiser_goes_on_where_it_was():
    def one_step(network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        optimiser.zero_grad()
        network(torch.ones(1, 2)).square().sum().backward()
        optimiser.step()

    torch.manual_seed(0)
    first = nn.Linear(2, 2)
    optimiser = torch.optim.SGD(first.parameters(), lr=0.1, momentum=0.9)
    one_step(first, optimiser)
    second = nn.Linear(2, 2)
    second.load_state_dict(first.state_dict())
    other = torch.optim.SGD(second.parameters(), lr=0.1, momentum=0.9)
    restore_optimiser(other, optimiser_tensors(optimiser))
    one_step(first, optimiser)
    one_step(second, other)
    assert torch.equal(first.weight, second.weight)
