"""How long forward passes take while the service runs, per model."""

import math
from weakref import WeakKeyDictionary

from service.runtime.drive import Runner

_MEMORY_FORWARDS = 400
"""Passes after which an old measurement counts 1/e: a few seconds of a GPU's or a large model's work."""

_FEWEST_FORWARDS = 50
"""Of fewer passes, where none were measured at start-up, nothing is concluded: the first are slow."""


FADING = 0.9
"""What is left of the longest time after each shorter one, where the longest lately is what counts."""


class Rates:
    """The running mean of every model's seconds per forward pass, host time included, and what answers take.

    It starts from what the model measured at start-up. Not safe for threads; the scheduler guards it.
    """

    def __init__(self) -> None:
        # A model that is served no longer must not be kept for this.
        self._pass_seconds: WeakKeyDictionary[Runner, float] = WeakKeyDictionary()
        self._forwards: WeakKeyDictionary[Runner, float] = WeakKeyDictionary()
        self._answer_seconds: WeakKeyDictionary[Runner, float] = WeakKeyDictionary()

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

    def observe_answer(self, runner: Runner, seconds: float) -> None:
        """Take note of how long it took to make an answer that a deadline asked for.

        Examples:
            >>> class Model:
            ...     pass_seconds = 0.01
            >>> rates, model = Rates(), Model()
            >>> rates.observe_answer(model, 0.02)
            >>> rates.observe_answer(model, 0.004)
            >>> round(rates.answer_seconds(model), 6)
            0.018
        """
        self._answer_seconds[runner] = max(seconds, FADING * self.answer_seconds(runner))

    def answer_seconds(self, runner: Runner) -> float:
        """Estimate how long a model's next answer will take to make: as the longest lately; 0 if there was none."""
        return self._answer_seconds.get(runner, 0.0)
