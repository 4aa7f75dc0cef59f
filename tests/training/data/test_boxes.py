import numpy as np
import PIL.Image
import pytest

from training.config import DataConfig
from training.data.boxes import cut_windows
from training.data.read import read_training
from training.errors import DataError

OBJECT = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"


@pytest.fixture
def root(tmp_path):
    """Grey pictures of 60x40 with one white square of 8x8 whose box is known."""
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (tmp_path / name).mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, count in (("train", 4), ("val", 2)):
        stems = [f"{part}{number}" for number in range(count)]
        (tmp_path / "ImageSets" / "Main" / f"{part}.txt").write_text("\n".join(stems))
        for stem in stems:
            left, top = int(random.integers(0, 52)), int(random.integers(0, 32))
            picture = np.full((40, 60, 3), 60, np.uint8)
            picture[top : top + 8, left : left + 8] = 250
            PIL.Image.fromarray(picture).save(tmp_path / "JPEGImages" / f"{stem}.jpg", quality=100)
            inside = OBJECT.format("WBC", left, top, left + 8, top + 8) + OBJECT.format("RBC", 0, 0, 9, 9)
            (tmp_path / "Annotations" / f"{stem}.xml").write_text(f"<annotation>{inside}</annotation>")
    return tmp_path


def config(root, **changes: object) -> DataConfig:
    return DataConfig(kind="boxes", root=root, window=20, windows_per_picture=3, size=20, **changes)


def test_the_box_is_where_the_object_is(root):
    """The oracle is the picture: the white square, and nothing else, is bright."""
    training, _ = read_training(config(root))
    assert set(training.labels.tolist()) == {0, 1}
    for number, label in enumerate(training.labels.tolist()):
        bright = training.image(number)[0].numpy() > 0.6
        if not label:
            assert not bright.any()
            continue
        [(left, top, right, bottom)] = training.boxes[number]
        expected = np.zeros((20, 20), bool)
        expected[round(top) : round(bottom), round(left) : round(right)] = True
        assert (bright == expected).all()


def test_windows_that_cut_an_object_are_left_out():
    """Every window shows at least 70 % of the object, or nothing of it."""
    box = np.array([[20.0, 10.0, 40.0, 30.0]])
    windows = cut_windows(box, height=60, width=80, side=30, tries=50, random=np.random.default_rng(0))
    assert len(windows) == 100
    for window in windows:
        areas = [(right - left) * (bottom - top) for left, top, right, bottom in window.boxes]
        assert (not areas) if not window.present else areas[0] >= 0.7 * 400


def test_windows_are_the_same_for_every_run(root):
    assert read_training(config(root))[0].names == read_training(config(root))[0].names


def test_parts_share_no_picture(root):
    training, validation = read_training(config(root))
    stems = [{name.split("+")[0] for name in part.names} for part in (training, validation)]
    assert not stems[0] & stems[1]


def test_a_window_larger_than_the_picture_is_refused(root):
    with pytest.raises(DataError, match="60x40"):
        read_training(config(root).model_copy(update={"window": 50}))


@pytest.mark.parametrize("text", ["<annotation>", "<annotation><object></object></annotation>"])
def test_a_broken_annotation_is_named(text, root):
    (root / "Annotations" / "train0.xml").write_text(text)
    with pytest.raises(DataError, match=r"train0\.xml"):
        read_training(config(root))


def test_a_corrupt_picture_stops_by_name_or_is_skipped_and_counted(root):
    """As in a folder. Its annotation alone shows no window."""
    broken = root / "JPEGImages" / "train1.jpg"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(DataError, match=r'train1\.jpg cannot be decoded.*data\.corrupt = "skip"'):
        read_training(config(root))
    training, _ = read_training(config(root, corrupt="skip"))
    assert training.skipped == (str(broken),)
    assert {name.split("+")[0] for name in training.names} == {"train0", "train2", "train3"}
    assert len(training.boxes) == len(training)
