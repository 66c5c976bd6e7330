"""Order statistics by a method that the test chooses."""

import contextlib
from unittest import mock

from poolcli.ops import pool_stage, rank


@contextlib.contextmanager
def by(method):
    """Use this method for all maps."""
    with contextlib.ExitStack() as stack:
        for module in (rank, pool_stage):
            stack.enter_context(mock.patch.object(module, "method_for", return_value=method))
        yield
