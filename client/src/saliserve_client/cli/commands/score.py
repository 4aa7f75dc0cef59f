"""``saliserve score IMAGES --out TABLE``."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from saliserve_client.cli import tables
from saliserve_client.cli.asked import beyond_predictions, explain_options, predict_options
from saliserve_client.cli.connect import settings
from saliserve_client.cli.console import Console
from saliserve_client.cli.exits import INTERRUPTED, OK, SOME_FAILED
from saliserve_client.cli.progress import Progress
from saliserve_client.clients import AsyncClient, Client
from saliserve_client.errors import OptionError
from saliserve_client.scoring.cluster import Cluster, ClusterRun
from saliserve_client.scoring.in_process import engine_client
from saliserve_client.scoring.job import Job
from saliserve_client.scoring.journal import Durability
from saliserve_client.scoring.manifest import RunManifest
from saliserve_client.scoring.output import Output
from saliserve_client.scoring.run import Run
from saliserve_client.scoring.sources import Source


def run(options: argparse.Namespace, console: Console) -> int:
    """Score the images; an interruption leaves a table that the same command completes."""
    _check(options)
    job = _job(options)
    total = sum(1 for _ in job.source.items())
    manifest = RunManifest(
        job.deciding(),
        source=options.images,
        maps=str(options.maps or ""),
        overlays=str(options.overlays or ""),
        url=options.url if options.bundles is None else "",
    )
    output = Output(job, manifest)
    try:
        if options.bundles is None:
            with Client(**settings(options)) as client:
                output.manifest = replace(output.manifest, contract=client.contract())
        before = _before(job, output)
        if output.resumed_images:
            others = output.resumed_images - before["images"]
            also = f"; it also holds {others} that are not in {options.images}" if others else ""
            console.note(f"{options.out}: goes on after {before['images']} of {total} images{also}")
        progress = Progress(total, output, before=before)
        if options.engine == "ray":
            finished = _work_on_cluster(options, job, output, progress)
        else:
            finished = asyncio.run(_work(options, job, output, progress))
        if finished:
            output.finish()
    finally:
        output.close()
    if not finished:
        console.note(f"{options.out}: interrupted; the same command goes on from here")
        return INTERRUPTED
    console.result(asdict(output.manifest), _summary(options, output))
    return SOME_FAILED if output.counts["failed"] else OK


def _check(options: argparse.Namespace) -> None:
    if options.engine != "ray" and options.bundles is not None:
        raise OptionError("--bundles is for --engine ray; without it a service is asked, at --url")
    unused = beyond_predictions(options) if options.predict_only else []
    if unused:
        raise OptionError(
            f"{', '.join(unused)} would do nothing: --predict-only explains nothing; leave one of them out"
        )
    for option, folder in (("--maps", options.maps), ("--overlays", options.overlays)):
        if folder is not None and _is_searched(folder, options.images):
            raise OptionError(
                f"{option} {folder} lies in {options.images}, where the next start would take what this one writes for "
                "images to score; choose a folder beside it"
            )


def _is_searched(folder: Path, images: str) -> bool:
    """Tell whether a search of the images would find what is written to a folder."""
    source = Path(images)
    try:
        return source.is_dir() and folder.resolve().is_relative_to(source.resolve())
    except OSError:  # whoever reads it says what is wrong
        return False


def _before(job: Job, output: Output) -> Counter[str]:
    """Count the rows of this start's images, for the table may hold others; looks through them only if it is not new."""
    counts: Counter[str] = Counter()
    for item in job.source.items() if output.resumed_images else ():
        counts["images"] += output.is_done(item.image)
        counts["failed"] += output.is_done(item.image) and not output.is_scored(item.image)
    return counts


async def _work(options: argparse.Namespace, job: Job, output: Output, progress: Progress) -> bool:
    """Work until done (True) or told to stop (False)."""
    connection: dict[str, Any] = {**settings(options), "connections": job.concurrency}
    async with AsyncClient(**connection) as client:
        run = Run(client, job, output, watch=(lambda _: None) if options.quiet else progress)
        working = asyncio.ensure_future(run.work())
        if os.name != "nt":  # on Windows, Ctrl-C comes as KeyboardInterrupt
            _stop_at_signals(working.cancel)
        try:
            await working
        except asyncio.CancelledError:
            return False
        finally:
            if not options.quiet:
                progress.close(run)
    return True


def _stop_at_signals(stop: Callable[[], object]) -> None:
    """Stop at the first signal, and let the second end the process: a read from a share that hangs cannot be stopped."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def heed() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stop()

    for number in numbers:
        loop.add_signal_handler(number, heed)


def _work_on_cluster(options: argparse.Namespace, job: Job, output: Output, progress: Progress) -> bool:
    """Work until done (True) or told to stop (False)."""
    cluster = Cluster(options.ray_address, options.workers, options.worker_cpus, options.worker_gpus)
    if options.bundles is None:
        connect = partial(AsyncClient, **{**settings(options), "connections": job.concurrency})
    else:
        threads = max(1, int(options.worker_cpus))
        connect = partial(engine_client, options.bundles.absolute(), threads=threads)
    run = ClusterRun(job, output, cluster, connect, watch=(lambda _: None) if options.quiet else progress)
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        run.work()
    except KeyboardInterrupt:
        return False
    finally:
        if not options.quiet:
            progress.close(run)
    return True


def _job(options: argparse.Namespace) -> Job:
    return Job(
        source=Source(options.images),
        out=options.out,
        options=predict_options(options) if options.predict_only else explain_options(options),
        explain=not options.predict_only,
        maps=options.maps,
        overlays=options.overlays,
        concurrency=options.concurrency,
        dedupe=options.dedupe,
        durability=Durability(options.fsync),
        retry_failed=options.retry_failed,
        mix_models=options.mix_models,
        patience_s=options.patience,
    )


def _summary(options: argparse.Namespace, output: Output) -> list[str]:
    counts = [(name, str(count)) for name, count in output.counts.items()]
    verdicts = [(verdict, str(count)) for verdict, count in output.verdicts.most_common()]
    return tables.labelled(
        [
            ("table", [str(options.out)]),
            ("rows", tables.aligned(counts) if counts else ["none"]),
            ("verdicts", tables.aligned(verdicts) if verdicts else []),
            ("next", [f"saliserve report {shlex.quote(str(options.out))}"]),
        ]
    )
