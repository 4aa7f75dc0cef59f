"""Pictures from strangers: right side up and in the right colours, or refused with the reason.

Expected pixels come from arrays the tests make, not from decoding with another setting.
"""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.arrays import Picture
from service.errors import (
    CorruptImageError,
    EmptyImageError,
    ImageError,
    ImageFormatError,
    ImageTooLargeError,
    ImageTooSmallError,
)
from service.imaging import pixels
from service.imaging.decode import FORMATS, ImageLimits, decode

ROOT = Path(__file__).parents[3]
LIMITS = ImageLimits()


def _file(image: PIL.Image.Image, name: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def _picture(height: int = 24, width: int = 32) -> Picture:
    """Four flat quarters, so that lossy formats keep them and no turn leaves the picture the same."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (250, 20, 30)
    picture[: height // 2, width // 2 :] = (20, 240, 40)
    picture[height // 2 :, : width // 2] = (10, 30, 230)
    picture[height // 2 :, width // 2 :] = (240, 240, 20)
    return picture


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, *, bits: int, colour: int, rows: bytes) -> bytes:
    """Write a PNG by the letter of the specification, since Pillow cannot write all kinds."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _png_chunk(b"IHDR", header)
        + _png_chunk(b"IDAT", zlib.compress(rows))
        + _png_chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("name", FORMATS)
def test_every_accepted_format_is_told_by_its_content(name: str) -> None:
    """Lossless formats are exact; JPEG, WebP and GIF's palette may be a few levels off."""
    exact = name in {"PNG", "BMP", "TIFF"}

    decoded = decode(_file(PIL.Image.fromarray(_picture()), name), LIMITS)

    np.testing.assert_allclose(decoded[4:8, 4:12], _picture()[4:8, 4:12], atol=0 if exact else 6)
    assert decoded.shape == (24, 32, 3)
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_rotation_is_undone(orientation: int, name: str) -> None:
    """Orientation k says how the stored rows and columns lie; these are the eight cases of EXIF 2.32, tag 274."""
    upright = _picture()
    stored: dict[int, Callable[[Picture], Picture]] = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    file = _file(PIL.Image.fromarray(np.ascontiguousarray(stored[orientation](upright))), name, exif=exif)

    decoded = decode(file, LIMITS)

    assert decoded.shape == upright.shape
    for row, column in ((4, 4), (4, 28), (20, 4), (20, 28)):
        np.testing.assert_allclose(decoded[row, column], upright[row, column], atol=8)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_unreadable_exif_does_not_refuse_a_sound_picture() -> None:
    """Some cameras write broken EXIF; the pixels are what counts."""
    file = _file(PIL.Image.fromarray(_picture()), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")

    assert decode(file, LIMITS).shape == (24, 32, 3)


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    """65,535 / 257 = 255 exactly; Pillow's own convert() would make everything above 255 white."""
    levels = np.tile(
        np.array([0, 257, 128 * 257, 254 * 257 + 128, 254 * 257 + 129, 65535], np.uint16), (8, 2)
    )

    decoded = decode(_file(PIL.Image.fromarray(levels)), LIMITS)

    assert decoded[0, :6, 0].tolist() == [0, 1, 128, 254, 255, 255]
    assert (decoded == decoded[:, :, :1]).all()


def test_sixteen_bit_colour_is_within_one_level_of_the_exact_scale() -> None:
    """Pillow hands out the high byte, v // 256; the exact value is v / 257."""
    values = np.linspace(0, 65535, 8 * 8 * 3).astype(np.uint16).reshape(8, 8, 3)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    decoded = decode(_png(8, 8, bits=16, colour=2, rows=rows), LIMITS)

    np.testing.assert_allclose(decoded, values / 257, atol=1)


def test_sixteen_bit_tiff_of_either_byte_order_is_scaled() -> None:
    """Microscopes write these."""
    levels = np.full((16, 16), 40 * 257, np.uint16)
    little = _file(PIL.Image.fromarray(levels), "TIFF")
    big = _file(PIL.Image.frombytes("I;16B", (16, 16), levels.astype(">u2").tobytes()), "TIFF")

    assert decode(little, LIMITS)[0, 0].tolist() == [40, 40, 40]
    assert decode(big, LIMITS)[0, 0].tolist() == [40, 40, 40]


def test_transparent_pixels_lie_on_white() -> None:
    """Black would put an edge around every cut-out that the classifier could take for an object."""
    rgba = np.zeros((16, 16, 4), np.uint8)
    rgba[:, :8] = (200, 0, 0, 255)
    rgba[:, 8:12] = (0, 0, 0, 0)
    rgba[:, 12:] = (0, 0, 0, 128)

    decoded = decode(_file(PIL.Image.fromarray(rgba)), LIMITS)

    assert decoded[0, 0].tolist() == [200, 0, 0]
    assert decoded[0, 9].tolist() == [255, 255, 255]
    assert decoded[0, 14].tolist() == [127, 127, 127]


def test_a_palette_with_a_transparent_entry_lies_on_white() -> None:
    """GIF and small PNG files; the entry's colour is not meant to be seen."""
    image = PIL.Image.new("P", (16, 16), 0)
    image.putpalette([255, 0, 0, 0, 0, 255] + [0] * 762)
    image.paste(1, (8, 0, 16, 16))

    decoded = decode(_file(image, "PNG", transparency=0), LIMITS)

    assert decoded[0, 0].tolist() == [255, 255, 255]
    assert decoded[0, 12].tolist() == [0, 0, 255]


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [("L", 77, (77, 77, 77)), ("1", 1, (255, 255, 255)), ("LA", (90, 255), (90, 90, 90))],
)
def test_grey_becomes_rgb(mode: str, value: int | tuple[int, int], expected: tuple[int, int, int]) -> None:
    """Three equal channels."""
    assert decode(_file(PIL.Image.new(mode, (16, 16), value)), LIMITS)[3, 3].tolist() == list(expected)


def test_cmyk_jpeg_is_not_inverted() -> None:
    """Adobe stores CMYK upside down; read naively, this cyan comes out red. Lossy: six levels."""
    file = _file(PIL.Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=95)

    np.testing.assert_allclose(decode(file, LIMITS)[3, 3], [0, 255, 255], atol=6)


def test_only_the_first_frame_of_an_animation_counts() -> None:
    """A classifier sees one picture; the others are not even decoded."""
    frames = [PIL.Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    for name in ("GIF", "WEBP"):
        file = _file(frames[0], name, save_all=True, append_images=frames[1:])

        np.testing.assert_allclose(decode(file, LIMITS)[3, 3], [255, 0, 0], atol=6)


def test_pixels_without_a_defined_scale_are_refused() -> None:
    """Floats may be in [0, 1], in [0, 255] or in counts; guessing would be worse than refusing."""
    file = _file(PIL.Image.fromarray(np.zeros((16, 16), np.float32)), "TIFF")

    with pytest.raises(ImageFormatError, match="type F"):
        decode(file, LIMITS)


def test_no_bytes() -> None:
    """The commonest mistake of a script: a file that was not found."""
    with pytest.raises(EmptyImageError, match="no bytes"):
        decode(b"", LIMITS)


@pytest.mark.parametrize(
    "data",
    [
        b"just text, called .jpg",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\0" * 999,
    ],
)
def test_bytes_of_no_accepted_format(data: bytes) -> None:
    """EPS would make Pillow start Ghostscript; SVG can load files."""
    with pytest.raises(ImageFormatError, match="no accepted format"):
        decode(data, LIMITS)


@pytest.mark.parametrize(
    ("brand", "said"),
    [(b"heic", "is HEIC or AVIF"), (b"avif", "is HEIC or AVIF"), (b"isom", "begins with 00 00 00 18")],
)
def test_a_phones_own_format_is_named(brand: bytes, said: str) -> None:
    """The most usual picture that is refused; eight bytes in hexadecimal tell its owner nothing. The last is a film."""
    with pytest.raises(ImageFormatError, match=said):
        decode(b"\0\0\0\x18ftyp" + brand + bytes(100), LIMITS)


@pytest.mark.parametrize("name", ["PPM", "ICO", "EPS", "TGA", "JPEG2000"])
def test_a_sound_file_of_another_format_is_refused(name: str) -> None:
    """Pillow could read each of them; every parser more is one more to be attacked."""
    with pytest.raises(ImageFormatError, match="Expected one of JPEG, PNG"):
        decode(_file(PIL.Image.fromarray(_picture()), name), LIMITS)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_cut_short(name: str, share: float) -> None:
    """An upload that broke off must not be classified with its lower half grey."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = _file(PIL.Image.fromarray(noise), name)

    with pytest.raises((CorruptImageError, ImageFormatError)):
        decode(file[: int(len(file) * share)], LIMITS)


def test_a_palette_picture_without_its_palette_is_broken() -> None:
    """Found by scripts/fuzz_decoders.py: Pillow loads the pixels, and fails when it is asked for colours."""
    buffer = io.BytesIO()
    PIL.Image.new("P", (16, 16), 3).save(buffer, "PNG")
    before, _, chunk = buffer.getvalue().partition(b"PLTE")
    colours = int.from_bytes(before[-4:], "big")

    with pytest.raises(CorruptImageError, match="no table of them"):
        decode(before[:-4] + chunk[colours + 4 :], ImageLimits())


def test_a_header_cut_short_is_called_broken_not_foreign() -> None:
    """The sender of half a JPEG header has a broken upload, not a wrong format."""
    with pytest.raises(CorruptImageError, match="cut short"):
        decode(_file(PIL.Image.new("RGB", (16, 16)), "JPEG")[:20], LIMITS)


def test_one_pixel_is_no_picture() -> None:
    """Anything that small would be classified by its mean colour."""
    with pytest.raises(ImageTooSmallError, match=r"1 x 1 pixels; each side needs at least 8"):
        decode(_file(PIL.Image.new("RGB", (1, 1))), LIMITS)


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (20_000, 20_000, "limit"),
        (9_000, 9_000, "81,000,000"),
        (16_385, 8, "16,384"),
        (65_535, 65_535, "limit"),
    ],
)
def test_a_bomb_is_refused_from_its_header(
    width: int, height: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its 100 bytes promise gigabytes. Loading is made to fail, to show that it is not tried."""
    monkeypatch.setattr("PIL.Image.core.new", None)
    monkeypatch.setattr("PIL.Image.core.fill", None)

    with pytest.raises(ImageTooLargeError, match=reason):
        decode(_png(width, height, bits=8, colour=2, rows=b"\0"), LIMITS)


def test_a_webp_bomb_is_refused_before_its_decoder_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's WebP decoder allocates two canvases while it opens the file."""
    monkeypatch.setattr("PIL.WebPImagePlugin._webp.WebPAnimDecoder", None)
    canvas = (12_000 - 1).to_bytes(3, "little")
    file = b"RIFF\xff\xff\0\0WEBPVP8X\x0a\0\0\0" + b"\0\0\0\0" + canvas + canvas

    with pytest.raises(ImageTooLargeError, match="144,000,000"):
        decode(file, LIMITS)


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"exif": b"Exif\0\0"}])
def test_the_size_of_every_kind_of_webp_is_read(options: dict[str, object]) -> None:
    """VP8L, VP8 and VP8X store their size in three ways; a misread size would refuse or admit wrongly."""
    file = _file(PIL.Image.new("RGB", (40, 24)), "WEBP", **options)

    assert decode(file, ImageLimits(max_side=40)).shape == (24, 40, 3)
    with pytest.raises(ImageTooLargeError, match="40 x 24"):
        decode(file, ImageLimits(max_side=39))


def test_decoding_that_takes_too_long_is_ended() -> None:
    """A progressive JPEG may repeat a 75-byte scan over all its pixels thousands of times.

    Without the clock this one takes about 80 seconds at its 16 megapixels.
    """
    file = _file(PIL.Image.new("RGB", (4000, 4000), "red"), "JPEG", progressive=True)
    scan = file[file.rindex(b"\xff\xda") : -2]

    with pytest.raises(ImageTooLargeError, match="200 ms"):
        decode(file[:-2] + scan * 4000 + file[-2:], ImageLimits(max_decode_ms=200))


def _of_mode(mode: str) -> PIL.Image.Image:
    noise = np.random.default_rng(5).integers(0, 256, (33, 20, 4), dtype=np.uint8)
    if mode == "I;16":
        return PIL.Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    image = PIL.Image.fromarray(noise).convert(mode.removesuffix(" with a transparent colour"))
    if mode.endswith("colour"):
        image.info["transparency"] = 7
    return image


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "P with a transparent colour", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"]
)
def test_a_picture_is_converted_in_bands_as_in_one_piece(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of them has a single row, and each must know what the whole says of palette and transparency."""
    image = _of_mode(mode)
    whole = pixels.to_rgb(image)

    monkeypatch.setattr(pixels, "_BAND_PIXELS", 2 * 20)

    np.testing.assert_array_equal(pixels.to_rgb(image), whole)


PEAK = """
import re, sys
from pathlib import Path
from service.imaging.decode import ImageLimits, decode

def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

data = Path(sys.argv[1]).read_bytes()
before = peak()
picture = decode(data, ImageLimits())
print((peak() - before) / (picture.size / 3))
"""


@pytest.mark.parametrize(("mode", "name"), [("RGB", "JPEG"), ("RGBA", "PNG")])
def test_decoding_holds_a_picture_little_more_than_twice(tmp_path: Path, mode: str, name: str) -> None:
    """In bytes per pixel, at 16 megapixels: Pillow's four, our three, five copies of a band of one megapixel, and one
    for whatever else the process allocates meanwhile."""
    file = tmp_path / "large"
    file.write_bytes(_file(PIL.Image.new(mode, (4000, 4000), "red"), name))

    said = subprocess.run(
        [sys.executable, "-c", PEAK, str(file)], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout

    assert 6 < float(said) < 7 + 5 * 4 / 16 + 1


def test_many_threads_decode_as_one_does() -> None:
    """No state of Pillow may leak between requests."""
    pictures = [
        np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8) for seed in range(24)
    ]
    files = [_file(PIL.Image.fromarray(picture)) for picture in pictures]

    with ThreadPoolExecutor(2) as pool:
        decoded = list(pool.map(lambda file: decode(file, LIMITS), files))

    for got, expected in zip(decoded, pictures, strict=True):
        np.testing.assert_array_equal(got, expected)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), name=st.sampled_from(FORMATS))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_file_gives_a_picture_or_an_image_error_and_nothing_else(
    data: st.DataObject, name: str
) -> None:
    """Pillow's parsers raise a dozen classes on bytes that lie; a stranger must not see any of them."""
    file = bytearray(_file(PIL.Image.fromarray(_picture()), name))
    for _ in range(data.draw(st.integers(1, 8))):
        position = data.draw(st.integers(0, len(file) - 1) | st.integers(0, min(len(file), 64) - 1))
        file[position] = data.draw(st.integers(0, 255))

    try:
        decoded = decode(bytes(file), ImageLimits(max_pixels=1_000_000))
    except ImageError:
        return
    assert decoded.ndim == 3
    assert decoded.dtype == np.uint8
