"""Everything a training run can refuse to do.

TrainingError
├── ConfigurationError   an unknown key, a bad value, or settings that exclude each other
├── DataError            a data set that cannot be trained on: empty, one class, corrupt, labels out of range
├── CheckpointError      a checkpoint that is missing, damaged, of another network or cannot be written
└── DivergedError        the loss is no longer finite
"""

from service.errors import SaliserveError


class TrainingError(SaliserveError):
    """A training run cannot start or go on."""

    code = "training_error"


class ConfigurationError(TrainingError):
    """The configuration has an unknown key, a bad value, or settings that exclude each other."""

    code = "training_configuration"


class DataError(TrainingError):
    """The data set cannot be trained on."""

    code = "training_data"


class CheckpointError(TrainingError):
    """A checkpoint is missing, damaged, of another network, or cannot be written."""

    code = "training_checkpoint"


class DivergedError(TrainingError):
    """The loss is no longer finite; the last good checkpoint is kept."""

    code = "training_diverged"
