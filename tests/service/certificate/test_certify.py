"""A bundle gets its certificates: resumable, deterministic, bound to its weights, and read by the service."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from service.bundle.__main__ import main
from service.bundle.load import Bundle, load_bundle
from service.certificate.certify import Effort, certify
from service.errors import BundleBuildError, ManifestError, UnknownMethodError
from service.explain.methods import METHODS
from service.http.certificates import certificate_body, certificate_warnings
from tests.tiny import DEVICE

FEW = Effort(pictures=5, composites=2, stages=2)


@pytest.fixture
def bundle(linear: Bundle, tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "linear" / "1"
    shutil.copytree(linear.folder, folder)
    return folder


@pytest.fixture
def pictures(folder_of_pictures: Callable[[int], Path]) -> Path:
    return folder_of_pictures(6)


def run(bundle: Path, pictures: Path, *methods: str, told: list[str] | None = None, **more: bool) -> Bundle:
    report = (lambda _: None) if told is None else told.append
    return certify(bundle, pictures, DEVICE, methods=methods, effort=FEW, report=report, **more)


def test_certificates_end_up_in_manifest_and_card(bundle: Path, pictures: Path) -> None:
    """Nothing else of the manifest changes, and no picture is in it: only their number and digest."""
    before = json.loads((bundle / "manifest.json").read_text())

    found = run(bundle, pictures, "gradient").manifest

    certificate = found.certificates["gradient"]
    after = json.loads((bundle / "manifest.json").read_text())
    assert {name for name in after if after[name] != before[name]} == {"certificates", "baselines"}
    assert certificate.pictures.count == 5
    assert certificate.files_sha256 == found.files_sha256
    assert set(found.baselines) == {"channel_mean", "gaussian_blur", "noise", "road", "black"}
    assert f"| gradient | {certificate.verdict} |" in (bundle / "card.md").read_text()


def test_a_finished_method_is_not_done_again_and_an_interrupted_run_goes_on(
    bundle: Path, pictures: Path
) -> None:
    """Killed between two methods; what was done by then is in the manifest."""

    class KilledError(Exception):
        pass

    def kill(stage: str) -> None:
        if "input_x_gradient" in stage:
            raise KilledError

    with pytest.raises(KilledError):
        certify(bundle, pictures, DEVICE, methods=("gradient", "input_x_gradient"), effort=FEW, report=kill)
    first = load_bundle(bundle).manifest.certificates["gradient"]
    told: list[str] = []
    both = run(bundle, pictures, "gradient", "input_x_gradient", told=told).manifest.certificates

    assert told[0] == "1 of 2 methods are certified already"
    assert not any("gradient: the trained" in stage and "input_x" not in stage for stage in told)
    assert list(both) == ["gradient", "input_x_gradient"]
    assert both["gradient"] == first
    again: list[str] = []
    run(bundle, pictures, "gradient", "input_x_gradient", told=again)
    assert again == ["2 of 2 methods are certified already"]


def test_a_new_option_of_a_method_makes_no_certificate_anew(bundle: Path, pictures: Path) -> None:
    """Its default is what the method did before; an option that is gone was something else."""
    run(bundle, pictures, "smooth_grad")
    path = bundle / "manifest.json"
    fields = json.loads(path.read_text())
    parameters = fields["certificates"]["smooth_grad"]["parameters"]
    del parameters["deviation"]
    path.write_text(json.dumps(fields))
    told: list[str] = []
    run(bundle, pictures, "smooth_grad", told=told)
    parameters["gone"] = 1
    path.write_text(json.dumps(fields))
    anew: list[str] = []
    run(bundle, pictures, "smooth_grad", told=anew)

    assert told == ["1 of 1 methods are certified already"]
    assert anew[0] == "0 of 1 methods are certified already"


@pytest.mark.parametrize("other", [replace(FEW, stages=1), replace(FEW, composites=1)])
def test_a_certificate_of_less_or_more_work_is_no_part_of_this_run(
    bundle: Path, pictures: Path, other: Effort
) -> None:
    """A run that goes on with other counts would leave a table of which every row means something else."""
    run(bundle, pictures, "gradient")
    told: list[str] = []

    found = certify(bundle, pictures, DEVICE, methods=("gradient",), effort=other, report=told.append)

    assert told[0] == "0 of 1 methods are certified already"
    certificate = found.manifest.certificates["gradient"]
    assert (certificate.stages, certificate.composites) == (other.stages, other.composites)


def test_the_same_seed_gives_the_same_bytes(bundle: Path, pictures: Path) -> None:
    run(bundle, pictures, "gradient")
    first = (bundle / "manifest.json").read_bytes()

    run(bundle, pictures, "gradient", force=True)

    assert (bundle / "manifest.json").read_bytes() == first


def test_a_certificate_of_other_weights_is_refused_and_certifying_repairs_it(
    bundle: Path, pictures: Path
) -> None:
    """Weights that were exchanged together with their digests would otherwise keep a certificate they never earned."""
    run(bundle, pictures, "gradient")
    path = bundle / "manifest.json"
    fields = json.loads(path.read_text())
    fields["certificates"]["gradient"]["files_sha256"] = "f" * 64
    path.write_text(json.dumps(fields))

    with pytest.raises(ManifestError, match="certificate of gradient is of other weights or graphs"):
        load_bundle(bundle)
    told: list[str] = []
    found = run(bundle, pictures, "gradient", told=told).manifest

    assert told[0] == "gradient: dropped a certificate of other weights or graphs"
    assert found.certificates["gradient"].files_sha256 == found.files_sha256


def test_a_verdict_that_its_checks_do_not_give_is_refused(bundle: Path, pictures: Path) -> None:
    run(bundle, pictures, "gradient")
    path = bundle / "manifest.json"
    fields = json.loads(path.read_text())
    fields["certificates"]["gradient"]["checks"]["mprt"]["verdict"] = "fail"
    fields["certificates"]["gradient"]["verdict"] = "pass"
    path.write_text(json.dumps(fields))

    with pytest.raises(ManifestError, match="verdict is pass; the checks give fail"):
        load_bundle(bundle)


def test_a_manifest_of_the_first_format_is_read_as_not_certified(bundle: Path) -> None:
    path = bundle / "manifest.json"
    path.write_text(path.read_text().replace('"format_version": 2', '"format_version": 1'))

    manifest = load_bundle(bundle).manifest

    assert manifest.format_version == 1
    assert certificate_body(manifest, "gradient", {}).verdict == "not certified"
    assert "never checked" in certificate_body(manifest, "gradient", {}).reason
    assert certificate_warnings(manifest, "gradient") == ()


def test_the_first_format_cannot_hold_certificates(bundle: Path, pictures: Path) -> None:
    """A reader of that format would not know what they are bound to."""
    run(bundle, pictures, "gradient")
    path = bundle / "manifest.json"
    path.write_text(path.read_text().replace('"format_version": 2', '"format_version": 1'))

    with pytest.raises(ManifestError, match="format_version 1 has no certificates"):
        load_bundle(bundle)


def test_answers_carry_the_certificate_and_a_warning_if_it_failed(bundle: Path, pictures: Path) -> None:
    manifest = run(bundle, pictures, "gradient").manifest
    certificate = manifest.certificates["gradient"]
    failed = certificate.model_copy(
        update={
            "verdict": "fail",
            "checks": {
                **certificate.checks,
                "mprt": certificate.checks["mprt"].model_copy(update={"verdict": "fail"}),
            },
        }
    )
    worse = manifest.model_copy(update={"certificates": {"gradient": failed}})

    body = certificate_body(worse, "gradient", {})
    [warning] = certificate_warnings(worse, "gradient")

    assert (body.verdict, body.mprt, body.same_parameters) == ("fail", "fail", True)
    assert certificate_body(worse, "gradient", {"samples": 3}).same_parameters is False
    assert warning.startswith("gradient failed its certificate on this model (mprt")
    assert f"GET /v1/models/{manifest.name} has the numbers" in warning


def test_a_certificate_outlives_a_new_option_with_its_default(bundle: Path, pictures: Path) -> None:
    """Made before SmoothGrad had *agreement*, whose default changes nothing."""
    manifest = run(bundle, pictures, "gradient").manifest
    older = manifest.certificates["gradient"].model_copy(
        update={"parameters": {"samples": 24, "deviation": 0.15}}
    )
    certified = manifest.model_copy(update={"certificates": {"smooth_grad": older}})
    parameters = METHODS["smooth_grad"].parameters()

    def same(**changed: object) -> bool | None:
        asked = parameters.model_copy(update=changed).model_dump(mode="json")
        return certificate_body(certified, "smooth_grad", asked).same_parameters

    assert same() is True
    assert same(agreement=0.9) is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "nothing"], "'nothing' is no method of this model. Methods are: "),
        (["--methods", "grad_cam"], "'grad_cam' is no method of this model."),
        (["--pictures", "absent"], "there is no folder absent"),
    ],
)
def test_a_mistake_is_one_line(
    bundle: Path, pictures: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["certify", str(bundle), "--provider", "cpu", "--pictures", str(pictures), *arguments]) == 1
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_the_command_certifies(bundle: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--count",
        "3",
        "--composites",
        "1",
        "--stages",
        "2",
        "--provider",
        "cpu",
        "--methods",
        "gradient",
    ]

    assert main(["certify", str(bundle), "--pictures", str(pictures), *options]) == 0

    told = capsys.readouterr()
    assert told.out.startswith("gradient: ")
    assert "1/1 gradient: 1 layers randomised" in told.err


def test_too_few_or_broken_pictures_are_refused(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    with pytest.raises(BundleBuildError, match="holds 0 pictures"):
        run(bundle, folder, "gradient")
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"no picture")
    with pytest.raises(BundleBuildError, match=r"a\.png"):
        run(bundle, folder, "gradient")


def test_an_unknown_method_is_refused_before_any_work(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownMethodError):
        run(bundle, tmp_path / "absent", "nothing")
