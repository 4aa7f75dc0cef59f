"""A peer for the tests of the suite: one contender answers, one fails, one takes for ever."""

import threading

import numpy as np

from benchmarks.peers.case import Case, Run

PACKAGE = "numpy"


def _answers(case: Case) -> Run:
    return lambda: np.full((2, 2), float(case.counts["steps"]))


def _fails(_: Case) -> Run:
    def run() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        raise IndexError("it cannot take three channels")

    return run


def _never(_: Case) -> Run:
    def run() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        threading.Event().wait()
        return np.zeros(0)

    return run


WORKS = {"gradient": {"good": _answers, "bad": _fails}, "occlusion": {"slow": _never}}
