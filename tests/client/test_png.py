import io
import struct
import zlib

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from saliserve_client import arrays, errors, png

NONE, SUB, UP, AVERAGE, PAETH = range(5)


def filtered(pixels: NDArray[np.uint16], kinds: list[int]) -> bytes:
    """Write a PNG with a given filter per row, from the formulas of PNG section 9.2, byte by byte."""
    rows = [bytes(2) + row.astype(">u2").tobytes() for row in pixels]
    above = bytes(len(rows[0]))
    packed = b""
    for kind, row in zip(kinds, rows, strict=True):
        line = bytearray([kind])
        for at in range(2, len(row)):
            a, b, c = row[at - 2], above[at], above[at - 2]
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line.append((row[at] - (0, a, b, (a + b) // 2, paeth)[kind]) % 256)
        packed += bytes(line)
        above = row
    height, width = pixels.shape
    head = struct.pack(">II5B", width, height, 16, 0, 0, 0, 0)
    half = len(packed) // 2
    stream = zlib.compress(packed[:half] + packed[half:])
    chunks = [(b"IHDR", head), (b"IDAT", stream[:20]), (b"IDAT", stream[20:]), (b"IEND", b"")]
    return png.SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.data())
def test_every_mixture_of_filters_is_undone(height: int, width: int, seed: int, data: st.DataObject) -> None:
    """Encoders choose a filter per row. Pillow is the oracle for the writer above, then both readers must agree."""
    # Few levels make ties between neighbours common; Paeth's order among equals is part of the format.
    levels = data.draw(st.sampled_from([2, 4, 300, 2**16]))
    pixels = np.random.default_rng(seed).integers(0, levels, (height, width)).astype(np.uint16)
    kinds = data.draw(st.lists(st.integers(NONE, PAETH), min_size=height, max_size=height))
    encoded = filtered(pixels, kinds)

    assert np.array_equal(np.asarray(PIL.Image.open(io.BytesIO(encoded))), pixels)
    assert np.array_equal(png.grey16(np, encoded), pixels)


@pytest.mark.parametrize("strategy", range(5))
def test_what_opencv_writes_is_read(strategy: int) -> None:
    """The service encodes with OpenCV, whose filters depend on its build."""
    y, x = np.mgrid[:224, :224]
    pixels = ((np.sin(x / 9) * np.cos(y / 7) + 1) * 32767).astype(np.uint16)
    _, encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_STRATEGY, strategy])

    assert np.array_equal(png.grey16(np, encoded.tobytes()), pixels)


def test_a_decoded_map_is_within_half_a_step() -> None:
    """The error of 16 bits: (maximum - minimum) / 131070, plus the rounding of float32 at the largest value."""
    values = np.random.default_rng(0).normal(size=(32, 24))
    low, high = values.min(), values.max()
    levels = np.rint((values - low) / (high - low) * 65535).astype(np.uint16)
    _, encoded = cv2.imencode(".png", levels)

    decoded = arrays.decode("png16", encoded.tobytes(), minimum=low, maximum=high)

    assert decoded.dtype == np.float32
    step = (high - low) / 131070
    assert np.abs(decoded - values).max() <= step + np.spacing(np.float32(np.abs(values).max()))


@pytest.mark.parametrize("cut", [0, 4, 20, 40, 60])
def test_a_png_cut_short_is_an_unexpected_answer(cut: int) -> None:
    encoded = filtered(np.arange(12, dtype=np.uint16).reshape(3, 4), [0, 1, 2])

    with pytest.raises(errors.UnexpectedAnswerError):
        png.grey16(np, encoded[:cut])


def test_a_picture_of_another_kind_is_an_unexpected_answer() -> None:
    """Read as 16-bit grey, a colour picture would give a wrong map rather than none."""
    with pytest.raises(errors.UnexpectedAnswerError, match="colour type 2"):
        png.grey16(np, png.gradient(4, 4))


def test_an_npy_with_a_pickle_in_it_is_refused() -> None:
    """Unpickling runs code; a map never needs it."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], dtype=object), allow_pickle=True)

    with pytest.raises(errors.UnexpectedAnswerError):
        arrays.decode("npy", buffer.getvalue(), minimum=0, maximum=1)


def test_the_trial_picture_is_a_picture() -> None:
    """`doctor` sends it. Pillow is the oracle."""
    picture = np.asarray(PIL.Image.open(io.BytesIO(png.gradient(8, 4))))

    assert picture.shape == (4, 8, 3)
    assert picture[3, 7].tolist() == [255 * 7 // 8, 255 * 3 // 4, 128]
