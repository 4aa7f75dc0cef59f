"""Batches as a function of seed and step, so that a resumed run sees what the other one would have seen."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2 import functional as kernels

from training.config import DataConfig
from training.data.pictures import Pictures
from training.random import seed_of

HALF = 0.5


@dataclass(frozen=True, slots=True)
class Ticket:
    """Which picture, in which epoch: decides its augmentation."""

    epoch: int
    number: int


class Augmented(Dataset[tuple[Tensor, Tensor]]):
    """Pictures under random changes that keep the label.

    torchvision's kernels with draws of our own: its transforms draw from the global generator, and saving
    and seeding that for every picture took three times as long as the changes.

    Args:
        pictures: What is augmented.
        config: Which changes.
        seed: Of the run.
    """

    def __init__(self, pictures: Pictures, config: DataConfig, seed: int) -> None:
        self._pictures = pictures
        self._config = config
        self._seed = seed

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, ticket: Ticket) -> tuple[Tensor, Tensor]:
        seed = seed_of(self._seed, "augment", ticket.epoch, ticket.number)
        image = self._change(self._pictures.read(ticket.number), random.Random(seed))  # noqa: S311 - no secret
        return image.float() / 255, self._pictures.labels[ticket.number]

    def _change(self, picture: Tensor, draw: random.Random) -> Tensor:
        shift = self._config.shift
        if shift:
            height, width = picture.shape[1:]
            padded = kernels.pad(picture, [shift], padding_mode="reflect")
            top, left = draw.randint(0, 2 * shift), draw.randint(0, 2 * shift)
            picture = kernels.crop(padded, top, left, height, width)
        if self._config.flip and draw.random() < HALF:
            picture = kernels.horizontal_flip(picture)
        if self._config.vertical_flip and draw.random() < HALF:
            picture = kernels.vertical_flip(picture)
        return picture


@dataclass(frozen=True, slots=True)
class Order:
    """Which pictures make up which batch.

    Args:
        pictures: Number of training pictures.
        batch_size: Images per step on all devices.
        seed: Of the run.
        rank: Of this process.
        ranks: Number of processes.
    """

    pictures: int
    batch_size: int
    seed: int
    rank: int = 0
    ranks: int = 1

    @property
    def steps(self) -> int:
        """Batches per epoch; an incomplete last one is left out, unless it is the only one.

        Examples:
            >>> Order(pictures=10, batch_size=4, seed=0).steps
            2
        """
        return max(1, self.pictures // self.batch_size)

    def batches(self, epoch: int, first: int) -> list[list[Ticket]]:
        """List this process's share of the batches of an epoch, from number *first* on."""
        generator = torch.Generator().manual_seed(seed_of(self.seed, "order", epoch))
        order = torch.randperm(self.pictures, generator=generator).tolist()
        return [
            [
                Ticket(epoch, number)
                for number in order[start : start + self.batch_size][self.rank :: self.ranks]
            ]
            for start in range(first * self.batch_size, self.steps * self.batch_size, self.batch_size)
        ]


def load(
    data: Augmented, order: Order, epoch: int, first: int, workers: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of an epoch from number *first* on: images in [0, 1] and labels."""
    loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
        data,
        batch_sampler=order.batches(epoch, first),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
    )
    yield from loader
