"""``python -m service.bundle`` as an operator meets it: words in, one line of error or a bundle out."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from onnx import ModelProto

from service.bundle.__main__ import main
from service.bundle.arguments import parse, read_classes, recipe_of
from service.bundle.load import load_bundle
from service.errors import BundleBuildError
from service.imaging.resize import CenterCrop, Pad, Stretch


@pytest.fixture
def command(tmp_path: Path, saved: Callable[[ModelProto], Path], classifier: ModelProto) -> list[str]:
    classes = tmp_path / "classes.txt"
    classes.write_text("red\ngreen\nblue\ngrey\nother\n")
    return [
        "build", str(saved(classifier)), "--name", "small", "--version", "1", "--classes", str(classes),
        "--mean", "0", "0", "0", "--std", "1", "1", "1", "--output-is", "logits", "--out", str(tmp_path / "models"),
        "--directions", "0",
    ]  # fmt: skip


def test_build_makes_a_bundle_and_describes_it(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 0

    bundle = load_bundle(tmp_path / "models" / "small" / "1")
    assert bundle.sha256 in capsys.readouterr().out


def test_verify_accepts_what_build_made_and_refuses_it_once_touched(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(bundle)]) == 0
    content = bytearray((bundle / "weights.bin").read_bytes())
    content[0] ^= 1
    (bundle / "weights.bin").write_bytes(content)

    assert main(["verify", str(bundle)]) == 1

    assert capsys.readouterr().err.startswith("error (digest_mismatch): ")


def test_card_writes_the_card_again(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (bundle / "card.md").read_text()
    (bundle / "card.md").write_text("edited")

    assert main(["verify", str(bundle)]) == 0
    assert "card.md does not say what the manifest says" in capsys.readouterr().out
    assert main(["card", str(bundle)]) == 0

    assert (bundle / "card.md").read_text() == before


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--std", "0", "1", "1"], "bundle_build_error", "std positive"),
        (["--mean", "nan", "0", "0"], "bundle_build_error", "no normalisation"),
        (["--name", "Upper"], "bundle_build_error", "'Upper' is not allowed"),
        (["--size", "32"], "graph_error", "not the stated size 32 x 32"),
        (["--output", "x"], "graph_error", "no output 'x'"),
        (["--output-is", "probabilities"], "graph_error", "ends in Gemm"),
        (["--crop-fraction", "2"], "bundle_build_error", "fraction: Input should be less than or equal to 1"),
        (
            ["--resize", "stretch", "--crop-fraction", "0.5"],
            "bundle_build_error",
            "belongs to --resize center_crop",
        ),
        (["--fill", "1", "2", "3"], "bundle_build_error", "belongs to --resize pad"),
        (["--resize", "pad", "--fill", "1", "2", "300"], "bundle_build_error", "less than or equal to 255"),
        (["--classes", "absent.txt"], "bundle_build_error", "class names cannot be read"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    options: list[str],
    code: str,
    message: str,
) -> None:
    assert main([*command, *options]) == 1

    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error ({code}): ")
    assert message in last
    assert not list((tmp_path / "models").glob("*"))


@pytest.mark.parametrize("missing", ["--name", "--version", "--classes", "--mean", "--std", "--output-is"])
def test_nothing_that_only_the_author_knows_has_a_default(
    command: list[str], capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    """A forgotten mean is the classic way to serve a model at half its accuracy."""
    position = command.index(missing)
    length = 4 if missing in {"--mean", "--std"} else 2

    with pytest.raises(SystemExit) as caught:
        main(command[:position] + command[position + length :])

    assert caught.value.code == 2
    assert missing in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [["--size", "0"], ["--size", "1x2x3"], ["--size", "big"], ["--created", "soon"], ["--directions", "-1"]],
)
def test_a_malformed_option_is_named(
    command: list[str], capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, *options])

    assert caught.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_mean_and_std_of_bytes_are_brought_to_the_unit_range(command: list[str]) -> None:
    """(255 x - 127) / 128 = (x - 127/255) / (128/255)."""
    arguments = ["--mean", "127", "127", "127", "--std", "128", "128", "128", "--pixel-range", "255"]

    recipe = recipe_of(parse([*command, *arguments]))

    assert recipe.preprocessing.mean == (127 / 255,) * 3
    assert recipe.preprocessing.std == (128 / 255,) * 3


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ([], CenterCrop(fraction=0.875)),
        (["--crop-fraction", "1"], CenterCrop(fraction=1)),
        (["--resize", "stretch", "--interpolation", "bilinear"], Stretch(interpolation="bilinear")),
        (["--resize", "pad"], Pad()),
        (["--resize", "pad", "--fill", "1", "2", "3"], Pad(fill=(1, 2, 3))),
    ],
)
def test_the_resize_policy_is_spelt_by_options(
    command: list[str], options: list[str], policy: CenterCrop | Stretch | Pad
) -> None:
    assert recipe_of(parse([*command, *options])).resize == policy


@pytest.mark.parametrize(("text", "size"), [("224", (224, 224)), ("224x320", (224, 320))])
def test_a_size_is_height_before_width(command: list[str], text: str, size: tuple[int, int]) -> None:
    assert recipe_of(parse([*command, "--size", text])).size == size


def test_the_time_of_building_can_be_told(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Reproducible builds: an option first, then what distributions agree on, then the clock."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")

    assert recipe_of(parse(command)).created == datetime(1970, 1, 2, tzinfo=UTC)
    assert recipe_of(parse([*command, "--created", "2024-05-17"])).created == datetime(
        2024, 5, 17, tzinfo=UTC
    )


def test_a_malformed_epoch_is_refused(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")

    with pytest.raises(BundleBuildError, match="SOURCE_DATE_EPOCH is 'yesterday'"):
        recipe_of(parse(command))


@pytest.mark.parametrize(("suffix", "text"), [("txt", "cat\ndog\n"), ("json", '["cat", "dog"]')])
def test_the_mark_that_editors_put_in_front_is_no_part_of_a_name(
    tmp_path: Path, suffix: str, text: str
) -> None:
    path = tmp_path / f"classes.{suffix}"
    path.write_text(text, encoding="utf-8-sig")
    assert read_classes(path) == ("cat", "dog")


def test_class_names_are_lines_or_a_json_list(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("tabby, tiger cat\n émeu \n", encoding="utf-8")
    (tmp_path / "c.json").write_text(json.dumps(["tabby, tiger cat", "émeu"]))

    assert read_classes(tmp_path / "c.txt") == ("tabby, tiger cat", "émeu")
    assert read_classes(tmp_path / "c.json") == ("tabby, tiger cat", "émeu")


@pytest.mark.parametrize("content", ['{"0": "cat"}', "[1, 2]", "[", '"cat"'])
def test_json_that_is_no_list_of_names_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "c.json").write_text(content)

    with pytest.raises(BundleBuildError):
        read_classes(tmp_path / "c.json")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(BundleBuildError, match="cannot be read"):
        read_classes(tmp_path / "c.txt")


def test_the_module_runs_as_a_program(bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service.bundle", "verify", str(bundle.parent)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("error (manifest_error): ")
    assert "Traceback" not in done.stderr
