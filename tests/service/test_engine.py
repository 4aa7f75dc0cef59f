"""One request after the other, many at once, and every option that can be wrong."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from service.engine import Engine
from service.errors import (
    BudgetError,
    MethodUnavailableError,
    OptionError,
    RequestError,
    UnknownMethodError,
    UnknownTargetError,
)
from service.explain.methods import METHODS
from service.faithfulness.report import report
from service.imaging.resize import resize
from service.job import check_job
from service.plans import explain_plan
from service.request import EvaluateOptions, ExplainedPrediction, ExplainOptions, PredictOptions
from service.runtime.model import LoadedModel
from service.runtime.plan import DeadlineReached
from service.stopwatch import Stopwatch
from tests.tiny import conv_model, load_tiny

SIZE = 16
RNG = np.random.default_rng(2)
PICTURES = RNG.integers(0, 256, (5, 20, 24, 3), dtype=np.uint8)
SMALL = {
    "occlusion": {"window": 8, "stride": 4},
    "rise": {"masks": 20},
    "smooth_grad": {"samples": 4},
    "vargrad": {"samples": 4},
}


USABLE = [name for name, method in METHODS.items() if method.direction != "attention"]
"""The network of these tests has no attention."""


def engine_of(model: LoadedModel) -> Engine:
    return Engine(SimpleNamespace(get=lambda _name=None, _version=None: model))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    kernel = RNG.standard_normal((6, 3, 3, 3)).astype(np.float32)
    head = 9 * RNG.standard_normal((4, 6)).astype(np.float32)
    with engine_of(load_tiny(conv_model(kernel, head, size=SIZE), tmp_path_factory.mktemp("conv"))) as engine:
        yield engine


def fingerprint(answer: ExplainedPrediction) -> tuple[object, ...]:
    """Everything of an answer but its timings."""
    explanation = answer.explanation
    receipt: Any = answer.receipt
    return (
        answer.prediction.top_k,
        answer.target,
        answer.parameters,
        explanation.map.tobytes(),
        None if explanation.standard_error is None else explanation.standard_error.tobytes(),
        explanation.completeness_gap,
        explanation.warnings,
        None if receipt is None else repr(report(receipt)),
    )


def test_fifty_at_once_are_bit_identical_to_fifty_in_a_row(engine: Engine):
    """Nothing of a request may depend on its neighbours: every method, with and without a receipt."""
    requests = [
        (
            PICTURES[number % len(PICTURES)],
            ExplainOptions(
                method=method,
                parameters=SMALL.get(method, {}),
                seed=number,
                top_k=4,
                receipt="fast" if number % 3 == 0 else "none",
            ),
        )
        for number, method in zip(
            range(50), [name for name in USABLE for _ in range(50)][::9] * 5, strict=False
        )
    ]
    in_a_row = [fingerprint(engine.explain(*request).result(120)) for request in requests]
    with ThreadPoolExecutor(8) as threads:
        at_once = list(
            threads.map(lambda request: fingerprint(engine.explain(*request).result(120)), requests)
        )
    assert len(in_a_row) == 50
    assert at_once == in_a_row


def test_a_prediction_ranks_by_logit_and_probabilities_add_up_to_one(engine: Engine):
    prediction = engine.predict(PICTURES[0], PredictOptions(top_k=4)).result(30)
    logits = [ranked.logit for ranked in prediction.top_k]
    assert logits == sorted(logits, reverse=True)
    assert sum(ranked.probability for ranked in prediction.top_k) == pytest.approx(1)
    assert (prediction.box.width, prediction.box.height) == (24, 20)


def test_the_predicted_class_is_explained_unless_another_is_named(engine: Engine):
    default = engine.explain(PICTURES[1], ExplainOptions(receipt="none", top_k=4)).result(30)
    assert default.target == default.prediction.top_k[0].index
    other = default.prediction.top_k[-1]
    named = engine.explain(PICTURES[1], ExplainOptions(receipt="none", target=other.label)).result(30)
    assert named.target == other.index
    assert named.explanation.map.tobytes() != default.explanation.map.tobytes()


def test_a_method_with_a_caution_says_so_in_every_answer(engine: Engine):
    answer = engine.explain(PICTURES[0], ExplainOptions(method="layer_cam", receipt="none")).result(30)
    assert any("Khakzar" in warning for warning in answer.explanation.warnings)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            ExplainOptions(method="grad-cam"),
            UnknownMethodError,
            "no method is named 'grad-cam'. Methods are: grad_cam",
        ),
        (ExplainOptions(target=4), UnknownTargetError, "target is class 4; the model has classes 0 to 3"),
        (ExplainOptions(target=-1), UnknownTargetError, "target is class -1"),
        (ExplainOptions(target="Class 1"), UnknownTargetError, "'Class 1' is no label"),
        (ExplainOptions(target=1, contrast="class 1"), OptionError, "both class 1"),
        (ExplainOptions(top_k=5), OptionError, "the model has 4 classes. Choose 1 to 4"),
        (ExplainOptions(method="occlusion", parameters={"windw": 3}), OptionError, "windw"),
        (ExplainOptions(method="occlusion", parameters={"window": 17}), OptionError, "window is 17 pixels"),
        (ExplainOptions(method="smooth_grad", parameters={"deviation": "nan"}), OptionError, "deviation"),
        (ExplainOptions(method="gradient", receipt="fast", max_forwards=2), BudgetError, "max_forwards is 2"),
    ],
)
def test_a_wrong_option_is_refused_before_any_work(
    engine: Engine, options: ExplainOptions, error: type[RequestError], message: str
):
    with pytest.raises(error, match=message):
        engine.explain(PICTURES[0], options).result(30)


def test_a_contrast_with_the_predicted_class_is_refused_once_that_is_known(engine: Engine):
    predicted = engine.predict(PICTURES[2], PredictOptions(top_k=1)).result(30).top_k[0].index
    with pytest.raises(OptionError, match="explains nothing"):
        engine.explain(PICTURES[2], ExplainOptions(contrast=predicted, receipt="none")).result(30)


def test_gradient_methods_of_a_model_without_gradients_name_those_that_work(tmp_path: Path):
    kernel = np.ones((2, 3, 3, 3), np.float32)
    model = load_tiny(conv_model(kernel, np.eye(2, dtype=np.float32)), tmp_path)
    del model._graphs[next(name for name in model.directions if name == "gradient")]
    with (
        engine_of(model) as engine,
        pytest.raises(MethodUnavailableError, match=r"Methods that work for it: .*occlusion"),
    ):
        engine.explain(PICTURES[0], ExplainOptions(method="gradient", receipt="none"))


def test_a_map_that_is_done_survives_a_deadline_in_its_receipt(engine: Engine):
    """Time is up when the first passes of the receipt have been run: prediction, map, and a word of warning."""
    model = engine.models.get(None)
    job = check_job(model, ExplainOptions(method="gradient", receipt="full"))
    view = resize(PICTURES[0], model.manifest.input.resize, height=model.height, width=model.width)
    plan = explain_plan(job, view, None, None, Stopwatch())
    batch = next(plan)
    for _ in range(3):
        batch = plan.send(model.run(batch))
    with pytest.raises(StopIteration) as end:
        plan.throw(DeadlineReached())
    answer = end.value.value
    assert answer.explanation.converged
    assert answer.receipt is None
    assert answer.prediction.warnings == ("deadline: there was nothing left for a receipt",)


@pytest.mark.parametrize("ask", ["predict", "explain", "evaluate"])
def test_the_time_to_resize_is_the_deadline_s_too(engine: Engine, monkeypatch: pytest.MonkeyPatch, ask: str):
    """A large picture takes milliseconds; counted from after that, every answer would be late by them."""
    begun_s, due_s = [], []

    def slowly(*given: Any, **more: Any) -> Any:
        begun_s.append(time.monotonic())
        view = resize(*given, **more)
        while time.monotonic() <= begun_s[-1]:  # until the clock has moved
            pass
        return view

    def submit(*_: Any, until: float, **__: Any) -> None:
        due_s.append(until)

    monkeypatch.setattr("service.engine.resize", slowly)
    monkeypatch.setattr(engine._scheduler, "submit", submit)
    options: dict[str, tuple[Any, ...]] = {
        "predict": (PredictOptions(deadline_ms=1e6),),
        "explain": (ExplainOptions(deadline_ms=1e6),),
        "evaluate": (RNG.random((SIZE, SIZE)), EvaluateOptions(deadline_ms=1e6)),
    }
    getattr(engine, ask)(PICTURES[0], *options[ask])
    assert due_s[0] <= begun_s[0] + 1e3
