"""`batch --dask`: the files of a local run, whatever happens to workers, scheduler and client; a cluster left clean."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from batches import OWN, done, fill, lines, parts, pgm, tree, until
from PIL import Image

pytest.importorskip("distributed")

from dask_clusters import TestCluster

from poolcli import __version__
from poolcli.batch import dask_backend, dask_cluster

ROOT = Path(__file__).parents[2]
COUNT = 12


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    cluster = TestCluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(processes, here):
    """A scheduler and two workers; pictures in `in`, and what a local run makes of them in `local`."""
    processes.ready()
    yield processes
    for pid in processes.held():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def pooled(cluster, cli):
    """Run a batch of `in` on the cluster and return it; the results are those of a local run."""

    def call(*args, code=0, equal=True):
        result = cli("batch", "in", "-o", "out", "--no-figure", "--dask", cluster.address, *args)
        assert result.exit_code == code, result.stderr
        if equal:
            assert cli("batch", "in", "-o", "local", "--no-figure", "--jobs", "0", *args).exit_code == code
            assert tree("out") == tree("local")
        assert parts("out") == []
        return result

    return call


def test_the_files_of_a_local_run_and_a_clean_cluster(cluster, cli, pooled):
    fill("in", COUNT)
    odd = os.fsdecode(b"in/caf\xe9 \n.pgm")
    Path(odd).write_bytes(pgm(99))
    Path("in/bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    result = pooled(code=1)
    assert re.search(
        rf"^in/bad.png: .*\n{COUNT + 1} done, 0 skipped as done before, 1 failed", result.stderr, re.MULTILINE
    )
    assert cluster.left() == (0, 0)
    assert sorted(os.listdir(f"out/{OWN}")) == sorted(os.listdir(f"local/{OWN}"))
    keys = ("result", "source", "size", "mtime_ns", "number", "recipe", "status", "error", "bytes", "stages")
    ours, locals_ = ({line["result"]: [line.get(key) for key in keys] for line in lines(f)} for f in ("out", "local"))
    assert ours == locals_
    Path("in/bad.png").unlink()
    nowhere = cli("batch", "in", "-o", "out", "--no-figure", "--dask", "tcp://127.0.0.1:9")
    assert nowhere.exit_code == 0, "nothing is to be done, so no cluster is needed"


def test_figures_and_a_sheet_are_drawn_by_the_workers(cluster, cli):
    fill("in", 3)
    for output, where in (("out", ("--dask", cluster.address)), ("local", ("--jobs", "0"))):
        result = cli("batch", "in", "-o", output, "--sheet", f"{output}.png", *where)
        assert result.exit_code == 0, result.stderr
    assert tree("out") == tree("local")
    assert sorted(tree("out"))[:2] == ["p0000.figure.png", "p0000.pooled.png"]
    again = cli("batch", "in", "-o", "out", "--sheet", "out.png", "--dask", cluster.address)
    assert "3 skipped" in again.stderr
    assert cluster.left() == (0, 0)


def test_a_worker_that_dies_with_results_written_and_not_reported(cluster, pooled):
    fill("in", COUNT)
    (cluster.hooks / "die").touch()
    result = pooled()
    assert not (cluster.hooks / "die").exists()
    assert f"{COUNT} done, 0 skipped as done before, 0 failed" in result.stderr
    assert sorted(done("out")) == sorted(tree("out")), "each is noted once"


@pytest.mark.parametrize("name", ["killer.pgm", "p0003-killer.pgm", "p0007-killer.pgm"])
def test_a_picture_that_kills_three_workers_has_failed_and_no_other(cluster, pooled, name):
    """Also where the worker dies before it has sent the answer to the picture before."""
    fill("in", COUNT)
    Path("in", name).write_bytes(pgm(1))
    result = pooled(code=1, equal=False)
    assert re.search(rf"^in/{name}: 3 Dask workers died .*\n{COUNT} done, .* 1 failed", result.stderr, re.MULTILINE)
    assert cluster.deaths() == 3
    assert cluster.left() == (0, 0)


@pytest.fixture
def pause(cluster, monkeypatch):
    """Let a process be paused once a worker is at work: that worker, or the one whose number is given."""
    connect = dask_cluster.Cluster.connect

    async def connected(self):
        await connect(self)
        monkeypatch.setattr(dask_cluster, "SILENT_SECONDS", 3.0)  # then: a busy machine may need longer to connect

    monkeypatch.setattr(dask_cluster.Cluster, "connect", connected)
    (cluster.hooks / "hold").touch()
    stoppers = []

    def call(*pid):
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
        stoppers.append(subprocess.Popen([sys.executable, "-c", STOPPER, cluster.hooks, *pid], env=environment))

    yield call
    for stopper in stoppers:
        stopper.kill()
        stopper.wait()
    os.kill(int((cluster.hooks / "stopped").read_text()), signal.SIGCONT)


STOPPER = """
import os, pathlib, signal, sys, time
hooks = pathlib.Path(sys.argv[1])
while not (held := list(hooks.glob("pid-*"))):
    time.sleep(0.005)
pid = int((sys.argv[2:] or [held[0].name[4:]])[0])
os.kill(pid, signal.SIGSTOP)
(hooks / "stopped").write_text(str(pid))
(hooks / "hold").unlink()
"""


def test_a_paused_worker_is_given_up(cluster, pooled, pause):
    fill("in", 2)
    pause()
    assert "2 done, 0 skipped as done before, 0 failed" in pooled().stderr
    assert cluster.left() == (0, 0)


def test_a_paused_scheduler_ends_the_run(cluster, cli, pause):
    fill("in", COUNT)
    pause(str(cluster.scheduler))
    result = cli("batch", "in", "-o", "out", "--no-figure", "--dask", cluster.address)
    assert result.exit_code == 1
    assert f"the connection to the Dask scheduler at {cluster.address} was lost; see whether it runs" in result.stderr
    assert f"{COUNT} left, the same command continues with them" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_takes_everything_back_and_the_same_command_goes_on(cluster, start, pooled, number):
    fill("in", COUNT)
    (cluster.hooks / "hold").touch()
    process = start("batch", "in", "-o", "out", "--no-figure", "--dask", cluster.address)
    until(lambda: len(cluster.held()) == 2, 60)
    process.send_signal(number)
    stderr = process.communicate(timeout=30)[1].decode()
    assert process.returncode == 128 + number, stderr
    assert f"stopped: interrupted; {COUNT} left, the same command continues with them" in stderr
    assert "Traceback" not in stderr
    assert cluster.left() == (0, 0)
    (cluster.hooks / "hold").unlink()
    assert f"{COUNT} done" in pooled().stderr


def test_a_client_that_is_killed_is_finished_by_the_same_command(cluster, start, pooled):
    fill("in", COUNT)
    (cluster.hooks / "hold").touch()
    process = start("batch", "in", "-o", "out", "--no-figure", "--dask", cluster.address)
    until(lambda: len(cluster.held()) == 2, 60)
    process.kill()
    process.communicate(timeout=30)
    (cluster.hooks / "hold").unlink()
    until(lambda: cluster.left() == (0, 0))
    assert f"{COUNT} done" in pooled().stderr


@pytest.fixture
def store():
    """An object store with `in`, a function that tells what is below `out`, and options with which all processes reach it."""
    object_store, boto3 = pytest.importorskip("object_store"), pytest.importorskip("boto3")
    server = object_store.ObjectStore()
    keys = {"aws_access_key_id": object_store.KEY_ID, "aws_secret_access_key": object_store.SECRET}
    client = boto3.client("s3", endpoint_url=server.url, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="bucket")
    for path in fill("in", COUNT).iterdir():
        client.put_object(Bucket="bucket", Key=f"in/{path.name}", Body=path.read_bytes())

    def made():
        found = client.list_objects_v2(Bucket="bucket", Prefix="out/")["Contents"]
        bodies = {one["Key"]: client.get_object(Bucket="bucket", Key=one["Key"])["Body"].read() for one in found}
        return {key.removeprefix("out/"): body for key, body in bodies.items()}

    settings = (f"key={object_store.KEY_ID}", f"secret={object_store.SECRET}", f"endpoint_url={server.url}")
    yield [word for one in settings for word in ("--storage-option", one)], made
    client.close()
    server.close()


@pytest.mark.filterwarnings("default")  # those of the server and of S3's clients are not ours
def test_on_an_object_store_the_client_and_a_worker_are_killed(cluster, store, start, cli):
    settings, made = store
    command = ("batch", "s3://bucket/in/", "-o", "s3://bucket/out", "--no-figure", "--dask", cluster.address, *settings)
    (cluster.hooks / "hold").touch()
    process = start(*command)
    until(lambda: len(cluster.held()) == 2, 60)
    process.kill()
    process.communicate(timeout=30)
    (cluster.hooks / "die").touch()
    (cluster.hooks / "hold").unlink()
    result = cli(*command)
    assert result.exit_code == 0, result.stderr
    assert "taken over from process" in result.stderr
    assert "0 failed" in result.stderr
    assert not (cluster.hooks / "die").exists()
    assert cli("batch", "in", "-o", "local", "--no-figure", "--jobs", "0").exit_code == 0
    found = made()
    assert {name: data for name, data in found.items() if not name.startswith(OWN)} == tree("local")
    assert {Path(name).suffix for name in found if name.startswith(OWN)} == {".jsonl"}
    assert cluster.left() == (0, 0)


def test_a_worker_with_another_version_is_refused(cluster, cli, monkeypatch):
    fill("in", 1)
    monkeypatch.setattr(dask_cluster, "__version__", "9.9.9")
    result = cli("batch", "in", "-o", "out", "--dask", cluster.address)
    assert result.exit_code == 1
    assert f"has poolcli {__version__}, and here is poolcli 9.9.9; install the same version" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not Path("out").exists(), "nothing was begun"


@pytest.mark.parametrize(
    ("gone", "words"), [("marker", "what is written to {}/out here"), ("source", "{}/in/p0000.pgm;")]
)
def test_a_worker_that_does_not_see_the_folders_is_refused(cluster, cli, monkeypatch, gone, words):
    fill("in", 1)
    view_of = dask_backend.DaskBackend._view

    def hidden(self, sources):
        view = view_of(self, sources)
        os.unlink(view.marker if gone == "marker" else view.sources[0][0])
        return view

    monkeypatch.setattr(dask_backend.DaskBackend, "_view", hidden)
    result = cli("batch", "in", "-o", "out", "--dask", cluster.address)
    assert result.exit_code == 1
    assert f" does not see {words.format(os.getcwd())}" in result.stderr
    assert result.stderr.endswith("under the same names as this machine\n")
    assert not Path("out").exists()


def test_jobs_is_how_many_workers_are_used(cluster, pooled):
    fill("in", COUNT)
    pooled("--jobs", "1")
    assert len(list(cluster.hooks.glob("worked-*"))) == 1


def test_fail_fast_stops_at_the_first_failure(cluster, pooled):
    fill("in", 3)
    Path("in/a.png").write_bytes(b"no picture")
    result = pooled("--fail-fast", "--jobs", "1", code=1)
    assert "stopped: at the first failure; 3 left" in result.stderr


def test_a_scheduler_that_dies_ends_the_run_and_loses_nothing(cluster, start, cli):
    fill("in", COUNT)
    (cluster.hooks / "hold").touch()
    process = start("batch", "in", "-o", "out", "--no-figure", "--dask", cluster.address)
    until(lambda: len(cluster.held()) == 2, 60)
    cluster.end_scheduler()
    stderr = process.communicate(timeout=40)[1].decode()
    assert process.returncode == 1, stderr
    assert stderr.splitlines()[-2:] == [
        f"stopped: on an error; {COUNT} left, the same command continues with them",
        f"out: the connection to the Dask scheduler at {cluster.address} was lost; see whether it runs",
    ]
    result = cli("batch", "in", "-o", "out", "--no-figure", "--jobs", "0")
    assert f"{COUNT} done" in result.stderr, "here or there, the journal is the same"


@pytest.fixture
def empty(tmp_path):
    """A scheduler without workers."""
    cluster = TestCluster(tmp_path, workers=0)
    cluster.ready()
    yield cluster
    cluster.close()


def test_a_cluster_without_workers_is_not_waited_for(here, empty, cli, monkeypatch):
    monkeypatch.setattr(dask_cluster, "SILENT_SECONDS", 0.1)
    fill("in", 1)
    result = cli("batch", "in", "-o", "out", "--dask", empty.address)
    assert result.exit_code == 1
    assert result.stderr == (
        f"the Dask scheduler at {empty.address} has had no worker that answers for 0.1 s; "
        f"start some with: dask worker {empty.address} --nthreads 1\n"
    )


def test_where_no_scheduler_answers(here, cli, monkeypatch):
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 0.2)
    fill("in", 1)
    for address in ("127.0.0.1:9", "tcp://127.0.0.1:9", "tcp://nowhere.invalid:8786", "tls://127.0.0.1:9"):
        result = cli("batch", "in", "-o", "out", "--dask", address)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"no Dask scheduler answers at {address}: ")
        assert len(result.stderr.splitlines()) == 1
        assert not Path("out").exists()


@pytest.mark.parametrize(
    "address", ["", "host", "tcp://host", "http://host:80", "tcp://host:x", "tcp://:8786", "host:1 2"]
)
def test_what_is_no_address_is_wrong_usage(here, cli, address):
    fill("in", 1)
    result = cli("batch", "in", "-o", "out", "--dask", address)
    assert result.exit_code == 2
    assert f"--dask {address!r}: write the address that dask scheduler prints" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--timeout", "3"), "--timeout with --dask: a Dask worker cannot be stopped in the middle of a picture"),
        (("--max-memory", "1G"), "--max-memory with --dask: the workers have their own limit"),
        (("--jobs", "0"), "--jobs 0 with --dask"),
    ],
)
def test_what_a_cluster_cannot_keep_is_refused(here, cli, options, words):
    fill("in", 1)
    result = cli("batch", "in", "-o", "out", "--dask", "tcp://127.0.0.1:9", *options)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.parametrize(
    "missing", [None, ModuleNotFoundError("distributed"), ValueError("distributed.__spec__ is None")]
)
def test_without_the_extra_its_name_is_told(here, cli, monkeypatch, missing):
    def find_spec(_):
        if missing:
            raise missing

    monkeypatch.setattr(dask_backend, "find_spec", find_spec)
    fill("in", 1)
    result = cli("batch", "in", "-o", "out", "--dask", "tcp://127.0.0.1:9")
    assert result.exit_code == 2
    assert result.stderr.endswith("--dask needs distributed, which is not installed: pip install 'poolcli[dask]'\n")


@pytest.mark.slow
def test_a_worker_killed_among_576_photographs(cluster, start, cli):
    with Image.open("cat.jpg") as image:
        photograph = image.resize((100, 75))
    Path("in").mkdir()
    for number in range(576):
        photograph.rotate(number % 360).save(f"in/p{number:03}.jpg")
    process = start("batch", "in", "-o", "out", "--no-figure", "--kernel", "edge", "--dask", cluster.address)
    until(lambda: len(done("out")) > 100, 60)
    os.kill(int(next(cluster.hooks.glob("worked-*")).name.partition("-")[2]), signal.SIGKILL)
    stderr = process.communicate(timeout=120)[1].decode()
    assert process.returncode == 0, stderr
    assert stderr.startswith("576 done, 0 skipped as done before, 0 failed")
    assert cli("batch", "in", "-o", "local", "--no-figure", "--kernel", "edge").exit_code == 0
    assert tree("out") == tree("local")
    assert parts("out") == []
    assert cluster.left() == (0, 0)


@pytest.mark.slow
def test_the_memory_of_the_client_is_that_of_a_local_run(cluster, here):
    """Beside the plan, which a local run has as well, nothing grows with the number of files."""
    launch = [sys.executable, str(ROOT / "tests/bench/scripts/launch.py"), sys.executable, "-m", "poolcli", "batch"]
    grown = {}
    for where in (("--dask", cluster.address), ("--jobs", "1")):
        peaks = []
        for count in (1000, 10000):
            folder, output = fill(f"in{count}", count), f"out{count}{where[0]}"
            command = [*launch, str(folder), "-o", output, "--no-figure", "-q", *where]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            found = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
            peaks.append(float(found.stdout.split()[1]))
        grown[where[0]] = peaks[1] - peaks[0]
    assert tree("out10000--dask") == tree("out10000--jobs")
    assert grown["--dask"] < grown["--jobs"] + 10, "MB"
