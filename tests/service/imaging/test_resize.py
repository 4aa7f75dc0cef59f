"""The resize policies against torchvision and against pictures whose answer is known."""

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torchvision.transforms import functional as tv
from torchvision.transforms.functional import InterpolationMode

from service.arrays import Image, Picture
from service.imaging.resize import Box, CenterCrop, Interpolation, Pad, ResizePolicy, Stretch, resize

POLICIES: list[ResizePolicy] = [CenterCrop(), Stretch(), Pad()]
MODES = {
    "nearest": InterpolationMode.NEAREST,
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
}


def noise(height: int, width: int) -> Picture:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def by_torchvision(picture: Picture, interpolation: str, height: int, width: int) -> Image:
    scaled = tv.resize(PIL.Image.fromarray(picture), [height, width], MODES[interpolation])
    planes: Image = tv.to_tensor(scaled).numpy()
    return planes


@pytest.mark.parametrize("interpolation", list(MODES))
@pytest.mark.parametrize("size", [(300, 451), (97, 60), (224, 224)])
def test_stretching_equals_torchvision(interpolation: Interpolation, size: tuple[int, int]) -> None:
    """Anybody's PyTorch pipeline on PIL pictures must give the model the very same numbers."""
    picture = noise(*size)

    got = resize(picture, Stretch(interpolation=interpolation), height=56, width=64).image

    np.testing.assert_array_equal(got, by_torchvision(picture, interpolation, 56, 64))


@pytest.mark.parametrize("size", [(300, 451), (451, 300), (256, 256), (257, 255)])
def test_the_centre_crop_equals_the_authors_formula(size: tuple[int, int]) -> None:
    """EfficientNet's preprocessing.py: side = int(0.875 * short side), offset = (margin + 1) // 2."""
    picture = noise(*size)
    side = int(224 / 256 * min(size))
    top, left = (size[0] - side + 1) // 2, (size[1] - side + 1) // 2
    cut = np.asarray(tv.crop(PIL.Image.fromarray(picture), top, left, side, side))

    view = resize(picture, CenterCrop(fraction=0.875), height=224, width=224)

    assert view.box == Box(left, top, side, side)
    np.testing.assert_array_equal(view.image, by_torchvision(cut, "bicubic", 224, 224))


def test_nothing_outside_the_crop_leaks_in() -> None:
    """A kernel that reads beyond the box would let the model see what the map cannot show."""
    picture = noise(64, 64)
    altered = picture.copy()
    altered[:8] = altered[-8:] = 0
    altered[:, :8] = altered[:, -8:] = 0
    policy = CenterCrop(fraction=0.75)

    before, after = (resize(p, policy, height=24, width=24) for p in (picture, altered))

    assert before.box == Box(8, 8, 48, 48)
    np.testing.assert_array_equal(before.image, after.image)


def test_the_crop_has_the_aspect_ratio_of_the_input() -> None:
    """A wide model sees a wide box: 100x300 at full fraction for a 32x64 input is 100x200."""
    view = resize(noise(100, 300), CenterCrop(fraction=1.0), height=32, width=64)

    assert view.box == Box(left=50, top=0, width=200, height=100)


def test_a_picture_of_the_input_size_is_unchanged() -> None:
    picture = noise(32, 48)

    for policy in (CenterCrop(fraction=1.0), Stretch(), Pad()):
        view = resize(picture, policy, height=32, width=48)
        assert view.box == Box(0, 0, 48, 32)
        np.testing.assert_array_equal(view.image, picture.transpose(2, 0, 1).astype(np.float32) / 255)


def test_padding_keeps_the_aspect_ratio_and_fills_the_rest() -> None:
    """100x200 into 64x64: scaled by 0.32 to 32x64, so 16 rows above and below are the fill."""
    view = resize(np.full((100, 200, 3), 255, np.uint8), Pad(fill=(10, 20, 30)), height=64, width=64)

    fill = np.array([10, 20, 30], np.float32)[:, None, None] / 255
    np.testing.assert_array_equal(view.image[:, :16], np.broadcast_to(fill, (3, 16, 64)))
    np.testing.assert_array_equal(view.image[:, 16:48], np.ones((3, 32, 64), np.float32))
    np.testing.assert_array_equal(view.image[:, 48:], np.broadcast_to(fill, (3, 16, 64)))


def test_the_box_of_a_padded_picture_reaches_beyond_it() -> None:
    """16 rows of fill above are 16 / 0.32 = 50 rows of the original that do not exist."""
    view = resize(noise(100, 200), Pad(), height=64, width=64)

    assert view.box == Box(left=0, top=-50, width=200, height=200)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_box_puts_a_mark_back_where_it_was(policy: ResizePolicy) -> None:
    """The contract of the box: a bright patch's centre of mass, mapped back, is where it was drawn."""
    picture = np.zeros((300, 450, 3), np.uint8)
    picture[180:200, 230:260] = 255  # centre at row 190, column 245

    view = resize(picture, policy, height=90, width=120)

    weight = view.image.mean(0)
    rows, columns = np.indices(weight.shape) + 0.5
    row = view.box.top + (rows * weight).sum() / weight.sum() * view.box.height / 90
    column = view.box.left + (columns * weight).sum() / weight.sum() * view.box.width / 120
    # Half a pixel of the image is at most 300 / 90 / 2 = 1.7 pixels of the picture.
    assert abs(row - 190) < 1.7
    assert abs(column - 245) < 1.7


@settings(deadline=None, max_examples=100)
@given(
    rows=st.integers(1, 400),
    columns=st.integers(1, 400),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    policy=st.sampled_from([CenterCrop(fraction=0.01), *POLICIES]),
)
def test_any_size_gives_a_finite_image_in_range(
    rows: int, columns: int, height: int, width: int, policy: ResizePolicy
) -> None:
    """Bicubic overshoots: values outside [0, 1] would break every epsilon stated in pixel units."""
    view = resize(noise(rows, columns), policy, height=height, width=width)

    assert view.image.shape == (3, height, width)
    assert view.image.dtype == np.float32
    assert view.image.min() >= 0
    assert view.image.max() <= 1
    assert min(view.box.width, view.box.height) > 0


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1)])
@pytest.mark.parametrize("policy", POLICIES)
def test_the_smallest_and_thinnest_pictures_do_not_crash(policy: ResizePolicy, size: tuple[int, int]) -> None:
    """Refusing them is the decoder's decision, made with a message; a crash here would be a 500."""
    view = resize(np.full((*size, 3), 51, np.uint8), policy, height=32, width=32)

    assert view.image.shape == (3, 32, 32)
    assert view.image.max() == np.float32(0.2)


def test_a_view_of_a_larger_array_is_accepted() -> None:
    """Decoders hand out slices and rotated views; their strides must not matter."""
    picture = noise(40, 60)

    turned = resize(np.rot90(picture), Stretch(), height=16, width=16).image

    copied = resize(np.rot90(picture).copy(), Stretch(), height=16, width=16).image
    np.testing.assert_array_equal(turned, copied)


def test_the_image_has_memory_of_its_own() -> None:
    """It is bound to a session while the picture may already be gone or written over."""
    picture = noise(16, 16)
    image = resize(picture, Stretch(), height=16, width=16).image
    kept = image.copy()

    picture[:] = 0

    assert image.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_survives_json(policy: ResizePolicy) -> None:
    adapter: TypeAdapter[ResizePolicy] = TypeAdapter(ResizePolicy)

    assert adapter.validate_json(adapter.dump_json(policy)) == policy


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "zoom"}',
        '{"kind": "center_crop", "fraction": 0}',
        '{"kind": "center_crop", "fraction": 1.01}',
        '{"kind": "center_crop", "fraction": "NaN"}',
        '{"kind": "stretch", "fraction": 0.5}',
        '{"kind": "pad", "fill": [0, 0, 256]}',
        '{"kind": "stretch", "interpolation": "lanczos"}',
    ],
)
def test_an_unknown_policy_or_value_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ResizePolicy).validate_json(text)
