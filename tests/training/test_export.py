from datetime import UTC, datetime

import numpy as np
import pytest
import torch

from service.runtime.plan import MicroBatch
from training.errors import CheckpointError
from training.evaluate import evaluate_run
from training.evaluation import read_evaluation
from training.export import export_run
from training.loop import fit
from training.maps import read_maps
from training.receipts import EXPLAINERS, load_model
from training.runs import open_run


@pytest.fixture
def finished(make_config):
    config = make_config(arm="scaat", optimiser__epochs=3)
    fit(config, quiet=True)
    return config.output


@pytest.mark.timeout(300)
def test_a_run_is_evaluated_and_becomes_a_bundle_that_answers_as_torch_does(finished, tmp_path):
    """From checkpoint to the service's own loader; the oracle is the network in torch, in float64."""
    evaluate_run(finished, map_images=4, robust_images=8, epsilons=(2 / 255,))
    bundle = export_run(
        finished,
        tmp_path / "models",
        name="tiny-scaat",
        number="1",
        data="made-up pictures",
        licence="Apache-2.0",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        directions=1,
        report=lambda _: None,
    )
    found = read_evaluation(finished)
    assert found["test"]["images"] == len(found["correct"]) == 16
    assert set(found["explainers"]) == set(EXPLAINERS)
    assert all(len(rows["verdict"]) == 4 for rows in found["explainers"].values())
    shown = read_maps(finished)
    assert shown.pictures.shape == (4, 3, 8, 8)
    assert {name: maps.shape for name, maps in shown.maps.items()} == dict.fromkeys(EXPLAINERS, (4, 8, 8))

    manifest = bundle.manifest
    assert manifest.provenance.arm == "SCAAT, reconstructed from the abstract of arXiv 2311.05143"
    assert manifest.provenance.seed == 0
    assert manifest.provenance.hyper_parameters["data.root"]
    assert "data.name" not in manifest.provenance.hyper_parameters  # "CIFAR10", for pictures of a folder
    assert manifest.evaluation.accuracy == found["test"]["accuracy"]
    assert manifest.parity.framework.logits.largest < 1e-4
    assert manifest.gradient.available

    model = load_model(bundle.folder)
    pixels = np.random.default_rng(0).random((1, 3, 8, 8), dtype=np.float32)
    answer = model.run(MicroBatch(model.device.upload(pixels), 1))["logits"].numpy()
    exact = open_run(finished).network.double()(torch.from_numpy(pixels).double()).detach().numpy()
    np.testing.assert_allclose(answer, exact, rtol=1e-4, atol=1e-5)


def test_a_folder_without_a_finished_epoch_cannot_be_exported(tmp_path):
    with pytest.raises(CheckpointError, match="at least one epoch"):
        open_run(tmp_path)


def test_an_evaluation_that_is_missing_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="training evaluate"):
        read_evaluation(tmp_path)
