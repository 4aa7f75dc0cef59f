import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from service.imaging.decode import ImageLimits, decode
from service.imaging.resize import CenterCrop, resize
from training.config import DataConfig
from training.data.pictures import Pictures, checked, limited, split
from training.data.read import read_part, read_test, read_training
from training.errors import DataError


def folder(root: Path, **changes: object) -> DataConfig:
    return DataConfig(root=root, size=8, validation_fraction=0.25, **changes)


def test_pictures_are_what_the_service_would_see(tmp_path):
    """One decoder and one resize policy at both ends, or training and serving drift apart."""
    path = tmp_path / "train" / "a" / "photo.jpg"
    path.parent.mkdir(parents=True)
    (tmp_path / "train" / "b").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (30, 41, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(path)
    found = read_part(folder(tmp_path), "train").image(0)
    picture = decode(path.read_bytes(), ImageLimits())
    expected = resize(picture, CenterCrop(fraction=1.0), height=8, width=8).image
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=1e-7)


def test_the_split_keeps_classes_and_shares_nothing(pictures_root):
    training, validation = read_training(folder(pictures_root))
    assert (len(training), len(validation)) == (30, 10)
    assert validation.labels.bincount().tolist() == [5, 5]
    images = {training.image(i).numpy().tobytes() for i in range(30)}
    assert not images & {validation.image(i).numpy().tobytes() for i in range(10)}


def test_a_validation_part_of_its_own_is_used(pictures_root, tmp_path):
    (tmp_path / "train").symlink_to(pictures_root / "train")
    (tmp_path / "val").symlink_to(pictures_root / "test")
    training, validation = read_training(folder(tmp_path))
    assert (len(training), len(validation)) == (40, 16)


@pytest.mark.parametrize("part", ["val", "test"])
def test_labels_mean_the_same_in_every_part(part, tmp_path):
    """A part in which a class is missing would number the later ones lower, and be scored against other names."""
    for where, names in (("train", "abc"), (part, "bc")):
        for label, name in enumerate(names):
            for number in range(4):
                path = tmp_path / where / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                PIL.Image.new("RGB", (8, 8), (label, number, 0)).save(path)

    def read() -> Pictures:
        training, validation = read_training(folder(tmp_path))
        return validation if part == "val" else read_test(folder(tmp_path), training.classes)

    found = read()
    assert found.classes == ("a", "b", "c")
    assert found.labels.tolist() == [1, 1, 1, 1, 2, 2, 2, 2]
    (tmp_path / part / "b").rename(tmp_path / part / "d")
    with pytest.raises(DataError, match="pictures of d; training has a, b, c"):
        read()


def test_what_programs_hide_is_no_class_and_no_picture(pictures_root, tmp_path):
    """Jupyter and macOS leave such in every folder; a class of them would give the network one answer more."""
    shutil.copytree(pictures_root / "train", tmp_path / "train")
    (tmp_path / "train" / ".ipynb_checkpoints").mkdir()
    shutil.copy(tmp_path / "train" / "left" / "00.png", tmp_path / "train" / ".ipynb_checkpoints")
    (tmp_path / "train" / "left" / "._00.png").write_bytes(b"no picture")
    found = read_part(folder(tmp_path), "train")
    assert found.classes == ("left", "right")
    assert len(found) == 40


@pytest.mark.parametrize("limit", [1, 20])
def test_a_limit_below_the_number_of_classes_leaves_some(limit):
    """Of a thousand classes with five pictures each none is due one of 128, nor of the eight for an export."""
    labels = torch.arange(5000) % 1000
    pictures = Pictures(tuple(map(str, range(1000))), labels, tuple(map(str, range(5000))), torch.tensor)
    kept = limited(pictures, limit)
    assert len(kept) == limit
    assert kept.names == limited(pictures, limit).names


def test_skipping_needs_pictures_in_memory(pictures_root):
    """Otherwise a broken one stopped the run hours later, and recommended what was set."""
    with pytest.raises(DataError, match=r"needs data\.in_memory"):
        read_part(folder(pictures_root, corrupt="skip", in_memory=False), "train")


def test_limits_take_an_even_share_of_each_class(pictures_root):
    training, validation = read_training(folder(pictures_root, training_limit=12, validation_limit=4))
    assert training.labels.bincount().tolist() == [6, 6]
    assert validation.labels.bincount().tolist() == [2, 2]
    assert len(limited(training, 100)) == 12


def test_a_corrupt_picture_stops_by_name_or_is_skipped_and_counted(pictures_root, tmp_path):
    for part in ("left", "right"):
        (tmp_path / "train" / part).mkdir(parents=True)
        for path in (pictures_root / "train" / part).iterdir():
            (tmp_path / "train" / part / path.name).write_bytes(path.read_bytes())
    (tmp_path / "train" / "left" / "03.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(DataError, match=r"03\.png"):
        read_training(folder(tmp_path))
    found = read_part(folder(tmp_path, corrupt="skip"), "train")
    assert len(found) == 39
    assert [Path(name).name for name in found.skipped] == ["03.png"]


def test_pictures_can_stay_on_disk(pictures_root):
    lazy = read_test(folder(pictures_root, in_memory=False), ("left", "right"))
    eager = read_test(folder(pictures_root), ("left", "right"))
    assert torch.equal(lazy.batch(range(16))[0], eager.batch(range(16))[0])


@pytest.mark.parametrize(
    ("classes", "count", "said"),
    [((), 0, "no class folders"), (("a", "b"), 0, "no pictures"), (("a",), 3, "needs two")],
)
def test_an_empty_folder_and_a_single_class_are_refused(classes, count, said, tmp_path):
    (tmp_path / "test").mkdir()
    for name in classes:
        (tmp_path / "test" / name).mkdir()
        for number in range(count):
            PIL.Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "test" / name / f"{number}.png")
    with pytest.raises(DataError, match=said):
        read_test(folder(tmp_path), ("left", "right"))


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="expected train"):
        read_training(folder(tmp_path / "nosuch"))


@pytest.mark.parametrize("labels", [[0, 1, 2], [-1, 0, 1]])
def test_labels_out_of_range_are_refused(labels):
    pictures = Pictures(("a", "b"), torch.tensor(labels), ("x",) * 3, lambda _: torch.zeros(3, 8, 8))
    with pytest.raises(DataError, match="from"):
        checked(pictures, "here")


def test_the_split_does_not_depend_on_the_run(pictures_root):
    first, second = (split(read_part(folder(pictures_root), "train"), 0.25)[1].names for _ in range(2))
    assert first == second
