"""The perturbation and reduction programs, compiled once per device."""

from service.graphs.programs import parse
from service.graphs.programs.class_activation import (
    ATTENTION_RELEVANCE,
    GRAD_CAM,
    GRAD_CAM_PLUS_PLUS,
    LAYER_CAM,
    X_GRAD_CAM,
)
from service.graphs.programs.imputation import IMPUTATION
from service.graphs.programs.mask import DISCS, FEATURE_MASKS, SHIFTED_GRIDS
from service.graphs.programs.moments import (
    GRADIENT_HIGHER_MOMENTS,
    GRADIENT_MOMENTS,
    GRADIENT_SPREAD,
    GRADIENT_VARIANCE,
)
from service.graphs.programs.noise import NOISE
from service.graphs.programs.path import GRADIENT_SUM, PATH, PATH_ATTRIBUTION
from service.graphs.programs.reduction import GRADIENT_MAGNITUDE, SIGMOID_SCALARS, SINGLE_LABEL_SCALARS
from service.graphs.programs.removal import CELLS, SEGMENTS, WINDOWS
from service.runtime.device import Device
from service.runtime.program import Program


class Programs:
    """Every model-free program, by what it does; none depends on the model or the image size.

    Args:
        device: Where they run.
    """

    def __init__(self, device: Device) -> None:
        def compiled(text: str) -> Program:
            return Program(parse(text).SerializeToString(), device)

        self.segments = compiled(SEGMENTS)
        self.cells = compiled(CELLS)
        self.windows = compiled(WINDOWS)
        self.shifted_grids = compiled(SHIFTED_GRIDS)
        self.discs = compiled(DISCS)
        self.feature_masks = compiled(FEATURE_MASKS)
        self.imputation = compiled(IMPUTATION)
        self.noise = compiled(NOISE)
        self.path = compiled(PATH)
        self.gradient_sum = compiled(GRADIENT_SUM)
        self.gradient_moments = compiled(GRADIENT_MOMENTS)
        self.gradient_higher_moments = compiled(GRADIENT_HIGHER_MOMENTS)
        self.gradient_spread = compiled(GRADIENT_SPREAD)
        self.gradient_variance = compiled(GRADIENT_VARIANCE)
        self.path_attribution = compiled(PATH_ATTRIBUTION)
        self.single_label_scalars = compiled(SINGLE_LABEL_SCALARS)
        self.sigmoid_scalars = compiled(SIGMOID_SCALARS)
        self.gradient_magnitude = compiled(GRADIENT_MAGNITUDE)
        self.grad_cam = compiled(GRAD_CAM)
        self.x_grad_cam = compiled(X_GRAD_CAM)
        self.layer_cam = compiled(LAYER_CAM)
        self.grad_cam_plus_plus = compiled(GRAD_CAM_PLUS_PLUS)
        self.attention_relevance = compiled(ATTENTION_RELEVANCE)
