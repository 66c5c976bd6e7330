"""Small maps processed in many pieces."""

import contextlib
from unittest import mock

from poolcli.ops import pool_stage, strips, window_view


@contextlib.contextmanager
def tiny_strips():
    """Make strips and bands as small as possible, so that a small map has many of both."""
    with contextlib.ExitStack() as stack:
        for module in (pool_stage, strips, window_view):
            stack.enter_context(mock.patch.object(module, "STRIP_BYTES", 64))
        stack.enter_context(mock.patch.object(strips, "BAND_CELLS", 1))
        yield
