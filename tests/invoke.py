"""Runs commands inside the test's process, with stdout and stderr apart in every version of Click."""

import inspect

from click.testing import CliRunner

_APART = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}  # before Click 8.2


def runner():
    return CliRunner(**_APART)
