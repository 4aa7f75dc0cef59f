"""What a caller decodes must be the map, to the precision that is promised.

Pillow and numpy read here what OpenCV and our code wrote.
"""

import io

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.arrays import SaliencyMap
from service.errors import ExplanationError
from service.imaging.encode import EncodedMap, encode_map

MAPS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.floats(-(2.0**100), 2.0**100, width=32),
)


def _read_png16(encoded: EncodedMap) -> np.ndarray:
    """As the documentation tells a client to."""
    levels = np.asarray(PIL.Image.open(io.BytesIO(encoded.data))).astype(np.float64)
    return encoded.minimum + levels / 65535 * (encoded.maximum - encoded.minimum)


@given(saliency=MAPS)
def test_a_png16_map_comes_back_to_within_half_a_step(saliency: SaliencyMap) -> None:
    """Half of (maximum - minimum) / 65535, plus the rounding of the two float64 operations of decoding."""
    encoded = encode_map(saliency, "png16")

    half_a_step = (encoded.maximum - encoded.minimum) / 131070
    rounding = 4 * np.finfo(np.float64).eps * max(abs(encoded.minimum), abs(encoded.maximum))
    np.testing.assert_allclose(_read_png16(encoded), saliency, rtol=0, atol=half_a_step + rounding)
    assert encoded.shape == saliency.shape


def test_a_png16_map_keeps_its_extremes_exactly() -> None:
    """The ends of the scale are what overlays and thresholds are made from."""
    saliency = np.random.default_rng(0).standard_normal((20, 30)).astype(np.float32)

    decoded = _read_png16(encode_map(saliency, "png16"))

    assert decoded.min() == saliency.min()
    assert decoded.max() == saliency.max()


def test_the_widest_possible_range_does_not_overflow() -> None:
    """The difference of the two extremes of float32 is no float32."""
    extreme = float(np.finfo(np.float32).max)

    decoded = _read_png16(encode_map(np.array([[-extreme, 0, extreme]], np.float32), "png16"))

    half_a_step = 2 * extreme / 131070
    np.testing.assert_allclose(decoded, [[-extreme, 0, extreme]], atol=half_a_step * (1 + 1e-9))


def test_a_constant_map_comes_back_exactly() -> None:
    """Its range is zero, which nothing can be divided by."""
    encoded = encode_map(np.full((3, 4), 0.1, np.float32), "png16")

    assert (_read_png16(encoded) == np.float32(0.1)).all()


@given(saliency=MAPS)
def test_an_npy_map_comes_back_bit_for_bit(saliency: SaliencyMap) -> None:
    """Little-endian float32 in C order, without pickle, whatever the array in memory was like."""
    loaded = np.load(io.BytesIO(encode_map(saliency.T, "npy").data), allow_pickle=False)

    assert loaded.dtype == np.dtype("<f4")
    np.testing.assert_array_equal(loaded, saliency.T)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_not_finite_is_refused(bad: float) -> None:
    """Cast to a 16-bit level, NaN would become an innocent number."""
    with pytest.raises(ExplanationError, match="NaN or infinity"):
        encode_map(np.array([[0, bad]], np.float32), "png16")


def test_the_same_map_gives_the_same_bytes() -> None:
    """Same request, same seed, same bytes."""
    saliency = np.random.default_rng(0).standard_normal((224, 224)).astype(np.float32)

    assert encode_map(saliency, "png16") == encode_map(saliency.copy(), "png16")
