"""What a figure was measured on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def machine() -> dict[str, str]:
    """Say what the machine is; nothing that names its owner."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{_memory_bytes() / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions(*packages: str) -> dict[str, str]:
    """Say which versions are installed; a package that is not there is left out."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def load() -> float:
    """Processes that want the processor, averaged over the last minute."""
    return round(os.getloadavg()[0], 2)


def resident_bytes(process: int) -> int:
    """Memory that a process and its descendants hold now."""
    return sum(
        int(Path(f"/proc/{one}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        for one in _family(process)
    )


def processor_seconds(process: int) -> float:
    """Processor time that a process and its living descendants have taken so far."""
    ticks = 0
    for one in _family(process):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
    return ticks / os.sysconf("SC_CLK_TCK")


def _family(process: int) -> list[int]:
    children = [
        int(child)
        for path in Path(f"/proc/{process}/task").glob("*/children")
        for child in path.read_text().split()
    ]
    return [process, *(one for child in children for one in _family(child))]


def _processor() -> str:
    """The model's name where there is one, with what decides the speed of matrix products."""
    facts = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    widest = [
        name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in facts["flags"].split()
    ]
    return (
        f"{facts['model name']} (family {facts['cpu family']}, model {facts['model']}; {', '.join(widest)})"
    )


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
