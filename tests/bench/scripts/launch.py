"""Runs a command and prints its CPU time in ms and its peak memory in MB.  launch.py COMMAND [ARG ...]

A process of its own, and a small one: a child's peak memory starts at that of the process it is born from.
"""

import os
import sys

null = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[null])
_, status, usage = os.wait4(child, 0)
print((usage.ru_utime + usage.ru_stime) * 1e3, usage.ru_maxrss / 1024)
sys.exit(bool(status))
