"""From the configuration to the pictures of one part. Training never reads the test part."""

from service.imaging.resize import CenterCrop, ResizePolicy, Stretch
from training.config import DataConfig
from training.data.boxes import read_windows
from training.data.folder import has_part, read_folder
from training.data.idx import read_idx
from training.data.library import TWO_PARTS, read_library
from training.data.pictures import Pictures, aligned, checked, limited, split


def policy_of(config: DataConfig) -> ResizePolicy:
    """Tell how a picture becomes an image; goes into the bundle, so that serving does the same.

    Pictures of the network's size, and windows, are not cropped.
    """
    if config.kind == "folder" or (config.kind == "torchvision" and config.name not in TWO_PARTS):
        return CenterCrop(fraction=1.0)
    return Stretch()


def read_training(config: DataConfig) -> tuple[Pictures, Pictures]:
    """Read training and validation pictures; the latter from a part of their own where there is one.

    Raises:
        DataError: Pictures are missing, corrupt, of one class, or labelled out of range.
    """
    training = read_part(config, "train")
    if _has_validation(config):
        validation = aligned(read_part(config, "val"), training.classes, f"{config.root} (validation)")
    else:
        training, validation = split(training, config.validation_fraction)
    training = limited(training, config.training_limit)
    validation = limited(validation, config.validation_limit)
    return checked(training, f"{config.root} (train)"), checked(validation, f"{config.root} (validation)")


def read_test(config: DataConfig, classes: tuple[str, ...]) -> Pictures:
    """Read the test pictures; for evaluation only.

    Args:
        config: Of the data.
        classes: Of the run, in the order of its logits.

    Raises:
        DataError: As for :func:`read_training`; or they are of a class that training had not.
    """
    where = f"{config.root} (test)"
    return checked(aligned(read_part(config, "test"), classes, where), where)


def read_part(config: DataConfig, part: str) -> Pictures:
    """Read ``train``, ``val`` or ``test``."""
    policy = policy_of(config)
    match config.kind:
        case "folder":
            return read_folder(
                config.root,
                part,
                policy=policy,
                size=config.size,
                in_memory=config.in_memory,
                skip_corrupt=config.corrupt == "skip",
            )
        case "idx":
            return read_idx(config.root, part, policy=policy, size=config.size)
        case "boxes":
            return read_windows(
                config.root,
                part,
                name=config.object,
                side=config.window,
                per_picture=config.windows_per_picture,
                policy=policy,
                size=config.size,
                skip_corrupt=config.corrupt == "skip",
            )
        case "torchvision":
            return read_library(config, part, policy)


def _has_validation(config: DataConfig) -> bool:
    if config.kind == "boxes":
        return True
    if config.kind == "folder":
        return has_part(config.root, "val")
    return config.kind == "torchvision" and config.name == "PCAM"
