import torch
from torch.distributions import Categorical
from torch.distributions import kl_divergence as library_kl

from training.config import ObjectiveConfig
from training.objective import cross_entropy, kl_divergence, objective


def logits(seed: int) -> torch.Tensor:
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(seed), requires_grad=True)


def test_the_reference_comes_first():
    """T12: published code has it the other way round. torch.distributions takes (p, q) for KL(p || q)."""
    p, q = logits(0), logits(1)
    expected = library_kl(Categorical(logits=p), Categorical(logits=q))
    torch.testing.assert_close(kl_divergence(p, q), expected)
    assert not torch.allclose(kl_divergence(p, q), kl_divergence(q, p), atol=1e-3)


def test_identical_answers_diverge_by_exactly_nothing():
    p = logits(0)
    assert (kl_divergence(p, p) == 0).all()


def test_the_loss_is_the_sum_of_its_terms():
    clean, perturbed, labels = logits(0), logits(1), torch.tensor([0, 1, 2, 3, 0, 1])
    found = objective(clean, perturbed, labels, ObjectiveConfig(consistency=2.0, adversarial=3.0))
    expected = (
        cross_entropy(clean, labels)
        + 2 * kl_divergence(clean, perturbed)
        + 3 * cross_entropy(perturbed, labels)
    )
    torch.testing.assert_close(found, expected)


def test_the_clean_side_learns_from_the_divergence_unless_told_not_to():
    """SGT and TRADES let the gradient through; with the reference detached only the cross-entropy is left."""
    labels = torch.tensor([0, 1, 2, 3, 0, 1])

    def gradient(**options: object) -> torch.Tensor:
        clean = logits(0)
        objective(clean, logits(1), labels, ObjectiveConfig(**options)).sum().backward()
        assert clean.grad is not None
        return clean.grad

    alone = logits(0)
    cross_entropy(alone, labels).sum().backward()
    torch.testing.assert_close(gradient(detach_clean=True), alone.grad)
    assert not torch.allclose(gradient(), alone.grad, atol=1e-3)
