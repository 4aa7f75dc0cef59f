"""The walls of the house (docs/architecture.md), held by reading every import."""

import ast
from collections.abc import Collection, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = {
    # package or module: what of the project it may import besides itself
    "service.errors": set(),
    "service.arrays": set(),
    "service.contradictions": set(),
    "service.settings": {"errors", "contradictions"},
    "service.imaging": {"errors", "arrays"},
    "service.graphs": {"errors"},
    "service.bundle": {"errors", "arrays", "graphs", "imaging"},
    "service.runtime": {"errors", "arrays", "graphs", "bundle"},
    "service.explain": {"errors", "arrays", "graphs", "imaging", "runtime"},
    "service.faithfulness": {"errors", "arrays", "graphs", "imaging", "runtime", "explain"},
    "service.certificate": {
        "errors",
        "arrays",
        "graphs",
        "imaging",
        "bundle",
        "runtime",
        "explain",
        "faithfulness",
    },
}

ONLY_IN_TRAINING = {"torch", "torchvision", "timm", "lightning", "captum"}


def sources(folder: str) -> Iterator[Path]:
    return (ROOT / folder).rglob("*.py")


def imports(path: Path) -> Iterator[str]:
    """Every absolute module name that a file imports, wherever in the file it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield f"{node.module}"


def test_the_service_knows_no_deep_learning_framework_and_no_training():
    for path in sources("service"):
        for name in imports(path):
            assert name.split(".")[0] not in ONLY_IN_TRAINING | {"training", "saliserve_client"}, (
                f"{path}: {name}"
            )


def test_only_the_app_imports_bentoml():
    importers = {
        path.relative_to(ROOT).as_posix() for path in sources("service") if "bentoml" in set(imports(path))
    }
    assert importers <= {"service/app.py"}


def test_only_one_file_imports_opentelemetry_and_nobody_imports_it():
    """It is loaded by its name, at the start, where the settings ask for traces."""
    importers = {
        path.relative_to(ROOT).as_posix(): set(imports(path))
        for path in sources("service")
        if any(name.split(".")[0] == "opentelemetry" or name == "service.http.otlp" for name in imports(path))
    }
    assert importers.keys() == {"service/http/otlp.py"}


def test_the_client_shares_nothing_with_the_service():
    """But the one file that takes the service's engine into the client's own process, where both are installed."""
    for path in sources("client/src"):
        if path.name == "in_process.py":
            continue
        for name in imports(path):
            assert name.split(".")[0] not in {"service", "training", "bentoml", "onnxruntime"}, (
                f"{path}: {name}"
            )


@pytest.mark.parametrize("layer", LAYERS)
def test_arrows_between_the_packages_run_one_way(layer: str):
    target = ROOT / layer.replace(".", "/")
    files = target.rglob("*.py") if target.is_dir() else [target.with_suffix(".py")]
    own = layer.split(".")[1]
    # A program puts parts together and is imported by none of them.
    for path in (path for path in files if path.name != "__main__.py"):
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "service" and len(parts) > 1:
                assert parts[1] in LAYERS[layer] | {own}, f"{path.relative_to(ROOT)} imports {name}"


def modules(folder: str, package: str) -> dict[str, Path]:
    """Every module of a package by its name."""
    base = ROOT / folder
    names = {
        path: ".".join(path.relative_to(base).with_suffix("").parts)
        for path in sources(f"{folder}/{package}")
    }
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


def neighbours(path: Path, known: Collection[str]) -> Iterator[str]:
    """Those of *known* that a file imports, those for types only included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (name for name in inside if name in known)
            if inside - set(known) and node.module in known:
                yield node.module


@pytest.mark.parametrize(
    ("folder", "package"), [(".", "service"), (".", "training"), ("client/src", "saliserve_client")]
)
def test_no_module_imports_itself_by_way_of_others(folder: str, package: str):
    """Not for types only either: neither of two such modules can be understood without the other."""
    known = modules(folder, package)
    order = TopologicalSorter({name: set(neighbours(path, known)) - {name} for name, path in known.items()})
    order.prepare()  # raises CycleError, which names them


def test_no_part_imports_a_program():
    """Programs may import from every layer, so whoever imported one would reach around the walls."""
    for path in (*sources("service"), *sources("training")):
        assert not [name for name in imports(path) if name.endswith(".__main__")], path


def test_status_codes_are_known_to_one_file():
    """Whoever wants to know or change what a caller sees of an error looks there and nowhere else."""
    knowing = {
        path.relative_to(ROOT).as_posix()
        for path in sources("service")
        if any(name == "http" or name.startswith("starlette.status") for name in imports(path))
    }
    assert knowing <= {"service/http/problems.py"}


def test_models_hold_data_only():
    assert not list((ROOT / "models").rglob("*.py"))
