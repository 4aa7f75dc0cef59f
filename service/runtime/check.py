"""``python -m service.runtime.check``: whether CUDA works here, tried by a process that ends."""

import subprocess
import sys
from pathlib import Path

from service.errors import ProviderError
from service.runtime.device import choose_device

_ROOT = Path(__file__).parents[2]
_LONGEST_S = 120
"""For loading CUDA and cuDNN from a slow disk."""


def check_cuda() -> None:
    """Make sure that CUDA works, without taking its memory: a context holds some 300 MB for as long as it lives.

    Raises:
        ProviderError: It does not; the message is that of the attempt.
    """
    attempt = subprocess.run(
        [sys.executable, "-m", "service.runtime.check"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
        check=False,
    )
    if attempt.returncode:
        said = attempt.stdout.strip() or attempt.stderr.strip()[-1000:]
        raise ProviderError(said or f"CUDA ended the process that tried it, with {attempt.returncode}.")


def main() -> None:
    """Exit with 0 if CUDA works; else print why not."""
    try:
        choose_device("cuda")
    except ProviderError as error:
        print(error.detail)  # noqa: T201 - to the parent process
        sys.exit(1)


if __name__ == "__main__":
    main()
