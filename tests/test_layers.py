"""The packages import in one direction, and the start of the program loads no more than it needs."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "poolcli"
ALLOWED = {
    "errors": set(),
    "display": set(),
    "limits": set(),
    "ops": {"display", "errors"},
    "images": {"display", "errors", "limits"},
    "pipeline": {"display", "errors", "ops", "images"},
    "figures": {"display", "errors", "ops", "images", "pipeline"},
    "artifacts": {"display", "errors", "images", "pipeline", "figures"},
    "batch": {"display", "errors", "limits", "images", "pipeline", "figures", "artifacts"},
    "api": {"display", "pipeline", "figures", "artifacts", "images"},
    "explanation": {"display", "errors", "ops", "images", "pipeline", "figures"},
    "experiments": {"display", "errors", "ops", "images", "pipeline", "figures", "batch"},
    "cli": {
        "batch", "explanation", "experiments", "artifacts", "figures", "pipeline", "images", "ops", "display", "errors", "limits",
    },
}  # fmt: skip
"""Package -> the packages it may import."""
PACKAGES = {"PIL": "pillow", "numpy": "numpy", "click": "click", "matplotlib": "matplotlib"}
WHO = {
    "PIL": {"images", "figures"},
    "matplotlib": {"figures"},
    "click": {"cli"},
    "numpy": {"ops", "images", "pipeline", "figures", "explanation", "experiments", "artifacts", "cli"},
}


def imports_of(path):
    """Dotted names of all that a file imports, also inside functions and for type checking."""
    inside = path.parent.relative_to(ROOT).parts
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(inside[: len(inside) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (start, node.module) if part)
            yield from (f"{module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "import_module":
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant))


FILES = sorted(PACKAGE.rglob("*.py"))
IMPORTS = [(path, name) for path in FILES for name in imports_of(path)]


def package_of(path):
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py") if len(parts) == 1 else parts[0]


def test_the_reader_of_imports_sees_them_all():
    """Otherwise the other tests here could pass without checking anything."""
    assert len(FILES) > 30
    assert {package_of(path) for path in FILES} >= set(ALLOWED)
    assert ("cli", "poolcli.images.read.read") in {(package_of(path), name) for path, name in IMPORTS}
    assert {name.split(".")[0] for _, name in IMPORTS} >= set(PACKAGES)


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_the_packages_below(package):
    used = {
        name.split(".")[1]
        for path, name in IMPORTS
        if package_of(path) == package and name.startswith("poolcli.") and not name.startswith("poolcli.__")
    }
    assert used - {package} <= ALLOWED[package]


@pytest.mark.parametrize("package", WHO)
def test_a_package_is_imported_only_where_it_may_be(package):
    users = {package_of(path) for path, name in IMPORTS if name.split(".")[0] == package}
    assert users
    assert users <= WHO[package]


LOCAL_FILES = {"local_storage.py", "local_journal.py", "folder_lock.py"}
PROCESSES = {"processes.py", "process_identity.py", "worker_process.py"}
NAMES_ALONE = {
    "os.fsdecode", "os.fsencode", "os.getcwd", "os.path.abspath", "os.path.basename", "os.path.commonpath", "os.path.dirname", "os.path.isabs",
    "os.path.join", "os.path.normpath", "os.path.relpath", "os.path.split", "os.path.splitext", "os.strerror",
}  # fmt: skip
"""What is done with names and looks at no file."""


def test_in_a_batch_only_the_local_storage_asks_the_operating_system_about_files():
    calls = {
        path.name: {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call)
        }
        for path in (PACKAGE / "batch").glob("*.py")
    }
    used = {name: {one for one in found if re.fullmatch(r"open|os(\.\w+)+", one)} for name, found in calls.items()}
    assert {"os.stat", "os.scandir", "open", "os.makedirs"} <= set().union(*(used[name] for name in LOCAL_FILES))
    asking = {name: found - NAMES_ALONE for name, found in used.items() if name not in LOCAL_FILES | PROCESSES}
    assert {name: found for name, found in asking.items() if found} == {}


def test_nothing_imports_pyplot():
    assert [str(path) for path, name in IMPORTS if "pyplot" in name or "pylab" in name] == []
    assert [str(path) for path in FILES if "pyplot" in path.read_text("utf-8").replace("never pyplot", "")] == []


def test_nothing_third_party_is_imported_but_the_four():
    foreign = {name.split(".")[0] for _, name in IMPORTS} - sys.stdlib_module_names - {"poolcli"}
    # poolcli[heif], poolcli[onnx], poolcli[dask] and poolcli[remote], imported where they are needed, and the engines of verify.
    extras = {"pillow_heif", "onnx", "onnxruntime", "distributed", "fsspec", "torch", "tensorflow"}
    assert foreign == set(PACKAGES) | extras


def test_a_batch_on_this_machine_does_not_import_distributed():
    assert {path.name for path, name in IMPORTS if name.split(".")[0] == "distributed"} == {"dask_cluster.py"}
    at_start = {
        path: [node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.ImportFrom)]
        for path in FILES
    }
    users = {
        path.name for path, nodes in at_start.items() for node in nodes if node.module == "poolcli.batch.dask_cluster"
    }
    assert users == set(), "imported inside the function that connects, and nowhere else"


def test_run_time_dependencies_are_the_four():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = sorted(line.split(">")[0].split("=")[0].split("<")[0].strip() for line in project["dependencies"])
    assert names == sorted(PACKAGES.values())


def loaded(code, **env):
    """The packages that are loaded when `code` is done, in a fresh interpreter."""
    script = f"import sys\ntry:\n    {code}\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
    script += (
        "sys.stderr.write('loaded ' + ' '.join(m for m in ('numpy', 'PIL', 'matplotlib', 'click') if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        encoding="latin-1",
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
    )
    *_, last = done.stderr.splitlines()
    assert last.startswith("loaded"), done.stderr
    return set(last.split()[1:]), done.stdout


def test_importing_poolcli_loads_nothing():
    packages, _ = loaded("import poolcli; poolcli.__version__")
    assert packages == set()


@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_help_and_version_load_no_numpy_pillow_or_matplotlib(option):
    packages, out = loaded(f"sys.argv[1:] = [{option!r}]; from poolcli.cli import main; main()")
    assert packages == {"click"}
    assert "poolcli" in out


def test_completing_a_command_loads_no_numpy_pillow_or_matplotlib():
    packages, out = loaded(
        "sys.argv[1:] = []; from poolcli.cli import main; main()",
        _POOLCLI_COMPLETE="bash_complete",
        COMP_WORDS="poolcli r",
        COMP_CWORD="1",
    )
    assert packages == {"click"}
    assert out == "plain,run\n"


def test_completing_an_option_loads_no_matplotlib():
    packages, out = loaded(
        "sys.argv[1:] = []; from poolcli.cli import main; main()",
        _POOLCLI_COMPLETE="bash_complete",
        COMP_WORDS="poolcli run --pool ",
        COMP_CWORD="3",
    )
    assert "matplotlib" not in packages
    assert "plain,max" in out.splitlines()


@pytest.mark.promise("A19")
def test_a_run_without_figure_loads_no_matplotlib(tmp_path):
    target = str(tmp_path / "out.png")
    words = ["run", str(ROOT / "sample_images/circle64.png"), "-o", target, "--no-figure", "--kernel", "edge"]
    packages, _ = loaded(f"sys.argv[1:] = {words!r}; from poolcli.cli import main; main()")
    assert os.path.getsize(target)
    assert packages == {"click", "numpy", "PIL"}


def test_a_run_loads_the_kinds_plans_and_readers_that_it_uses(tmp_path):
    words = ["run", str(ROOT / "sample_images/cat.jpg"), "-o", str(tmp_path / "out.png"), "--no-figure"]
    show = "atexit.register(lambda: print(*sorted(m for m in sys.modules if m.startswith('poolcli.'))))"
    _, out = loaded(f"import atexit; {show}; sys.argv[1:] = {words!r}; from poolcli.cli import main; main()")
    modules = {name.removeprefix("poolcli.") for name in out.splitlines()[-1].split()}
    assert {"ops.pools", "images.decode"} <= modules
    unused = {"rank", "rank_network", "rank_method", "deviation", "norms", "stochastic", "missing", "convolution_plan"}
    assert not modules & {f"ops.{name}" for name in unused}
    assert not modules & {f"images.{name}" for name in ("apng", "bmp", "gif", "gif_blocks", "pnm")}


@pytest.mark.promise("A19")
def test_a_run_to_stdout_loads_no_matplotlib():
    words = ["run", str(ROOT / "sample_images/circle64.png"), "-o", "-", "--format", "pgm"]
    packages, out = loaded(f"sys.argv[1:] = {words!r}; from poolcli.cli import main; main()")
    assert out.startswith("P5")
    assert "matplotlib" not in packages


def test_pooling_an_array_loads_no_pillow_click_or_matplotlib():
    packages, _ = loaded("import poolcli; poolcli.pool2d([[1, 2], [3, 4]])")
    assert packages == {"numpy"}


def test_a_run_with_a_png_figure_loads_no_matplotlib(tmp_path):
    target = str(tmp_path / "out.png")
    words = ["run", str(ROOT / "sample_images/circle64.png"), "-o", target, "--kernel", "edge"]
    words += ["--figure", str(tmp_path / "figure.png")]
    packages, _ = loaded(f"sys.argv[1:] = {words!r}; from poolcli.cli import main; main()")
    assert os.path.getsize(tmp_path / "figure.png")
    assert packages == {"click", "numpy", "PIL"}
