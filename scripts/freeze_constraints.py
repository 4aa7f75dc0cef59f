"""Print the exact versions of the running environment as a pip constraints file.

Only names and versions, so the file is the same wherever the packages came from. CUDA's own
packages are left out: torch and ONNX Runtime pin what they need of them, and differently.
"""

from importlib.metadata import distributions

HEADER = """\
# Exact versions of everything that was tested together. Written by `make constraints`.
# pip install --constraint constraints.txt --group serve
"""

LEFT_OUT = ("nvidia-", "cuda-", "saliserve")


def frozen_versions() -> list[str]:
    """Return ``name==version`` of every installed distribution, sorted, without local version labels."""
    found = {dist.name.lower().replace("_", "-"): dist.version.split("+")[0] for dist in distributions()}
    return [f"{name}=={found[name]}" for name in sorted(found) if not name.startswith(LEFT_OUT)]


if __name__ == "__main__":
    print(HEADER + "\n".join(frozen_versions()))
