"""Fixtures: a folder with a photograph and a small picture, and ways to run poolcli in it."""

import io
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from batches import reap
from invoke import runner
from PIL import Image

ROOT = Path(__file__).parents[2]
CAT = ROOT / "sample_images/cat.jpg"
SMALL = np.random.default_rng(5).integers(0, 256, (24, 40), np.uint8)
"""Gray noise: every row, column and value differs."""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder of the test's own, with cat.jpg and small.png."""
    shutil.copyfile(CAT, tmp_path / "cat.jpg")
    Image.fromarray(SMALL).save(tmp_path / "small.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def small():
    """The values of small.png."""
    return SMALL


@pytest.fixture
def cli(here):
    """Call poolcli in this process; the result has exit_code, stdout_bytes, stdout, stderr."""
    from poolcli.cli.group import cli as command

    def call(*args, **options):
        result = runner().invoke(command, [str(arg) for arg in args], prog_name="poolcli", **options)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def start(here):
    """Start poolcli as a process in a new session; whatever becomes of the test, it is ended and its pipes are closed."""
    started = []

    def call(*args, env=(), **options):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **dict(env)}
        environment = {name: value for name, value in environment.items() if value is not None}
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "poolcli", *(str(arg) if isinstance(arg, int) else arg for arg in args)],
                env=environment,
                start_new_session=True,
                **options,
            )
        )
        return started[-1]

    yield call
    for process in started:
        reap(process)


@pytest.fixture
def start_held(start):
    """Start `poolcli batch -v` with a stderr that is full: it holds after its first result until stderr is read."""

    def call(*args, **options):
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writer, b"\n" * 4096)
        os.set_blocking(writer, True)
        process = start("batch", *args, "-v", stderr=writer, **options)
        os.close(writer)
        process.stderr = io.FileIO(reader)
        return process

    return call


@pytest.fixture
def shell(here):
    """Run a line of bash in which poolcli is a command; the result has returncode, stdout, stderr as bytes."""
    folder = here.parent / f"{here.name}-bin"
    folder.mkdir()
    program = folder / "poolcli"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m poolcli "$@"\n')
    program.chmod(0o755)

    def call(line, env=(), **options):
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, **dict(env)}
        environment = {name: value for name, value in environment.items() if value is not None}
        return subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
            **options,
        )

    return call


@pytest.fixture
def files(here):
    """The files in the folder, also hidden ones: name -> bytes."""

    def look():
        return {str(p.relative_to(here)): p.read_bytes() for p in sorted(here.rglob("*")) if p.is_file()}

    return look
