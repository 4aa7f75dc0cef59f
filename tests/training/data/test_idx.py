import gzip
import struct

import numpy as np
import pytest
import torch

from training.config import DataConfig
from training.data.read import read_training
from training.errors import DataError


def pack(values: np.ndarray) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


@pytest.fixture
def root(tmp_path):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (20, 6, 6), dtype=np.uint8)
    labels = np.arange(20, dtype=np.uint8) % 10
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(pack(images)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(pack(labels))
    return tmp_path


def config(root) -> DataConfig:
    return DataConfig(kind="idx", root=root, size=6, validation_fraction=0.5)


def test_grey_pictures_become_rgb(root):
    training, validation = read_training(config(root))
    assert len(training) == len(validation) == 10
    image = training.image(0)
    assert image.shape == (3, 6, 6)
    assert torch.equal(image[0], image[1])


def test_a_short_file_is_refused(root):
    path = root / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="holds 19 bytes"):
        read_training(config(root))


def test_labels_out_of_range_are_refused(root):
    path = root / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x0b")
    with pytest.raises(DataError):
        read_training(config(root))


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DataError, match="train-images-idx3-ubyte"):
        read_training(config(tmp_path))


@pytest.mark.parametrize("content", [b"", b"\x00\x00\x08\x03", gzip.compress(b"x")[:10] + b"\xff" * 20])
def test_a_damaged_file_is_named(content, root):
    """Cut off in its header, or packed data that do not unpack."""
    (root / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(DataError, match="train-images-idx3-ubyte"):
        read_training(config(root))


def test_a_file_without_pictures_says_so(root):
    for name, shape in (("train-images-idx3-ubyte.gz", (0, 6, 6)), ("train-labels-idx1-ubyte", (0,))):
        data = pack(np.zeros(shape, np.uint8))
        (root / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    with pytest.raises(DataError, match=r"\(0, 6, 6\)"):
        read_training(config(root))
