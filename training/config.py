"""The settings of a run: defaults, then a TOML file, then flags. An unknown key is an error."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from training.errors import ConfigurationError

Scalar: TypeAlias = Literal["logit", "margin", "log_probability", "loss"]
ArmName: TypeAlias = Literal[
    "standard",
    "sgt",
    "sgt-signed",
    "uniform-at",
    "noise",
    "input-gradient-l1",
    "consistency-weighted",
    "free-l2",
    "scaat",
]
BudgetKind: TypeAlias = Literal["hard", "threshold", "soft", "exp", "uniform", "random", "inverted"]


class Section(BaseModel):
    """What all sections have in common: they cannot change, and accept no unknown key."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(Section):
    """Where pictures come from, and what is kept back for validation."""

    kind: Literal["folder", "torchvision", "idx", "boxes"] = Field(
        "folder", description="Layout of the data."
    )
    root: Path = Field(Path("data"), description="Folder of the data set.")
    name: str = Field("CIFAR10", description="torchvision: name of the class, such as CIFAR100 or PCAM.")
    size: int = Field(32, ge=4, description="Side of the image that the network sees, in pixels.")
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="Of the training pictures, if there is no own split."
    )
    training_limit: int | None = Field(
        None, ge=1, description="Use only so many training pictures; the same for all seeds."
    )
    validation_limit: int | None = Field(None, ge=1, description="Likewise for validation.")
    corrupt: Literal["stop", "skip"] = Field(
        "stop", description="What a picture that cannot be decoded does (folder and boxes)."
    )
    in_memory: bool = Field(True, description="Decode once and keep; switch off for sets larger than memory.")
    workers: int = Field(0, ge=0, description="Processes that decode and augment; 0 is this one.")
    flip: bool = Field(True, description="Augment by horizontal flips.")
    vertical_flip: bool = Field(False, description="Augment by vertical flips too, where up has no meaning.")
    shift: int = Field(4, ge=0, description="Augment by shifts of at most so many pixels.")
    object: str = Field("WBC", description="boxes: name of the object whose presence is the class.")
    window: int = Field(320, ge=8, description="boxes: side of a window in pixels of the original picture.")
    windows_per_picture: int = Field(
        8, ge=1, description="boxes: windows tried on a picture for each of the two classes."
    )

    @property
    def idle(self) -> set[str]:
        """Names of the settings that data of this kind have no use for.

        Examples:
            >>> sorted(DataConfig(kind="boxes").idle)
            ['name']
            >>> sorted(DataConfig(kind="folder").idle)
            ['name', 'object', 'window', 'windows_per_picture']
        """
        own = {"torchvision": {"name"}, "boxes": {"object", "window", "windows_per_picture"}}
        return set().union(*(names for kind, names in own.items() if kind != self.kind))


class ModelConfig(Section):
    """The network. Its normalisation is part of it, so every epsilon is in pixel units."""

    name: str = Field("narrow-resnet", description="narrow-resnet, torchvision:<name> or timm:<name>.")
    width: int = Field(16, ge=1, description="narrow-resnet: channels of the first stage.")
    blocks: int = Field(1, ge=1, description="narrow-resnet: residual blocks in each of three stages.")
    stem_stride: int = Field(1, ge=1, description="narrow-resnet: stride of the first convolution.")
    mean: tuple[float, float, float] = Field(
        (0.5, 0.5, 0.5), description="Subtracted from an image in [0, 1]."
    )
    std: tuple[float, float, float] = Field(
        (0.25, 0.25, 0.25), description="The image is then divided by this."
    )
    pretrained: bool = Field(
        False, description="torchvision and timm: start from published weights (downloads)."
    )
    initial_weights: Path | None = Field(
        None, description="Start from a checkpoint of this module: fine-tuning."
    )


class SaliencyConfig(Section):
    """The map that guides the attack."""

    method: Literal[
        "gradient", "gradient_times_input", "smooth_gradient", "integrated_gradients", "grad_cam"
    ] = Field("gradient", description="How it is made.")
    scalar: Scalar = Field(
        "logit", description="What is differentiated. Not the loss: it vanishes where the model is sure."
    )
    channels: Literal["max", "mean", "l2"] = Field(
        "max", description="How magnitudes of colour channels are joined."
    )
    smoothing: int = Field(1, ge=1, description="Side of a mean filter over the map, odd.")
    patch: int = Field(
        1, ge=1, description="Rank whole patches of this side, as a vision transformer sees them."
    )
    samples: int = Field(8, ge=1, description="Gradients for the two methods that average.")
    noise: float = Field(0.1, ge=0, description="smooth_gradient: standard deviation in pixel units.")

    @field_validator("smoothing")
    @classmethod
    def _is_odd(cls, side: int) -> int:
        if side % 2 == 0:
            raise ValueError("an even filter has no pixel in its middle, and would make the map larger")
        return side


class BudgetConfig(Section):
    """How much each pixel may move, given the map."""

    kind: BudgetKind = Field("hard", description="Form of the budget; random and inverted are the controls.")
    fraction: float = Field(
        0.5, ge=0, le=1, description="hard, random, inverted: share q of pixels that may move."
    )
    threshold: float = Field(0.2, ge=0, description="threshold: pixels of less saliency may move.")
    gamma: float = Field(1.0, gt=0, description="soft: exponent of 1 - saliency.")
    temperature: float = Field(0.2, gt=0, description="exp: saliency at which the budget is 1/e.")
    mean_epsilon: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Rescale every map to this mean, so that arms spend the same; pixel units.",
    )
    random_mix: float = Field(0.0, ge=0, le=1, description="Share of images whose map is replaced by noise.")


class AttackConfig(Section):
    """The inner maximisation."""

    epsilon: float = Field(2 / 255, ge=0, le=1, description="Largest move of a pixel, in pixel units.")
    norm: Literal["linf", "l2"] = Field("linf", description="Shape of the budget.")
    steps: int = Field(3, ge=1, description="Ascent steps K.")
    step_ratio: float = Field(2.5, gt=0, description="A step is this times the budget over K.")
    loss: Literal["kl", "cross_entropy"] = Field("kl", description="What is maximised.")
    friendly: bool = Field(False, description="Stop an image once it is misclassified.")
    friendly_extra_steps: int = Field(0, ge=0, description="Steps it still takes after that.")
    refresh: int = Field(
        0, ge=0, description="Make the map anew every so many steps; 0 keeps the clean image's."
    )
    replays: int = Field(4, ge=1, description="free-l2: steps on the same batch.")
    radius: float = Field(0.5, ge=0, description="free-l2: L2 radius of the whole image, in pixel units.")


class ObjectiveConfig(Section):
    """The outer loss: CE(x) + consistency * KL(p(x) || p(x')) + adversarial * CE(x')."""

    consistency: float = Field(1.0, ge=0, description="Weight lambda.")
    adversarial: float = Field(0.0, ge=0, description="Weight mu.")
    detach_clean: bool = Field(False, description="No gradient through p(x) of the KL term.")
    batch_norm: Literal["separate", "joint", "clean"] = Field(
        "separate",
        description="Statistics: of two batches in turn, of one joint batch, or of the clean one alone.",
    )
    input_gradient_l1: float = Field(
        0.01, ge=0, description="input-gradient-l1: weight of the L1 norm, per image."
    )
    sgt_fraction: float = Field(
        0.5, ge=0, le=1, description="sgt: share of the least salient pixels replaced by noise."
    )


class ScheduleConfig(Section):
    """What changes over a run; positions are shares of all steps."""

    warm_up: float = Field(0.1, ge=0, le=1, description="No attack before this; early saliency is noise.")
    ramp: float = Field(0.1, ge=0, le=1, description="Over how long epsilon and fraction then rise.")
    initial_fraction: float = Field(0.0, ge=0, le=1, description="hard: q at the start of the ramp.")
    confidence: float | None = Field(
        None, gt=0, le=1, description="Scale an image's budget by its probability over this, at most 1."
    )


class OptimiserConfig(Section):
    """SGD with momentum; linear warm-up, then a cosine to 0."""

    epochs: int = Field(10, ge=1, description="Passes over the training data.")
    batch_size: int = Field(128, ge=2, description="Images per step, over all devices.")
    learning_rate: float = Field(0.1, gt=0, description="At its peak.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Of Nesterov's kind.")
    weight_decay: float = Field(5e-4, ge=0, description="Of all weights.")
    warm_up: float = Field(0.1, ge=0, le=1, description="Share of all steps over which the rate rises.")


class GuardConfig(Section):
    """Fine-tuning must not cost accuracy."""

    points: float | None = Field(
        None,
        ge=0,
        description="Percentage points of validation accuracy below the start's that an epoch may end at.",
    )


class DeviceConfig(Section):
    """What it runs on."""

    accelerator: str = Field("auto", description="Fabric's: auto, cpu, cuda.")
    devices: int = Field(1, ge=1, description="How many; more than one is DDP.")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = Field(
        "32-true", description="Of the outer loss; saliency and attack always run in float32."
    )
    threads: int | None = Field(None, ge=1, description="CPU threads; None leaves torch's choice.")
    channels_last: bool = Field(True, description="Memory layout; faster for convolutions.")


class Config(Section):
    """A run, in full. Stored with it as ``config.json``."""

    arm: ArmName = Field("standard", description="What is trained.")
    seed: int = Field(0, ge=0, description="Of initial weights, order, augmentation and attack.")
    output: Path = Field(Path("runs/run"), description="Folder of the run.")
    checkpoint_seconds: float = Field(60.0, gt=0, description="Longest time between two checkpoints.")
    monitor_images: int = Field(128, ge=2, description="Validation images on which each epoch is monitored.")
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    saliency: SaliencyConfig = SaliencyConfig()
    budget: BudgetConfig = BudgetConfig()
    attack: AttackConfig = AttackConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    guard: GuardConfig = GuardConfig()
    device: DeviceConfig = DeviceConfig()


INCIDENTAL = frozenset({"output", "checkpoint_seconds", "device", "data.workers", "data.in_memory"})
"""Keys, and sections, that say where and how fast a run is made, and not what comes out."""


def changed_settings(first: Config, second: Config) -> list[str]:
    """Name every key that decides what comes out of a run and differs.

    Examples:
        >>> changed_settings(load_config(None, {"attack.steps": "7", "output": "a"}), Config())
        ['attack.steps']
    """
    return [
        key
        for key, _ in keys()
        if not INCIDENTAL & {key, key.partition(".")[0]} and _setting(first, key) != _setting(second, key)
    ]


def _setting(config: Config, key: str) -> Any:
    found: Any = config
    for name in key.split("."):
        found = getattr(found, name)
    return found


def keys(section: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, str]]:
    """List every key with its dots, and what it means.

    Examples:
        >>> dict(keys())["attack.steps"]
        'Ascent steps K.'
    """
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from keys(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field.description or ""


def load_config(path: Path | None, flags: Mapping[str, str]) -> Config:
    """Merge defaults, a file and flags; the later ones win.

    Args:
        path: A TOML file, or the ``config.json`` of a run; None for none.
        flags: Values as written on the command line, by dotted key.

    Raises:
        ConfigurationError: An unknown key or a bad value, named.

    Examples:
        >>> load_config(None, {"arm": "scaat", "attack.steps": "7"}).attack.steps
        7
    """
    settings = {} if path is None else _read(path)
    for key, text in flags.items():
        *sections, name = key.split(".")
        place = settings
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = _value(text)
    return validated(settings, "the configuration")


def validated(settings: Mapping[str, Any], where: str) -> Config:
    """Check settings.

    Raises:
        ConfigurationError: The first problem, named by its dotted key.
    """
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = ".".join(map(str, problem["loc"]))
        raise ConfigurationError(
            f"{where}: {key}: {problem['msg']} (found {problem['input']!r:.80}). "
            "python -m training fit --help lists every key.",
            where=key,
        ) from error


def _read(path: Path) -> dict[str, Any]:
    """Read a TOML file, or the ``config.json`` of a run."""
    form, parsed = ("JSON", json.loads) if path.suffix == ".json" else ("TOML", tomllib.loads)
    try:
        found: dict[str, Any] = parsed(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read as {form}: {error}", where=str(path)) from error
    return found


def _value(text: str) -> Any:
    """Read a flag as TOML would: ``3``, ``true``, ``[1, 2]``; anything else is a string, ``none`` is None."""
    if text == "none":
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
