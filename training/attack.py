"""The worst perturbation inside a per-pixel budget.

A perturbation is ``budget * u`` with ``|u| <= 1`` in the l_inf or the L2 norm. In both norms no
pixel moves by more than its budget, and one whose budget is 0 does not move at all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.config import AttackConfig
from training.objective import cross_entropy, kl_divergence
from training.passes import Passes


@dataclass(frozen=True, slots=True)
class Attack:
    """A perturbation.

    Args:
        delta: ``[N, 3, H, W]``, detached, pixel units.
        budget: ``[N, H, W]``, the last one if it was refreshed.
        passes: What it cost.
    """

    delta: Tensor
    budget: Tensor
    passes: Passes

    @property
    def moved_share(self) -> Tensor:
        """Share of the values inside the budget that moved: near 1, or gradients underflow."""
        inside = (self.budget > 0)[:, None].expand_as(self.delta)
        return (inside & (self.delta != 0)).sum() / inside.sum()

    @property
    def at_limit_share(self) -> Tensor:
        """Share of the values inside the budget that reached it, to one part in a thousand."""
        limit = self.budget[:, None].expand_as(self.delta)
        inside = limit > 0
        return (inside & (self.delta.abs() >= 0.999 * limit)).sum() / inside.sum()


def random_start(images: Tensor, budget: Tensor, norm: str, generator: torch.Generator) -> Tensor:
    """Start somewhere inside the budget; at 0 the gradient of the KL divergence is exactly 0."""
    shape, device = images.shape, images.device
    if norm == "linf":
        unit = 2 * torch.rand(shape, generator=generator, device=device) - 1
    else:
        unit = torch.randn(shape, generator=generator, device=device)
        length = torch.rand((len(images), 1, 1, 1), generator=generator, device=device)
        unit = unit / _norm(unit) * length
    return project(unit * budget[:, None], images, budget, norm)


def project(delta: Tensor, images: Tensor, budget: Tensor, norm: str) -> Tensor:
    """Bring a perturbation into its budget around the original image, and the result into [0, 1].

    The limits are intersected first and applied once: clamping the sum and subtracting the image again
    would round, and overstep the budget in the last digit.

    Args:
        delta: ``[N, 3, H, W]``.
        images: ``[N, 3, H, W]``, the originals.
        budget: ``[N, H, W]``.
        norm: ``linf`` or ``l2``.

    Examples:
        >>> image = torch.full((1, 3, 1, 1), 0.9)
        >>> project(torch.full((1, 3, 1, 1), 0.5), image, torch.full((1, 1, 1), 0.25), "linf").amax()
        tensor(0.1000)
    """
    limit = budget[:, None]
    if norm == "l2":
        unit = torch.where(limit > 0, delta / limit.clamp_min(torch.finfo(delta.dtype).tiny), 0)
        delta = delta / _norm(unit).clamp_min(1)
    return torch.clamp(delta, torch.maximum(-limit, -images), torch.minimum(limit, 1 - images))


def ascent(gradient: Tensor, budget: Tensor, norm: str) -> Tensor:
    """Steepest ascent of a linear function in the budget: where a whole step would end."""
    limit = budget[:, None]
    if norm == "linf":
        return limit * gradient.sign()
    scaled = limit * gradient
    return limit * scaled / _norm(scaled).clamp_min(torch.finfo(gradient.dtype).tiny)


def attack(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    budget: Tensor,
    *,
    options: AttackConfig,
    generator: torch.Generator,
    clean_logits: Tensor | None = None,
    refresh: Callable[[Tensor], tuple[Tensor, Passes]] | None = None,
) -> Attack:
    """Search for the perturbation that changes the answer most, by projected gradient ascent.

    Call it under :func:`training.modes.evaluating`. No parameter's ``.grad`` is touched.

    Args:
        network: In evaluation mode; images in [0, 1] to logits.
        images: ``[N, 3, H, W]`` in [0, 1].
        labels: ``[N]``.
        budget: ``[N, H, W]``, pixel units.
        options: Norm, steps, loss, friendly stop.
        generator: Of the random start.
        clean_logits: ``[N, C]`` of *images*, if known; saves a pass with the KL loss.
        refresh: Makes a new budget for perturbed images, where the options ask for one.

    Returns:
        The perturbation, inside its budget and with *images* inside [0, 1].
    """
    passes = Passes()
    if options.loss == "kl" and clean_logits is None:
        with torch.no_grad():
            clean_logits = network(images)
        passes += Passes(forward=1)
    delta = random_start(images, budget, options.norm, generator)
    steps_left = torch.full((len(images),), options.steps, device=images.device)
    for step in range(options.steps):
        if refresh is not None and options.refresh and step and step % options.refresh == 0:
            budget, cost = refresh((images + delta).clamp(0, 1))
            delta, passes = project(delta, images, budget, options.norm), passes + cost
        gradient, logits = _gradient(network, images + delta, labels, options.loss, clean_logits)
        passes += Passes(forward=1, backward_to_image=1)
        if options.friendly:
            fooled = logits.argmax(1) != labels
            steps_left = torch.where(fooled, steps_left.clamp_max(options.friendly_extra_steps), steps_left)
        moved = delta + options.step_ratio / options.steps * ascent(gradient, budget, options.norm)
        moved = project(moved, images, budget, options.norm)
        delta = torch.where((steps_left > 0)[:, None, None, None], moved, delta)
        steps_left = steps_left - 1
    return Attack(delta, budget, passes)


def _gradient(
    network: nn.Module, points: Tensor, labels: Tensor, loss: str, clean_logits: Tensor | None
) -> tuple[Tensor, Tensor]:
    leaf = points.detach().requires_grad_()
    with torch.enable_grad():
        logits = network(leaf)
        if loss == "kl" and clean_logits is not None:
            value = kl_divergence(clean_logits, logits)
        else:
            value = cross_entropy(logits, labels)
        [gradient] = torch.autograd.grad(value.sum(), leaf)
    return gradient, logits.detach()


def _norm(values: Tensor) -> Tensor:
    """L2 norm of each image, ``[N, 1, 1, 1]``."""
    return values.square().sum((1, 2, 3), keepdim=True).sqrt()
