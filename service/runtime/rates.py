"""How long forward passes take while the service runs, per model."""

import math
from weakref import WeakKeyDictionary

from service.runtime.drive import Runner

_MEMORY_FORWARDS = 400
"""Passes after which an old measurement counts 1/e: a few seconds of a GPU's or a large model's work."""

_FEWEST_FORWARDS = 50
"""Of fewer passes, where none were measured at start-up, nothing is concluded: the first are slow."""


class Rates:
    """The running mean of every model's seconds per forward pass, host time included.

    It starts from what the model measured at start-up. Not safe for threads; the scheduler guards it.
    """

    def __init__(self) -> None:
        # A model that is served no longer must not be kept for this.
        self._pass_seconds: WeakKeyDictionary[Runner, float] = WeakKeyDictionary()
        self._forwards: WeakKeyDictionary[Runner, float] = WeakKeyDictionary()

    def observe(self, runner: Runner, forwards: float, seconds: float) -> None:
        """Take note of what a micro-batch took.

        Examples:
            >>> class Model:
            ...     pass_seconds = 0.01
            >>> rates, model = Rates(), Model()
            >>> rates.observe(model, 400, 4.0)
            >>> rates.seconds(model, 1)
            0.01
            >>> rates.observe(model, 400, 8.0)
            >>> round(rates.seconds(model, 1), 4)
            0.0163
        """
        if not forwards:
            return
        sample = seconds / forwards
        before = self._pass_seconds.get(runner, runner.pass_seconds or sample)
        share = 1 - math.exp(-forwards / _MEMORY_FORWARDS)
        self._pass_seconds[runner] = before + share * (sample - before)
        self._forwards[runner] = self._forwards.get(runner, 0.0) + forwards

    def seconds(self, runner: Runner, forwards: float) -> float:
        """Estimate how long a model's passes take on a device that does nothing else; 0 if nothing is known."""
        if not runner.pass_seconds and self._forwards.get(runner, 0.0) < _FEWEST_FORWARDS:
            return 0.0
        return forwards * self._pass_seconds.get(runner, runner.pass_seconds)
