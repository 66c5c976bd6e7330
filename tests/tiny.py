"""Small maps in many pieces."""

import contextlib
from unittest import mock

from poolcli.ops import condense, strips, view


@contextlib.contextmanager
def tiny_strips():
    """Strips of the fewest rows and bands of the fewest strips, so that a small map has many of both."""
    with contextlib.ExitStack() as stack:
        for module in (condense, strips, view):
            stack.enter_context(mock.patch.object(module, "STRIP_BYTES", 64))
        stack.enter_context(mock.patch.object(strips, "BAND_CELLS", 1))
        yield
