"""Time contenders in turn, so that whatever else the machine does slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Times:
    """How long one contender took, once per round.

    Args:
        seconds: Of the wall clock, in the order of the rounds.
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a share of the median: how far to trust it.

        Examples:
            >>> Times((1.0, 1.0, 1.0, 1.2, 3.0)).spread
            0.1
        """
        if len(self.seconds) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return round((high - low) / 2 / self.median, 3)


def interleave(
    contenders: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Times]:
    """Run every contender once to warm it, then *rounds* times in turn.

    The order of the contenders is turned round every other time, so that none always follows the same one.

    Args:
        contenders: What to run, by name.
        rounds: At least 5 for a median to mean something on a busy machine.
        clock: Seconds.

    Examples:
        >>> ticks = iter(range(100))
        >>> interleave({"a": lambda: next(ticks), "b": lambda: None}, rounds=2, clock=lambda: next(ticks))
        {'a': Times(seconds=(2, 2)), 'b': Times(seconds=(1, 1))}
    """
    for run in contenders.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        order = list(contenders.items())
        for name, run in order if number % 2 == 0 else reversed(order):
            begin = clock()
            run()
            seconds[name].append(clock() - begin)
    return {name: Times(tuple(values)) for name, values in seconds.items()}
