"""What processes cost, in seconds of processor time: it stays put where the clock on the wall
depends on who else is busy on the machine."""

import os
from collections import defaultdict
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def seconds(root: int) -> float:
    """Of process `root` and all below it, those that ended and were waited for included."""
    children: dict[int, list[int]] = defaultdict(list)
    own: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        # Counted from the state: parent, then user, system, and both of ended children.
        children[int(fields[1])].append(int(entry.name))
        own[int(entry.name)] = sum(map(int, fields[11:15]))
    total, todo = 0, [root]
    while todo:
        pid = todo.pop()
        total += own.get(pid, 0)
        todo += children[pid]
    return total / _TICKS_PER_S
