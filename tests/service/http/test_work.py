"""A picture's way to the engine: one turn on a codec thread, and nobody's work is left behind."""

import asyncio
import gc
import io
import weakref
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import PIL.Image
import pytest

from service.arrays import Picture
from service.engine import Engine
from service.http.edge import Edge
from service.http.observation import Observation
from service.http.work import begin
from service.settings import Settings


def _png() -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(np.full((16, 16, 3), 7, np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_a_request_given_up_while_its_picture_is_handed_over_leaves_no_work(
    engine: Engine, settings: Settings
) -> None:
    """The thread cannot be stopped: what it hands to the engine after all must be taken back, or the device works for
    nobody."""
    work: Future[None] = Future()

    async def give_up() -> None:
        loop, reached = asyncio.get_running_loop(), asyncio.Event()
        given_up: Future[None] = Future()

        def submit(_: Picture) -> Future[None]:
            loop.call_soon_threadsafe(reached.set)
            given_up.result()
            return work

        with ThreadPoolExecutor(1) as codecs:
            handing = asyncio.ensure_future(
                begin(Edge(engine, settings, codecs), Observation(""), _png(), submit)
            )
            await reached.wait()
            handing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await handing
            given_up.set_result(None)

    asyncio.run(give_up())

    assert work.cancelled()


def test_a_request_takes_one_turn_of_the_codec_threads(engine: Engine, settings: Settings) -> None:
    """Two turns would queue it twice behind other requests' pictures, while the device may be idle."""
    turns = []

    class Counting(ThreadPoolExecutor):
        def submit(self, *args, **kwargs):  # type: ignore[no-untyped-def]  # the library's signature
            turns.append(args)
            return super().submit(*args, **kwargs)

    def submit(picture: Picture) -> Future[int]:
        work: Future[int] = Future()
        work.set_result(int(picture[0, 0, 0]))
        return work

    async def run() -> int:
        with Counting(1) as codecs:
            begun = await begin(Edge(engine, settings, codecs), Observation(""), _png(), submit)
            return await asyncio.wrap_future(begun.work)

    assert asyncio.run(run()) == 7
    assert len(turns) == 1


@pytest.mark.parametrize("keep_pixels", [False, True])
def test_pixels_are_let_go_of_once_the_engine_has_what_it_needs(
    engine: Engine, settings: Settings, *, keep_pixels: bool
) -> None:
    """Explanations wait for the device by the dozen, and a picture may have 150 MB; its size is all that is told of it.

    Those that are painted over are needed to the end.
    """
    handed_over: list[weakref.ref[Picture]] = []

    def submit(picture: Picture) -> Future[None]:
        handed_over.append(weakref.ref(picture))
        return Future()

    async def run() -> tuple[tuple[int, ...], bool]:
        with ThreadPoolExecutor(1) as codecs:
            edge = Edge(engine, settings, codecs)
            begun = await begin(edge, Observation(""), _png(), submit, keep_pixels=keep_pixels)
            gc.collect()
            return begun.picture.shape, handed_over[0]() is not None

    assert asyncio.run(run()) == ((16, 16, 3), keep_pixels)
