import torch

from training.config import DataConfig
from training.data.batches import Augmented, Order, Ticket, load
from training.data.read import read_training


def test_an_epoch_can_be_entered_at_any_batch(pictures_root):
    """What a resumed run draws is what the other run would have drawn."""
    config = DataConfig(root=pictures_root, size=8, shift=2)
    pictures, _ = read_training(config)
    data, order = Augmented(pictures, config, 3), Order(len(pictures), 8, seed=3)
    whole = list(load(data, order, 1, 0, 0))
    rest = list(load(data, order, 1, 2, 0))
    assert len(whole) == order.steps
    for (one, _), (two, _) in zip(whole[2:], rest, strict=True):
        assert torch.equal(one, two)


def test_each_epoch_shuffles_and_augments_anew(pictures_root):
    config = DataConfig(root=pictures_root, size=8, shift=2)
    pictures, _ = read_training(config)
    order = Order(len(pictures), 8, seed=0)
    assert order.batches(0, 0) != order.batches(1, 0)
    data = Augmented(pictures, config, 0)
    views = {data[Ticket(epoch, 0)][0].numpy().tobytes() for epoch in range(10)}
    assert len(views) > 1


def test_processes_share_a_batch_without_overlap():
    parts = [Order(32, 8, seed=0, rank=rank, ranks=2).batches(0, 0) for rank in range(2)]
    whole = Order(32, 8, seed=0).batches(0, 0)
    for one, two, both in zip(*parts, whole, strict=True):
        assert {ticket.number for ticket in one} | {ticket.number for ticket in two} == {
            t.number for t in both
        }
        assert len(one) == len(two) == 4


def test_augmentation_only_moves_pixels(pictures_root):
    """Without shifts a flip is all that can happen, and it happens about half of the time."""
    config = DataConfig(root=pictures_root, size=8, shift=0)
    pictures, _ = read_training(config)
    data, plain = Augmented(pictures, config, 0), pictures.image(0)
    views = [data[Ticket(epoch, 0)][0] for epoch in range(40)]
    flipped = sum(torch.equal(view, plain.flip(2)) for view in views)
    assert flipped + sum(torch.equal(view, plain) for view in views) == 40
    assert 8 <= flipped <= 32
