"""ENGINES: the frameworks that poolcli can be verified with, and which of them are installed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from poolcli.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from poolcli.experiments.engine_operation import Engine


class EngineEntry(NamedTuple):
    """An engine that poolcli can be verified with.

    Attributes
    ----------
    title : str
    module, engine : str
        Where its class is, and its name.
    packages : tuple of str
        What must be installed.
    install : str
        The command that does.
    """

    title: str
    module: str
    engine: str
    packages: tuple[str, ...]
    install: str


ENGINES = {
    "torch": EngineEntry("PyTorch", "poolcli.experiments.engine_torch", "TorchEngine", ("torch",), "pip install torch"),
    "tensorflow": EngineEntry(
        "TensorFlow",
        "poolcli.experiments.engine_tensorflow",
        "TensorFlowEngine",
        ("tensorflow",),
        "pip install tensorflow",
    ),
    "onnxruntime": EngineEntry(
        "ONNX Runtime",
        "poolcli.experiments.engine_onnxruntime",
        "OnnxRuntimeEngine",
        ("onnxruntime", "onnx"),
        "pip install 'poolcli[onnx]'",
    ),
}


def check_installed(wanted: Sequence[str]) -> None:
    """Refuse engines that are not installed, without importing any: that takes seconds.

    Parameters
    ----------
    wanted : sequence of str
        Names of `ENGINES`; empty for all that are installed.

    Raises
    ------
    OptionError
        One that was asked for is not installed, or there is none.
    """
    for name in wanted:
        if problem := _absent(name):
            msg = f"with {name}: {problem}"
            raise OptionError(msg)
    if all(map(_absent, ENGINES)):
        raise OptionError(_none())


def load_engines(wanted: Sequence[str], tell: Callable[[str], None]) -> dict[str, Engine]:
    """The engines that are installed, of those asked for.

    Parameters
    ----------
    wanted : sequence of str
        Names of `ENGINES`; empty for all that are installed.
    tell : callable
        Is given a line for each of all engines that is left out.

    Raises
    ------
    OptionError
        One that was asked for is not installed or cannot be imported, or there is none.
    """
    check_installed(wanted)
    engines: dict[str, Engine] = {}
    for name in wanted or ENGINES:
        entry, problem = ENGINES[name], _absent(name)
        if not problem:
            try:
                module = import_module(entry.module)
                engines[name] = getattr(module, entry.engine)()
                continue
            except Exception as error:  # noqa: BLE001 - a damaged installation may raise anything
                reason = (str(error).splitlines() or [""])[0]
                problem = (
                    f"{entry.packages[0]} cannot be imported ({type(error).__name__}: {reason}); {entry.install} again"
                )
        if wanted:
            msg = f"with {name}: {problem}"
            raise OptionError(msg)
        tell(f"{entry.title} is left out: {problem}")
    if not engines:
        raise OptionError(_none())
    return engines


def _absent(name: str) -> str:
    """What an engine lacks and how to install it; empty where it lacks nothing."""
    entry = ENGINES[name]
    absent = next((one for one in entry.packages if not is_installed(one)), None)
    return f"{absent} is not installed; {entry.install}" if absent else ""


def _none() -> str:
    return f"no engine to verify with: {', or '.join(one.install for one in ENGINES.values())}"


def is_installed(package: str) -> bool:
    """Whether a package could be imported, without importing it."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False
