"""Runs a command and prints its CPU time, its peak memory in MB and its duration.  launch.py COMMAND [ARG ...]

Times are in ms; the CPU time is that of all its descendants too, where the system lets orphans be waited for. A process
of its own, and a small one: a child's peak memory starts at that of the process it is born from.
"""

import ctypes
import os
import resource
import sys
import time

if sys.platform == "linux":
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans become children of this process
null = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
begun = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[null])
_, status, usage = os.wait4(child, 0)
took = time.perf_counter() - begun
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
print((cpu.ru_utime + cpu.ru_stime) * 1e3, usage.ru_maxrss / 1024, took * 1e3)
sys.exit(bool(status))
