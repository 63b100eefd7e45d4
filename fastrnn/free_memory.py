"""How much memory there is, and the refusal of work that needs more."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from fastrnn.typing import PathLike

_SMALL = 64 * 2**20  # less is not worth asking how much there is


class MemoryLimitError(MemoryError):
    """Raised before work begins that needs more memory than there is."""

    __module__ = "fastrnn.memory"  # where it is imported from


def refuse_if_too_large(needed: float, work: str, advice: Iterable[tuple[str, float]] = ()) -> None:
    """Raise MemoryLimitError if there is less memory than the bytes needed for some work.

    `advice` yields what could be changed and the bytes needed then. It is read only where memory is
    short, and what would not help is left out.
    """
    if needed < _SMALL:
        return
    available = available_memory()
    if available is None or needed <= available:
        return
    cures = [f"{change} would need {_size(then)}" for change, then in advice if then < 0.9 * needed]
    raise MemoryLimitError(
        f"{work} needs about {_size(needed)} of memory, but only {_size(available)} are available"
        + (f"; {', '.join(cures)}" if cures else "")
    )


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.0f} MiB"


def available_memory(root: PathLike = "/") -> int | None:
    """Bytes that this process may still take; None where nothing says it.

    The least of what the machine, the control groups (version 1 or 2) and the limit on address
    space leave. Under `root` are proc and sys.
    """
    root = Path(root)
    limits = [_of_machine(root), *_of_groups(root), _of_address_space(root)]
    known = [limit for limit in limits if limit is not None]
    return max(0, min(known)) if known else None


def _of_machine(root: Path) -> int | None:
    """Free memory of the machine, and what the system would give up for it; else all it has."""
    with suppress(OSError, ValueError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_groups(root: Path) -> Iterator[int | None]:
    """What each control group of this process, and each above it, leaves."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current")
                inactive = "inactive_file"
            elif "memory" in controllers.split(","):
                base = root / "sys/fs/cgroup/memory"
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
                inactive = "total_inactive_file"
            else:
                continue
            folder = base / path.lstrip("/")
            for group in (folder, *folder.parents):
                if group.is_relative_to(base):
                    yield _of_group(group, *names, inactive)


def _of_group(group: Path, limit_name: str, usage_name: str, inactive: str) -> int | None:
    """Limit less usage, but for pages of files that the system would drop."""
    with suppress(OSError, ValueError):
        limit = int((group / limit_name).read_text())  # "max" is no number: no limit
        usage = int((group / usage_name).read_text())
        for line in (group / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == inactive:
                usage -= int(value)
        return limit - usage
    return None


def _of_address_space(root: Path) -> int | None:
    """What RLIMIT_AS leaves."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    with suppress(OSError, ValueError):
        pages = int((root / "proc/self/statm").read_text().split()[0])
        return limit - pages * resource.getpagesize()
    return limit
