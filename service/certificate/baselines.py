"""What the model says of pictures from which everything was removed, averaged over pictures."""

from collections.abc import Sequence

import numpy as np

from service.arrays import Image
from service.bundle.evidence import BaselineAudit
from service.certificate.checks import short
from service.explain.subject import Subject
from service.faithfulness.audit import audit
from service.faithfulness.grid import Grid
from service.faithfulness.operators.registry import OPERATORS
from service.runtime.model import LoadedModel
from service.runtime.plan import MicroBatch


def audit_baselines(model: LoadedModel, images: Sequence[Image], *, seed: int) -> dict[str, BaselineAudit]:
    """Audit every removal operator by the receipt's own rule, on the mean of the logits.

    Args:
        model: The classifier.
        images: ``[3, H, W]`` each; what is removed from them leaves its colours behind.
        seed: Of operators that draw.

    Returns:
        By the operator's name. A baseline is neutral here if no class stands out; whether the target of a
        request does is for its receipt to say.
    """
    found = {}
    for name, operator in OPERATORS.items():
        grid = Grid(model.height, model.width, rows=1, columns=1)
        logits = []
        for index, image in enumerate(images):
            subject = Subject.of(model, image, target=0, seed=seed + index)
            stage = operator.prepare(subject, grid)(np.ones((1, 1), np.bool_))
            logits.append(model.run(MicroBatch(stage, 1))["logits"].numpy()[0])
        mean = np.asarray(np.mean(logits, axis=0, dtype=np.float64), np.float32)
        # Nothing is at stake for no target, so only the rule about the most probable class applies.
        judged = audit(
            mean,
            target_probability=0.0,
            clear_probability=1.0,
            even_probability=0.0,
            task=model.manifest.task,
        )
        found[name] = BaselineAudit(
            neutral=judged.neutral,
            predicted_class=judged.predicted_class,
            largest_probability=short(judged.largest_probability),
            entropy_share=short(judged.entropy_share),
        )
    return found
