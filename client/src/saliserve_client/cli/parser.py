"""The commands and their options. Commands are imported when they run, so that ``--help`` is quick."""

from __future__ import annotations

import argparse
import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from saliserve_client._version import __version__
from saliserve_client.cli.connect import connection_options, seconds
from saliserve_client.cli.console import Console
from saliserve_client.cli.exits import MEANINGS


def parser() -> argparse.ArgumentParser:
    """Make the parser; ``options.run(options, console)`` does what was asked and returns the exit code."""
    codes = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())
    main = argparse.ArgumentParser(
        prog="saliserve",
        description="Image predictions with saliency maps and receipts, from a saliserve service.",
        epilog=f"exit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main.add_argument("--version", action="version", version=f"saliserve-client {__version__}")
    commands = main.add_subparsers(title="commands", required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--json", action="store_true", help="one JSON document on standard output, failures included"
    )
    service = [connection_options(), shared]
    _predict(commands.add_parser("predict", parents=service, help="classify an image"))
    _explain(
        commands.add_parser("explain", parents=service, help="classify, explain, and measure the explanation")
    )
    _evaluate(commands.add_parser("evaluate", parents=service, help="measure a map of your own"))
    _models(commands.add_parser("models", parents=service, help="what the service has loaded"))
    _doctor(commands.add_parser("doctor", parents=service, help="is the service well, and how fast is it"))
    _score(
        commands.add_parser(
            "score", parents=service, help="many images into one table; goes on where it stopped"
        )
    )
    _report(commands.add_parser("report", parents=[shared], help="a scored table as a page to look at"))
    _compare(
        commands.add_parser(
            "compare", parents=[shared], help="methods or models over scored tables: a winner, or none"
        )
    )
    return main


def _command(name: str) -> Callable[[argparse.Namespace, Console], int]:
    def run(options: argparse.Namespace, console: Console) -> int:
        module = importlib.import_module(f"saliserve_client.cli.commands.{name}")
        code: int = module.run(options, console)
        return code

    return run


def _predict(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_command("predict"))
    command.add_argument("image", type=Path)
    _answer_options(command)


def _explain(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_command("explain"))
    command.add_argument("image", type=Path)
    command.add_argument(
        "--out", type=Path, metavar="DIR", help="write NAME.overlay.*, NAME.map.* and NAME.json"
    )
    _mask_option(command)
    _answer_options(command)
    _method_options(command)


def _mask_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--mask", type=Path, metavar="PNG", help="where the object is: does the map point there?"
    )


def _evaluate(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_command("evaluate"))
    command.add_argument("image", type=Path)
    command.add_argument("map", type=Path, help="npy file or grey PNG")
    _answer_options(command)
    _mask_option(command)
    command.add_argument(
        "--made-with", nargs="+", metavar="OPERATOR", help="removal operators with which the map was made"
    )
    _measure_options(command, receipts=["fast", "full"], measures=["luck", "magnitude", "pixels"])


def _models(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_command("models"))
    command.add_argument("name", nargs="?", help="only this one, in full")


def _doctor(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_command("doctor"))
    command.add_argument(
        "--requests", type=_positive, default=5, metavar="N", help="how often each call is timed"
    )


def _score(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_command("score"))
    command.add_argument(
        "images",
        help="folder, quoted pattern, list of paths (.txt, or - for standard input), or .parquet with `image`; or "
        "such a thing at an address, s3://bucket/folder",
    )
    command.add_argument("--out", type=Path, required=True, metavar="TABLE", help=".jsonl or .parquet")
    command.add_argument("--maps", type=Path, metavar="DIR", help="also write every map")
    command.add_argument("--overlays", type=Path, metavar="DIR", help="also write every overlay")
    command.add_argument("--predict-only", action="store_true", help="classify without explaining")
    command.add_argument(
        "--concurrency", type=_positive, default=8, metavar="N", help="most requests in flight"
    )
    command.add_argument("--dedupe", action="store_true", help="score images of equal content once")
    command.add_argument(
        "--retry-failed", action="store_true", help="try again what failed in an earlier start"
    )
    command.add_argument(
        "--mix-models", action="store_true", help="allow answers of several models in one table"
    )
    command.add_argument(
        "--fsync",
        choices=["always", "second", "never"],
        default="second",
        help="when rows are forced to the disk",
    )
    command.add_argument(
        "--patience",
        type=seconds,
        default=600.0,
        metavar="SECONDS",
        help="stop after that long without any answer",
    )
    command.add_argument("--quiet", action="store_true", help="no progress")
    _cluster_options(command)
    _answer_options(command)
    _method_options(command)


def _cluster_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("many machines")
    group.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="where to work: in this process, or on Ray",
    )
    group.add_argument(
        "--ray-address",
        default=os.environ.get("RAY_ADDRESS", "local"),
        metavar="ADDRESS",
        help="of a cluster, such as auto; $RAY_ADDRESS, or this machine alone",
    )
    group.add_argument("--workers", type=_positive, default=2, metavar="N", help="processes on Ray")
    group.add_argument(
        "--worker-cpus", type=float, default=1.0, metavar="N", help="CPUs that each of them takes"
    )
    group.add_argument("--worker-gpus", type=float, default=0.0, metavar="N", help="GPUs, likewise")
    group.add_argument(
        "--bundles",
        type=Path,
        metavar="DIR",
        help="load these bundles in every worker and ask no service; needs the service's own code",
    )


def _report(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_command("report"))
    command.add_argument("table", type=Path, help="what `score` wrote")
    command.add_argument("--out", type=Path, metavar="HTML", help="TABLE.html by default")
    command.add_argument(
        "--images", type=Path, metavar="DIR", help="folder that was scored, for the pictures"
    )
    command.add_argument("--overlays", type=Path, metavar="DIR", help="the folder given to score")
    command.add_argument(
        "--worst", type=_positive, default=24, metavar="N", help="pictures on each contact sheet"
    )


def _compare(command: argparse.ArgumentParser) -> None:
    command.set_defaults(run=_command("compare"))
    command.add_argument("tables", type=Path, nargs="+", metavar="TABLE", help="what `score` wrote")
    command.add_argument(
        "--measure",
        choices=["srg", "gain"],
        help="default srg; across models gain, SRG over the probability at stake",
    )
    command.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    command.add_argument(
        "--resamples", type=_positive, metavar="N", help="of the bootstrap; 2000, fewer from 10,000 images on"
    )


def _answer_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("answer")
    group.add_argument("--model", metavar="NAME")
    group.add_argument("--model-version", dest="version", metavar="VERSION")
    group.add_argument("--top-k", type=_positive, metavar="K", help="how many classes to return")
    group.add_argument("--deadline-ms", type=float, metavar="MS")


def _measure_options(command: argparse.ArgumentParser, *, receipts: list[str], measures: list[str]) -> None:
    group = command.add_argument_group("explanation")
    target = group.add_mutually_exclusive_group()
    target.add_argument(
        "--target", type=int, metavar="INDEX", help="class to explain; default the predicted one"
    )
    target.add_argument("--target-label", dest="target", metavar="LABEL")
    contrast = group.add_mutually_exclusive_group()
    contrast.add_argument(
        "--contrast", type=int, metavar="INDEX", help="explain the target's logit less this class's"
    )
    contrast.add_argument("--contrast-label", dest="contrast", metavar="LABEL")
    group.add_argument("--receipt", choices=receipts, help="how much measuring to do")
    group.add_argument("--measures", nargs="+", choices=measures, help="what else to measure")
    group.add_argument("--seed", type=int)
    group.add_argument(
        "--max-forwards", type=_positive, metavar="N", help="refuse what needs more forward passes"
    )


def _method_options(command: argparse.ArgumentParser) -> None:
    _measure_options(
        command,
        receipts=["none", "fast", "full"],
        measures=["luck", "magnitude", "pixels", "stability", "repeatability"],
    )
    command.add_argument("--method", metavar="NAME")
    command.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=_assignment,
        metavar="NAME=VALUE",
        help="an option of the method; VALUE is JSON, or a text if it is not",
    )
    command.add_argument("--encoding", choices=["png16", "npy"], help="of the map; npy is exact")
    command.add_argument(
        "--overlay-encoding",
        choices=["png", "jpeg"],
        help="png is exact, jpeg small and quick; explain's default is png, score's jpeg",
    )


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
