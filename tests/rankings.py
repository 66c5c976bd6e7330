"""Order statistics by a method that the test chooses."""

import contextlib
from unittest import mock

from poolcli.ops import rank, rank_method


@contextlib.contextmanager
def by(method):
    """Use this method for all maps."""
    with contextlib.ExitStack() as stack:
        for module in (rank, rank_method):
            stack.enter_context(mock.patch.object(module, "method_for", return_value=method))
        yield
