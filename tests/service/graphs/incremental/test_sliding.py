"""The arithmetic of sliding windows beside a list of what every output reads."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.graphs.incremental.sliding import Sliding


@st.composite
def slides(draw: st.DrawFn) -> tuple[Sliding, int]:
    """An operator and the length of what it reads: at least what one output needs."""
    extent, stride = draw(st.integers(1, 7)), draw(st.integers(1, 4))
    before, after = draw(st.integers(0, 5)), draw(st.integers(-2, 5))
    length = draw(st.integers(max(extent - before - after, 1, -after), 24))
    return Sliding(extent, stride, before, after), length


def read(slide: Sliding, output: int) -> set[int]:
    """Positions that an output is made of; those of the border are below 0 or beyond the end."""
    first = output * slide.stride - slide.before
    return set(range(first, first + slide.extent))


@given(slides(), st.data())
def test_touched_are_the_outputs_that_read_any_of_the_inputs(case: tuple[Sliding, int], data: st.DataObject):
    slide, length = case
    first = data.draw(st.integers(0, length))
    last = data.draw(st.integers(first, length))
    inputs = set(range(first, last))
    expected = [output for output in range(slide.length(length)) if read(slide, output) & inputs]
    begin, end = slide.touched(np.array([first]), np.array([last]), length)
    if slide.stride <= slide.extent or not inputs:
        assert list(range(begin[0], end[0])) == expected
    else:  # between two outputs there may be inputs that none reads
        assert set(expected) <= set(range(begin[0], end[0]))


@given(slides(), st.integers(0, 3), st.integers(0, 3))
def test_margins_are_the_outputs_that_read_beyond_the_inner_inputs(
    case: tuple[Sliding, int], before: int, after: int
):
    slide, length = case
    inner = set(range(before, length - after))
    made = slide.length(length)
    sound = [output for output in range(made) if read(slide, output) <= inner]
    begin, end = slide.margins(before, after, length)
    assert list(range(begin, made - end)) == sound


@given(slides(), st.integers(1, 12))
def test_a_length_gives_the_border_behind(case: tuple[Sliding, int], more: int):
    """What is concluded from one length holds for every length that differs by whole strides."""
    slide, length = case
    observed = Sliding.observed(slide.extent, slide.stride, slide.before, (length, slide.length(length)))
    longer = length + more * slide.stride
    assert observed.length(longer) == slide.length(longer) == slide.length(length) + more
