"""One row: the same work by every contender, in turn, with what they answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.agreement import agreement
from benchmarks.contender import ContenderError, Contenders
from benchmarks.interleave import Times
from benchmarks.results import Row

OURS = "saliserve"

Measure = Literal["wall", "processor"]


@dataclass(slots=True)
class _Entry:
    """A contender in the race; *refused* says why it left."""

    name: str
    peer: Contenders
    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float] = field(default_factory=list)
    refused: str = ""

    def run(self) -> Mapping[str, Any]:
        try:
            return self.peer.ask(do="run", contender=self.name)
        except ContenderError as error:
            self.refused = str(error)
            return {}


def race(
    work: str,
    folder: Path,
    counts: Mapping[str, int],
    peers: Sequence[Contenders],
    *,
    rounds: int,
    threads: int,
    measure: Measure = "wall",
) -> Row:
    """Run a row.

    Args:
        work: Such as ``occlusion``.
        folder: Of the model.
        counts: How much work.
        peers: Whoever can take part.
        rounds: Timed runs of every contender, after one to warm it.
        threads: Of every contender.
        measure: What medians are of. On a machine that others use too the processor's time is the truer one,
            with one thread: threads that wait for each other, spinning, are charged for it.

    Returns:
        ``contenders``: name, version, seconds, and agreement with ours or the reason why there is no time.
    """
    entries = [entry for peer in peers for entry in _enter(peer, work, folder, counts, threads)]
    for entry in entries:
        if not entry.refused:
            entry.run()
    for number in range(rounds):
        for entry in entries if number % 2 == 0 else reversed(entries):
            if not entry.refused and (times := entry.run()):
                entry.seconds.append(times["seconds"])
                entry.processor_seconds.append(times["processor_seconds"])
    answers = _answers(entries)
    for peer in peers:
        if any(entry.peer is peer and not entry.refused for entry in entries):
            peer.ask(do="forget")
    return {
        "work": work,
        "counts": dict(counts),
        "threads": threads,
        "measure": measure,
        "contenders": [_line(entry, work, answers, measure) for entry in entries],
    }


def _enter(
    peer: Contenders, work: str, folder: Path, counts: Mapping[str, int], threads: int
) -> list[_Entry]:
    if work not in peer.peer.works:
        return []
    try:
        peer.start()
    except ContenderError as error:
        return [_Entry(peer.peer.title, peer, refused=str(error))]
    entries = [_Entry(name, peer) for name in peer.works.get(work, [])]
    for entry in entries:
        try:
            peer.ask(
                do="prepare",
                work=work,
                contender=entry.name,
                folder=str(folder),
                counts=dict(counts),
                threads=threads,
            )
        except ContenderError as error:
            entry.refused = str(error)
    return entries


def _answers(entries: Sequence[_Entry]) -> dict[str, NDArray[Any]]:
    answers = {}
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "answer.npy"
        for entry in entries:
            if not entry.refused:
                entry.peer.ask(do="save", contender=entry.name, path=str(path))
                answers[entry.name] = np.load(path)
    return answers


def _line(entry: _Entry, work: str, answers: Mapping[str, NDArray[Any]], measure: Measure) -> Row:
    line: Row = {"name": entry.name, "version": entry.peer.version}
    if entry.refused:
        return line | {"refused": entry.refused}
    times = Times(tuple(entry.seconds if measure == "wall" else entry.processor_seconds))
    line |= {
        "median_s": times.median,
        "spread": times.spread,
        "seconds": entry.seconds,
        "processor_seconds": entry.processor_seconds,
    }
    if work == "receipt":
        line["forwards"] = int(answers[entry.name][0])
    if entry.name != OURS and OURS in answers:
        line |= agreement(work, answers[entry.name], answers[OURS])
    return line
