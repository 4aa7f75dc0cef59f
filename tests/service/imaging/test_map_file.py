"""Maps from strangers: what is read, what is refused, and that nothing is allocated or run on the way."""

import io
import pickle
import struct
import tracemalloc
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy
from numpy.typing import NDArray

from service.errors import MapError
from service.imaging.map_file import LARGEST_SIDE, read_map

MAP = np.array([[1.5, -2.0, 0.0], [4.0, 5.0, -6.5]])


def npy_file(array: Any, *, pickled: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()


def stated(header: str, values: bytes = b"") -> bytes:
    """A file whose header says anything."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode("latin-1") + values


def png_file(pixels: NDArray[Any], mode: str | None = None) -> bytes:
    image = PIL.Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image if mode is None else image.convert(mode)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["<f8", ">f4", "<f2", "<i8", ">i2", "|u1", "|b1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numpy_files_are_read_as_numpy_reads_them(kind: str, order: Any) -> None:
    """numpy.load is the oracle, for every kind of number, byte order and memory order."""
    file = npy_file(np.asarray(np.abs(MAP) if "u" in kind else MAP, order=order).astype(kind, order=order))

    found, expected = read_map(file), np.load(io.BytesIO(file))

    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format_is_read(version: tuple[int, int]) -> None:
    """NumPy writes 1.0 for maps; others write what they like."""
    buffer = io.BytesIO()
    npy.write_array(buffer, MAP, version=version)

    np.testing.assert_array_equal(read_map(buffer.getvalue()), MAP)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_the_levels_of_a_grey_png_are_the_map(kind: type[np.generic]) -> None:
    """Up to the highest level of 16 bits, which a conversion to 8 would clip."""
    levels = np.array([[0, 1, 255], [np.iinfo(kind).max, 7, 128]], kind)

    np.testing.assert_array_equal(read_map(png_file(levels)), levels)


HUGE = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({LARGEST_SIDE}, {LARGEST_SIDE})}}"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"", "has no bytes"),
        (b"P5 2 2 255\n....", "begins with 50 35 20 32 20 32 20 32"),
        (npy_file(MAP)[:-1], r"2 x 3 values of float64, 48 bytes; 47 follow"),
        (npy_file(MAP) + npy_file(MAP), "48 bytes; 224 follow"),
        (npy_file(MAP)[:20], "header is stated to have 118 bytes"),
        (npy_file(MAP)[:7], "cut short within its first bytes"),
        (npy_file(MAP)[:9], "cut short within its first bytes"),
        (b"\x93NUMPY\x09\x00" + npy_file(MAP)[8:], "version is none of 1, 2 and 3"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "header is stated to have 4,294,967,295 bytes"),
        (npy_file(MAP[0]), r"shape \(3,\); expected \(height, width\)"),
        (npy_file(MAP[None]), r"shape \(1, 2, 3\)"),
        (npy_file(np.zeros((0, 4))), "4 x 0 pixels; expected 1 to 4096"),
        (npy_file(np.float64(1)), r"shape \(\)"),
        (npy_file(MAP.astype(complex)), "values of type '<c16'"),
        (npy_file(np.array([["a", "b"]])), "values of type '<U1'"),
        (npy_file(np.array([[object()]]), pickled=True), r"values of type '\|O'"),
        (npy_file(np.zeros((2, 2), [("x", "f4")])), "values of type"),
        (npy_file(np.zeros((2, 2), np.longdouble)), "values of type '<f16'"),
        (stated(HUGE), "67,108,864 bytes; 0 follow"),
        (stated(HUGE.replace("4096", "10**9")), "no Python literal"),
        (stated(HUGE.replace("4096", "9" * 400)), "expected 1 to 4096"),
        (stated(HUGE.replace("(4096, 4096)", "(-1, 4)")), "expected 1 to 4096"),
        (stated(HUGE.replace("(4096, 4096)", "('4', 4)")), "expected \\(height, width\\)"),
        (stated("{'descr': __import__('os').abort()}"), "no Python literal"),
        (stated("-" * 1000 + "1"), "broken or cut short"),
        (stated("(" * 1000), "no Python literal"),
        (stated("[1]"), "no dictionary"),
        (png_file(np.zeros((4, 4, 3), np.uint8)), "mode RGB; expected grey"),
        (png_file(np.zeros((4, 4), np.uint8), "P"), "mode P"),
        (png_file(np.zeros((4, 4), np.uint8), "LA"), "mode LA"),
        (png_file(np.zeros((1, 4097), np.uint8)), "4097 x 1 pixels; expected 1 to 4096"),
        (png_file(np.arange(100, dtype=np.uint8).reshape(10, 10))[:50], "broken or cut short"),
    ],
)
def test_what_is_no_map_is_refused(file: bytes, message: str) -> None:
    """With what was found and what was expected."""
    with pytest.raises(MapError, match=message) as caught:
        read_map(file)
    assert caught.value.where == "map"


def test_nothing_is_unpickled() -> None:
    """A pickle runs code when it is loaded; this one would say so."""

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return pytest.fail, ("a pickle was loaded",)

    header = "{'descr': '|O', 'fortran_order': False, 'shape': (1, 1)}"
    with pytest.raises(MapError):
        read_map(stated(header, pickle.dumps(Trap())))


def test_a_header_that_promises_much_costs_nothing() -> None:
    """64 MiB are stated and none sent; numpy.load would allocate them first."""
    tracemalloc.start()
    with pytest.raises(MapError):
        read_map(stated(HUGE))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 100_000


SEEDS = [
    npy_file(MAP),
    npy_file(MAP.astype(np.float16)),
    png_file(np.arange(64, dtype=np.uint16).reshape(8, 8)),
]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6),
    st.integers(0, 300),
)
@example(SEEDS[0], [(6, 2)], 300)
def test_bytes_that_lie_are_refused_or_read(seed: bytes, changes: list[tuple[int, int]], end: int) -> None:
    """Nothing but a MapError may leave, and what is read has two axes."""
    file = bytearray(seed)
    for place, value in changes:
        file[place % len(file)] = value
    try:
        found = read_map(bytes(file[:end]))
    except MapError:
        return
    assert found.ndim == 2
    assert found.size <= LARGEST_SIDE**2
