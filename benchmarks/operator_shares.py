"""Where a pass spends its time, by operator.

    python -m benchmarks.operator_shares MODEL [--direction gradient] [--out out/bench]

ONNX Runtime's own profiler; the numbers include its overhead, the shares do not.
"""

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime as ort

from benchmarks.results import FOLDER
from service.bundle.load import find_bundles
from service.runtime.model import GRAPH_FILES
from service.runtime.plan import Direction

_PASSES = 10


def shares(graph: Path, threads: int) -> list[tuple[str, float, int]]:
    """Run a graph some times and add up its operators.

    Returns:
        Operator, its share of the time, and how many nodes it has; the dearest first.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        random = np.random.default_rng(0)
        feed = {
            node.name: random.random(
                [axis if isinstance(axis, int) else 1 for axis in node.shape], np.float32
            )
            for node in session.get_inputs()
        }
        for _ in range(_PASSES):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text())
    nodes = [
        event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")
    ]
    spent: Counter[str] = Counter()
    names: dict[str, set[str]] = {}
    for event in nodes:
        operator = event["args"]["op_name"]
        spent[operator] += event["dur"]
        names.setdefault(operator, set()).add(event["name"])
    total = sum(spent.values())
    return [(operator, time / total, len(names[operator])) for operator, time in spent.most_common()]


def main() -> None:
    """Print the dearest operators."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument(
        "--direction", choices=[str(one) for one in GRAPH_FILES], default=str(Direction.FORWARD)
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    [bundle] = find_bundles(given.out / "models" / given.model / "bundles")
    for operator, share, nodes in shares(bundle / GRAPH_FILES[Direction(given.direction)], given.threads)[:8]:
        print(f"{operator:24} {share:6.1%}  {nodes} nodes")


if __name__ == "__main__":
    main()
