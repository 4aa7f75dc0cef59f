"""``python -m training {fit, evaluate, export, report}``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from service.bundle.arguments import moment
from service.errors import SaliserveError
from training.config import keys, load_config
from training.errors import CheckpointError, ConfigurationError
from training.evaluate import evaluate_run, is_evaluated
from training.experiment import read_experiment
from training.export import export_run
from training.loop import fit
from training.report.write import write_report
from training.trainer import is_finished

INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one of the commands; 2 on an error, told in one line, and 130 on Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except SaliserveError as error:
        print(f"training: {error.detail}", file=sys.stderr)
        return 2
    except OSError as error:  # such as a full disk under the log or a report
        print(f"training: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("training: interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_fit(commands.add_parser("fit", help="train, or go on with an interrupted run"))
    _add_experiment(commands.add_parser("experiment", help="fit arms x seeds, or go on with what is missing"))
    _add_evaluate(commands.add_parser("evaluate", help="measure finished runs on the test part"))
    _add_export(commands.add_parser("export", help="make a bundle of a run"))
    _add_report(commands.add_parser("report", help="compare the arms of an experiment"))
    return parser


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs")
    parser.add_argument(
        "--map-images", type=_positive, default=50, help="test pictures whose maps are judged (default 50)"
    )
    parser.add_argument(
        "--robust-images", type=_positive, default=300, help="test pictures attacked (default 300)"
    )
    parser.add_argument(
        "--epsilons",
        type=_positive,
        nargs="+",
        default=[1, 2, 4],
        help="of attacks, in 1/255 (default 1 2 4)",
    )
    parser.add_argument(
        "--again", action="store_true", help="also runs that have an evaluation of their present weights"
    )
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> None:
    epsilons = tuple(epsilon / 255 for epsilon in options.epsilons)
    left = 0
    for folder in options.runs:
        try:
            if is_evaluated(folder) and not options.again:
                continue
            found = evaluate_run(
                folder, map_images=options.map_images, robust_images=options.robust_images, epsilons=epsilons
            )
        except (
            CheckpointError
        ) as error:  # such as for a run in its first epoch; the others need not wait for it
            print(f"training: {error.detail}", file=sys.stderr, flush=True)
            left += 1
            continue
        print(
            f"{folder}: accuracy {found['test']['accuracy']:.4f}, {found['evaluation_seconds']:.0f} s",
            flush=True,
        )
    if left:
        raise CheckpointError(f"{left} of {len(options.runs)} runs cannot be evaluated, as told above")


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument("--name", required=True, help="of the model")
    parser.add_argument("--version", default="1", help="of the model (default 1)")
    parser.add_argument("--data", required=True, help="what it was trained on, for people")
    parser.add_argument("--licence", default="unknown", help="SPDX expression of the weights' licence")
    parser.add_argument("--command", default="", help="exactly what made the run, for its card")
    parser.add_argument(
        "--models", type=Path, default=Path("models"), help="folder of all models (default models)"
    )
    parser.add_argument("--created", type=moment, help="ISO 8601 with a time zone; default now")
    parser.add_argument("--force", action="store_true", help="replace the bundle")
    parser.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> None:
    bundle = export_run(
        options.folder,
        options.models,
        name=options.name,
        number=options.version,
        data=options.data,
        licence=options.licence,
        command=options.command,
        created=options.created,
        force=options.force,
    )
    print(bundle.folder, bundle.sha256)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", type=Path, help="a TOML file, see training/experiments")
    parser.add_argument("--output", type=Path, default=Path("docs/reports"), help="default docs/reports")
    parser.add_argument(
        "--pictures",
        action="store_true",
        help="show the test pictures beside their maps; mind their licence before you pass such a report on",
    )
    parser.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> None:
    results = write_report(options.experiment, options.output, show_pictures=options.pictures)
    print(f"{options.output}: {len(results.evaluations)} runs reported, {len(results.missing)} missing")


def _add_fit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "configuration", nargs="?", type=Path, help="a TOML file, or a run's config.json; flags override it"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    for key, meaning in keys():
        parser.add_argument(f"--{key}", dest=key, metavar="VALUE", help=meaning.replace("%", "%%"))
    parser.set_defaults(run=_fit)


def _add_experiment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", type=Path, help="a TOML file, see training/experiments")
    parser.add_argument("--only", nargs="+", metavar="ARM", help="only these arms")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="SEED", help="only these seeds")
    parser.set_defaults(run=_experiment)


def _experiment(options: argparse.Namespace) -> None:
    runs = read_experiment(options.experiment).runs
    _check_known("--only", options.only, [arm for arm, _ in runs])
    _check_known("--seeds", options.seeds, [seed for _, seed in runs])
    for (arm, seed), config in runs.items():
        if (options.only and arm not in options.only) or (options.seeds and seed not in options.seeds):
            continue
        if is_finished(config):
            continue
        ended = fit(config, quiet=True)
        print(
            f"{arm} seed {seed}: validation accuracy {ended.best_accuracy:.4f}, {ended.seconds:.0f} s",
            flush=True,
        )


def _check_known(option: str, asked: Sequence[object] | None, known: Sequence[object]) -> None:
    """Refuse what no run has; nothing would be trained, and 0 returned."""
    if unknown := [one for one in asked or () if one not in known]:
        raise ConfigurationError(
            f"{option}: {', '.join(map(str, unknown))} is not in the experiment; it has "
            f"{', '.join(map(str, dict.fromkeys(known)))}",
            where=option,
        )


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return number


def _fit(options: argparse.Namespace) -> None:
    given = vars(options)
    flags = {key: given[key] for key, _ in keys() if given[key] is not None}
    ended = fit(load_config(options.configuration, flags), quiet=options.quiet)
    print(
        f"best validation accuracy {ended.best_accuracy:.4f} after {ended.epoch} epochs, {ended.seconds:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
