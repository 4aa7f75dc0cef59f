import subprocess
import sys
from pathlib import Path

import saliserve_client

SOURCE = Path(saliserve_client.__file__).parent
TYPED = """
from typing import assert_type
from saliserve_client import AsyncClient, Client, Explanation, Model, Prediction

client = Client("http://127.0.0.1:3000", timeout_s=1.0)
assert_type(client.predict("cat.jpg", top_k=3), Prediction)
assert_type(client.explain(b"...", method="grad_cam").prediction.label, str)
assert_type(client.models(), tuple[Model, ...])
client.predict("cat.jpg", topk=3)  # type: ignore[call-arg]
client.explain("cat.jpg", receipt="complete")  # type: ignore[arg-type]

async def ask(client: AsyncClient) -> None:
    assert_type(await client.explain("cat.jpg"), Explanation)
    client.explain(3.5)  # type: ignore[arg-type]
"""


def test_every_public_name_is_there() -> None:
    for name in saliserve_client.__all__:
        assert getattr(saliserve_client, name) is not None
    assert not hasattr(saliserve_client, "no_such_name")


def test_importing_the_package_loads_nothing_heavy() -> None:
    """0.3 s is the most an import may take; the HTTP library is most of it, and many importers only catch errors."""
    script = (
        "import sys, saliserve_client, saliserve_client.errors, saliserve_client.cli.parser\n"
        "print({'httpx2', 'asyncio', 'numpy', 'pyarrow'} & set(sys.modules) or 'nothing')"
    )

    said = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout

    assert said == "nothing\n"


def test_no_call_needs_numpy_or_pyarrow() -> None:
    """Both are optional; an import of one at the top of a module would go unnoticed here, where both are installed."""
    script = (
        "import sys\n"
        "sys.modules['numpy'] = sys.modules['pyarrow'] = None\n"
        "import importlib, pkgutil, saliserve_client\n"
        "for one in pkgutil.walk_packages(saliserve_client.__path__, 'saliserve_client.'):\n"
        "    if not one.name.endswith('__main__'):\n"
        "        importlib.import_module(one.name)\n"
        "print('loaded')"
    )

    said = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout

    assert said == "loaded\n"


def test_type_checkers_see_arguments_and_results_of_both_clients() -> None:
    """The methods are made by a descriptor; if its types went wrong, everything would quietly be Any."""
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.11", "-c", TYPED]

    checked = subprocess.run(command, capture_output=True, check=False, text=True)

    assert checked.returncode == 0, checked.stdout


def test_nothing_newer_is_used_than_the_oldest_python_that_is_promised() -> None:
    """By name, of every module, class and function of the standard library, and by syntax; on 3.11 nobody would notice."""
    vermin = str(Path(sys.executable).parent / "vermin")
    command = [vermin, "--target=3.10-", "--violations", "--no-tips", str(SOURCE)]

    checked = subprocess.run(command, capture_output=True, check=False, text=True)

    assert checked.returncode == 0, checked.stdout
    assert 'requires-python = ">=3.10"' in (SOURCE.parents[1] / "pyproject.toml").read_text()
