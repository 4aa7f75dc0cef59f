"""torchvision's own data sets; downloaded where there is a network."""

import numpy as np
import torch
import torchvision

from service.imaging.resize import ResizePolicy
from training.config import DataConfig
from training.data.pictures import Pictures, to_size
from training.errors import DataError

TWO_PARTS = frozenset({"CIFAR10", "CIFAR100", "MNIST", "FashionMNIST", "KMNIST", "USPS"})
"""Sets whose class takes ``train=``; the others take ``split=``."""

PUBLISHED_AS = {("Imagenette", "test"): "val"}
"""Parts by the names that their sets have for them."""


def read_library(config: DataConfig, part: str, policy: ResizePolicy) -> Pictures:
    """Read one part of a torchvision set.

    Args:
        config: Its name and folder.
        part: ``train``, ``val`` or ``test``.
        policy: How a picture becomes an image.

    Raises:
        DataError: No such set, or it is neither there nor can be downloaded.
    """
    maker = getattr(torchvision.datasets, config.name, None)
    if maker is None:
        raise DataError(
            f"torchvision has no data set {config.name!r}, such as CIFAR100 or PCAM", where="data.name"
        )
    split = PUBLISHED_AS.get((config.name, part), part)
    choice = {"train": part == "train"} if config.name in TWO_PARTS else {"split": split}
    try:
        found = maker(root=str(config.root), download=True, **choice)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{config.name} has no part {split!r} to ask for: {error}. Write its pictures to folders, and set "
            'data.kind = "folder".',
            where="data.name",
        ) from error
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{config.name} ({part}) is not in {config.root} and cannot be downloaded: {error}",
            where="data.root",
        ) from error

    def read(number: int) -> torch.Tensor:
        return to_size(np.asarray(found[number][0].convert("RGB")), policy, config.size)

    labels = torch.tensor([int(found[number][1]) for number in range(len(found))])
    default = [str(number) for number in range(int(labels.max()) + 1)]
    classes = [name if isinstance(name, str) else name[0] for name in getattr(found, "classes", default)]
    names = tuple(f"{part}-{number}" for number in range(len(found)))
    if not config.in_memory:
        return Pictures(tuple(classes), labels, names, read)
    stack = torch.stack([read(number) for number in range(len(found))])
    return Pictures(tuple(classes), labels, names, stack.__getitem__)
