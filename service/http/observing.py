"""What an answer adds to metrics and log."""

from collections.abc import Mapping

import numpy as np

from service import monitoring
from service.faithfulness.receipt import Receipt
from service.faithfulness.sparseness import entropy_share
from service.http.observation import Observation
from service.request import ExplainedPrediction, Prediction


def observe_predicted(
    observation: Observation, prediction: Prediction, timings_ms: Mapping[str, float]
) -> None:
    """Count a prediction and the stages of its request."""
    model = prediction.model.name
    monitoring.observe_stages(model, timings_ms)
    monitoring.FORWARDS.labels(model, "predict").inc(prediction.forwards)
    observation.forwards += prediction.forwards
    monitoring.observe_prediction(
        model,
        predicted=prediction.top_k[0].index,
        classes=len(prediction.model.classes),
        confidence=prediction.top_k[0].probability,
    )


def observe_explained(
    observation: Observation, explained: ExplainedPrediction, timings_ms: Mapping[str, float]
) -> None:
    """Count a prediction with its map and, if there is one, its receipt."""
    model, explanation = explained.prediction.model.name, explained.explanation
    observation.method = explained.method
    observe_predicted(observation, explained.prediction, timings_ms)
    monitoring.FORWARDS.labels(model, "explain").inc(explanation.forwards)
    observation.forwards += explanation.forwards
    monitoring.observe_explanation(
        model,
        explained.method,
        converged=explanation.converged,
        degenerate=bool(np.ptp(explanation.map) == 0),
        completeness_gap=explanation.completeness_gap,
        entropy=entropy_share(explanation.map),
    )
    if explained.receipt is not None:
        observe_receipt(observation, explained.receipt)


def observe_receipt(observation: Observation, receipt: Receipt) -> None:
    """Count a receipt for the model and the method that the observation names."""
    model, method = observation.model, observation.method
    observation.verdict = receipt.verdict.value
    monitoring.FORWARDS.labels(model, "receipt").inc(receipt.forwards)
    observation.forwards += receipt.forwards
    test = None if receipt.summary is None else receipt.summary.map
    monitoring.observe_receipt(
        model,
        method,
        verdict=receipt.verdict.value,
        srg=None if test is None else test.srg,
        z_score=None if test is None else test.z_score,
    )
