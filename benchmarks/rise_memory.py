"""The memory of a RISE map of 10,000 masks beside that of one of 100, each in a process of its own.

    python -m benchmarks.rise_memory

The classifier averages the image, so that 224 pixels are affordable; masks, images and sums are those of any model.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx

from benchmarks.models import load_classifier, subject_of
from benchmarks.photos import photo
from benchmarks.results import Results
from service.explain.rise import METHOD, RiseParameters
from service.graphs.programs import parse
from service.runtime.drive import drive

COUNTS = (100, 10_000)
MOST_MEGABYTES = 100
KIBIBYTE, MEGABYTE = 1024, 1_000_000

CLASSIFIER = """
colours (float[N,3,224,224] image) => (float[N,3] logits)
{
  pooled = GlobalAveragePool (image)
  logits = Flatten (pooled)
}"""


def main() -> None:
    """Run a process per count, print the table; or, with --masks, be one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--masks", type=int, help="Explain once in this process, and print its peak.")
    masks = parser.parse_args().masks
    if masks is not None:
        print(json.dumps(explain(masks)))
        return
    peaks = {count: in_its_own_process(count) for count in COUNTS}
    more = peaks[COUNTS[1]] - peaks[COUNTS[0]]
    Results().save(
        "rise_memory/10000",
        {"peak_megabytes": {str(count): peak for count, peak in peaks.items()}, "more_megabytes": more},
    )
    print("| masks | peak, MB |\n|---|---|")
    for count, peak in peaks.items():
        print(f"| {count} | {peak:.1f} |")
    print(f"| difference | {more:.1f}{'' if more <= MOST_MEGABYTES else ' (more than 100)'} |")


def in_its_own_process(masks: int) -> float:
    """Peak resident memory, MB."""
    done = subprocess.run(  # noqa: S603 - this very file
        [sys.executable, "-m", "benchmarks.rise_memory", "--masks", str(masks)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout))


def explain(masks: int) -> float:
    """Make one map, and say what this process held at most, MB."""
    with tempfile.TemporaryDirectory() as folder:
        onnx.save(parse(CLASSIFIER), Path(folder) / "classifier.onnx")
        model = load_classifier(Path(folder) / "classifier.onnx", Path(folder))
    parameters = RiseParameters(masks=masks, agreement=None)
    drive(METHOD.plan(subject_of(model, photo("chelsea")), parameters), model)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIBIBYTE / MEGABYTE


if __name__ == "__main__":
    main()
