"""What every route needs: the engine, the settings, and threads for pictures."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

from service.engine import Engine
from service.imaging.decode import ImageLimits
from service.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Edge:
    """Shared by all routes.

    Args:
        engine: Ready to answer.
        settings: The operator's.
        codecs: Few threads that decode, resize, encode and paint, so that the event loop never does, and
            that many pictures at most are in memory at full size, beside those that wait to be painted over.
    """

    engine: Engine
    settings: Settings
    codecs: Executor

    @property
    def image_limits(self) -> ImageLimits:
        """What a picture may cost."""
        return ImageLimits(
            max_pixels=self.settings.max_pixels,
            max_side=self.settings.max_side,
            min_side=self.settings.min_side,
            max_decode_ms=self.settings.max_decode_ms,
        )

    async def aside(self, function: Callable[[], T]) -> T:
        """Run a function on one of the codec threads."""
        return await asyncio.get_running_loop().run_in_executor(self.codecs, function)
