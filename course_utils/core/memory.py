"""How much memory this process may still take: on this machine, in this container, under its own limit."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import psutil

CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")  # Linux's control groups: a container is one


class Memory(NamedTuple):
    """Bytes that are free, of how many, and what sets that limit."""

    free: int
    total: int
    limit: str


MACHINE, PROCESS, GROUP = "", " within this process's own limit", " within the limit of this container or control group"


def memory() -> Memory:
    """What this process may still take: the least that the machine, its own limit and its control groups leave.

    >>> memory().free <= psutil.virtual_memory().total
    True
    """
    machine = psutil.virtual_memory()
    return min([Memory(machine.available, machine.total, MACHINE), *_process_limits(), *_group_limits()])


def _process_limits() -> Iterator[Memory]:
    """The limits of ``ulimit -v`` and ``-d``, where there are any."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = psutil.Process().memory_info()
    for kind, name in ((resource.RLIMIT_AS, "vms"), (resource.RLIMIT_DATA, "data")):
        limit, _ = resource.getrlimit(kind)
        if limit != resource.RLIM_INFINITY:
            yield Memory(max(0, limit - getattr(used, name, 0)), limit, PROCESS)


def _group_limits() -> Iterator[Memory]:
    """The limits of the control groups that this process is in, version 1 or 2; what the system can drop is free."""
    if not OWN_CGROUPS.exists():  # not Linux
        return
    for line in OWN_CGROUPS.read_text(encoding="utf-8").splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers:
            base, limits, used, cache = CGROUPS, ("memory.max", "memory.high"), "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            base, limits = CGROUPS / "memory", ("memory.limit_in_bytes",)
            used, cache = "memory.usage_in_bytes", "total_inactive_file"
        else:
            continue
        inside = PurePosixPath(group)
        for each in (inside, *inside.parents):  # in a container, the outer names may be missing
            folder, cached = base / each.relative_to("/"), 0
            with suppress(OSError, ValueError):
                stat = dict(row.split() for row in (folder / "memory.stat").read_text().splitlines())
                cached = int(stat.get(cache, 0))  # of files, which the system can drop
            for name in limits:
                with suppress(OSError, ValueError):  # "max" is no limit
                    limit, taken = (int((folder / file).read_text()) for file in (name, used))
                    yield Memory(max(0, limit - max(0, taken - cached)), limit, GROUP)
