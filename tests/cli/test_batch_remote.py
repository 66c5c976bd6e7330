"""`poolcli batch` on an object store: the same results, few requests, nothing lost whatever the store answers."""

import functools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest
from batches import OWN, fill, pgm, reap, tree, until

from poolcli.batch import lease as lease_module
from poolcli.batch import remote_journal

pytest.importorskip("s3fs")
object_store = pytest.importorskip("object_store")
boto3 = pytest.importorskip("boto3")
loaders = pytest.importorskip("botocore.loaders")
BUCKET, SECRET = object_store.BUCKET, object_store.SECRET
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.filterwarnings("default")  # those of the server and of S3's clients are not ours

QUICK = (
    "--storage-option",
    'config_kwargs={"retries": {"total_max_attempts": 1}, "read_timeout": 0.3, "connect_timeout": 1}',
)
"""Give up at the first answer that is none."""
PLAIN = ("--jobs", "0", "--no-figure")


@pytest.fixture(scope="module")
def server():
    one = object_store.ObjectStore()
    load = functools.cache(loaders.JSONFileLoader().load_file)  # else each batch parses the same megabytes again
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loaders.JSONFileLoader, "load_file", lambda _, path: load(path))
        yield one
    one.close()


@pytest.fixture
def store(server, monkeypatch):
    """The server with an empty bucket, and the environment to reach it."""
    server.fault = None
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    server.client = client
    server.requests.clear()
    yield server
    server.fault = None
    found = client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    if found:
        client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": one["Key"]} for one in found]})
    client.delete_bucket(Bucket=BUCKET)
    client.close()


def put(store, objects, **options):
    for key, data in objects.items():
        store.client.put_object(Bucket=BUCKET, Key=key, Body=data, **options)
    store.requests.clear()


def objects(store, below=""):
    """What is in the bucket, without journals: key -> bytes."""
    found = store.client.list_objects_v2(Bucket=BUCKET, Prefix=below).get("Contents", [])
    keys = [one["Key"] for one in found if f"{OWN}/" not in one["Key"]]
    return {key.removeprefix(below): store.client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def own(store, folder="out"):
    """The objects of a journal: names -> bytes."""
    found = store.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{folder}/{OWN}/").get("Contents", [])
    keys = [one["Key"] for one in found]
    return {key.rpartition("/")[2]: store.client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


PICTURES = {f"in/p{n}.pgm": pgm(n) for n in range(4)} | {"in/sub/q.pgm": pgm(9), "in/notes.txt": b"no picture"}


def batch(cli, *args, code=0):
    result = cli("batch", *args)
    assert result.exit_code == code, result.stderr
    return result


def test_the_tree_is_that_of_a_local_run_whatever_is_remote(cli, here, store):
    fill("in", 1)
    (here / "in/sub").mkdir()
    (here / "in/sub/q.pgm").write_bytes(pgm(9))
    put(store, {f"in/{name}": data for name, data in tree("in").items()})
    batch(cli, "in", "-o", "local", "-r", "--jobs", "0")
    url = f"s3://{BUCKET}"
    batch(cli, f"{url}/in/", "-o", f"{url}/both", "-r", "--jobs", "0")
    batch(cli, f"{url}/in", "-o", "from", "-r", "--jobs", "0")
    batch(cli, "in", "-o", f"s3a://{BUCKET}/to/", "-r", "--jobs", "0")
    batch(cli, f"file://{here}/in", "-o", f"file://{here}/file", "-r", "--jobs", "0")
    expected = tree("local")
    assert len(expected) == 4
    assert objects(store, "both/") == objects(store, "to/") == tree("from") == tree("file") == expected


def test_one_request_for_a_picture_and_one_for_a_result(cli, store):
    put(store, PICTURES)
    result = batch(cli, f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", "-r", *PLAIN, "--report", "-")
    assert result.stdout.count("done") == 5
    seen = Counter((method, path) for method, path in store.requests if OWN not in path and method != "LIST")
    assert {method: n for method, n in seen.items() if n > 1} == {}
    assert Counter(method for method, _ in seen) == {"GET": 5, "PUT": 5}
    assert store.count("LIST", without=OWN) == 2, "the pictures and the results"
    assert sum(OWN in path for _, path in store.requests) < 16, "the lease and the journal, whatever the number"
    store.requests.clear()
    assert "0 done, 5 skipped" in batch(cli, f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", "-r", *PLAIN).stderr
    assert {path for method, path in store.requests if method == "GET" and "/in/" in path} == set()
    assert f"{OWN}/lease" not in str(own(store)), "released"
    assert "lease" not in own(store)


def test_many_named_objects_cost_one_listing(cli, store, here):
    put(store, PICTURES)
    (here / "names").write_text("".join(f"s3://{BUCKET}/in/p{n}.pgm\n" for n in range(4)))
    batch(cli, "--files-from", "names", "-o", "out", *PLAIN)
    assert sorted(tree("out")) == [f"p{n}.pooled.png" for n in range(4)]
    assert store.count("HEAD", "in/p") == 0
    assert store.count("GET", "in/p") == 4


def test_what_changed_is_done_again_and_what_is_gone_is_pruned(cli, store):
    put(store, PICTURES)
    command = (f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN)
    batch(cli, *command)
    put(store, {"in/p1.pgm": pgm(100)})  # of the same size, within the same second
    store.client.delete_object(Bucket=BUCKET, Key="in/p2.pgm")
    before = objects(store, "out/")
    assert "1 done, 2 skipped" in batch(cli, *command).stderr
    after = objects(store, "out/")
    assert {name for name in after if after[name] != before[name]} == {"p1.pooled.png"}
    assert "1 files removed" in batch(cli, *command, "--prune").stderr
    assert sorted(objects(store, "out/")) == ["p0.pooled.png", "p1.pooled.png", "p3.pooled.png"]


def test_results_are_no_input_and_others_objects_are_not_replaced(cli, store):
    put(store, {"in/a.pgm": pgm(1), "in/made/a.pooled.png": b"another's"})
    command = (f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/in/made", "-r", *PLAIN)
    result = batch(cli, *command, code=1)
    assert f"s3://{BUCKET}/in/made/a.pooled.png exists already" in result.stderr
    assert objects(store, "in/made/") == {"a.pooled.png": b"another's"}
    batch(cli, *command, "--force")
    assert objects(store, "in/made/")["a.pooled.png"].startswith(b"\x89PNG")
    assert "1 made by poolcli" in batch(cli, f"s3://{BUCKET}/in/made/", "-o", "out", *PLAIN, code=1).stderr


def test_an_object_may_have_the_name_of_a_folder(cli, store):
    put(store, {"in/a.pgm": pgm(1), "in/a.pgm/b.pgm": pgm(2), "in/a.pgm/c/d.pgm": pgm(3)})
    batch(cli, f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", "-r", *PLAIN)
    assert sorted(objects(store, "out/")) == ["a.pgm/b.pooled.png", "a.pgm/c/d.pooled.png", "a.pooled.png"]
    batch(cli, f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/flat", *PLAIN)
    assert sorted(objects(store, "flat/")) == ["a.pooled.png"]
    batch(cli, f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/in/a.pgm", *PLAIN)
    assert "a.pooled.png" in objects(store, "in/a.pgm/")


def test_keys_that_are_no_paths_are_left_out(cli, store, here):
    put(store, {"in/a.pgm": pgm(1), "in//b.pgm": pgm(2), "in/x/../../c.pgm": pgm(3), "in/d/": b"", "in/.h.pgm": pgm(4)})
    result = batch(cli, f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", "-r", *PLAIN)
    assert "left out: 1 hidden, 2 names that are no paths" in result.stderr
    assert sorted(objects(store, "out/")) == ["a.pooled.png"]


def test_a_report_in_the_bucket_is_not_taken_for_a_local_file_that_is_read(cli, here, store):
    fill("in", 1)
    (here / "k.csv").write_text("1,1\n1,1\n")
    command = ("in", "-o", f"s3://{BUCKET}/out", *PLAIN, "--kernel", "k.csv", "--report", f"s3://{BUCKET}/out/k.csv")
    for said in ("1 done", "1 skipped"):
        assert said in batch(cli, *command).stderr
    assert not [one for one in store.requests if "/out/" not in str(one) and "k.csv" in str(one)], "nothing asks for it"


def test_report_and_sheet_may_be_in_the_bucket(cli, store):
    put(store, PICTURES)
    outputs = ("--report", f"s3://{BUCKET}/out/r.csv", "--sheet", f"s3://{BUCKET}/sheet.png")
    command = (f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN, *outputs)
    batch(cli, *command)
    batch(cli, *command)
    found = objects(store)
    assert found["out/r.csv"].count(b"skipped") == 4
    assert found["sheet.png"].startswith(b"\x89PNG")
    put(store, {"theirs.csv": b"theirs"})
    batch(cli, *command[:-3], f"s3://{BUCKET}/theirs.csv", *command[-2:], code=1)
    assert objects(store)["theirs.csv"] == b"theirs"


def test_a_plan_writes_nothing(cli, store):
    put(store, PICTURES)
    result = batch(cli, f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", "--dry-run")
    assert f"s3://{BUCKET}/in/p0.pgm 12x16 -> s3://{BUCKET}/out/p0.pooled.png 6x8" in result.stdout
    assert {method for method, _ in store.requests} <= {"LIST", "GET", "HEAD"}


def killed(store, start, *more):
    """Start a batch and kill it while its third result is on its way."""
    held, seen = Event(), []

    def fault(method, path):
        if method == "PUT" and path.startswith(f"/{BUCKET}/out/p"):
            seen.append(path)
            if len(seen) >= 3:
                return held
        return None

    store.fault = fault
    process = start("batch", f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *more)
    until(lambda: len(seen) >= 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    store.fault = lambda method, path: "cut" if path in seen[2:] else None
    held.set()
    store.fault = None
    reap(process)


def test_killed_in_mid_run_and_finished_by_the_same_command(cli, store, start):
    put(store, {f"in/p{n}.pgm": pgm(n) for n in range(6)})
    batch(cli, f"s3://{BUCKET}/in/", "-o", "whole", *PLAIN)
    killed(store, start, "--no-figure", "--jobs", "2")
    assert "lease" in own(store)
    assert any(name.endswith(".begun") for name in own(store))
    result = batch(cli, f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN)
    assert "taken over from process" in result.stderr
    assert "0 failed" in result.stderr
    assert objects(store, "out/") == tree("whole")
    assert not any(name.endswith(".begun") or name == "lease" for name in own(store))


def another_machines_lease(store, age):
    said = {"run": "other", "machine": "elsewhere", "host": "node7", "process": 42, "begun": "", "time": 0}
    put(store, {f"out/{OWN}/lease": json.dumps(said).encode()})
    return age


def test_a_folder_that_another_run_holds_is_refused(cli, store):
    put(store, PICTURES)
    another_machines_lease(store, 0)
    for more in ((), ("--force",)):
        result = batch(cli, f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN, *more, code=1)
        assert "in use by another run: process 42 on node7 holds" in result.stderr
        assert result.stderr.count("\n") == 1
    assert objects(store, "out/") == {}
    assert list(own(store)) == ["lease"]


def test_a_stale_lease_is_told_and_taken_over_with_force(cli, store, monkeypatch):
    put(store, PICTURES)
    another_machines_lease(store, 0)
    monkeypatch.setattr(lease_module, "LEASE_SECONDS", -1.0)
    command = (f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN)
    for more in ((), ("--wait",)):
        result = batch(cli, *command, *more, code=1)
        assert "process 42 on node7 holds it, and has not renewed it" in result.stderr
        assert "--force" in result.stderr
    result = batch(cli, *command, "--force")
    assert "lease: taken over: process 42 on node7" in result.stderr
    assert len(objects(store, "out/")) == 4


def test_wait_waits_for_the_end_of_the_other_run(cli, store, monkeypatch):
    put(store, PICTURES)
    another_machines_lease(store, 0)
    looks = []
    monkeypatch.setattr(lease_module, "LOOK_SECONDS", 0.01)

    def fault(method, path):
        looks.append(method)
        if len(looks) == 12:
            store.fault = None
            store.client.delete_object(Bucket=BUCKET, Key=f"out/{OWN}/lease")

    store.fault = fault
    result = batch(cli, f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN, "--wait")
    assert result.stderr.count("waiting for its end") == 1
    assert len(objects(store, "out/")) == 4


def test_a_clock_that_is_ahead_takes_no_lease_from_a_run_at_work(cli, store, monkeypatch):
    put(store, PICTURES)
    another_machines_lease(store, 0)
    clock = SimpleNamespace(time=lambda: time.time() + 7200, monotonic=time.monotonic, sleep=time.sleep)
    monkeypatch.setattr(lease_module, "time", clock)
    result = batch(cli, f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN, "--force", code=1)
    assert "in use by another run: process 42 on node7 holds" in result.stderr
    assert list(own(store)) == ["lease"]


def test_what_killed_runs_left_beside_the_journal_is_removed(cli, store):
    put(store, PICTURES | {f"out/{OWN}/.workers.0123.poolcli.part": b"left"})
    batch(cli, f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN)
    assert all(name.endswith(".jsonl") for name in own(store))


def test_a_run_whose_lease_was_taken_stops(cli, store, monkeypatch):
    put(store, {f"in/p{n}.pgm": pgm(n) for n in range(6)})
    monkeypatch.setattr(lease_module, "RENEW_SECONDS", 0.01)
    said = json.dumps({"run": "other"}).encode()

    def fault(method, path):
        if method == "GET" and path.endswith("p2.pgm"):
            store.client.put_object(Bucket=BUCKET, Key=f"out/{OWN}/lease", Body=said)
            until(lambda: not any(thread.name == "lease" for thread in threading.enumerate()))

    store.fault = fault
    result = batch(cli, f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN, code=1)
    assert "another run has taken the folder over; this one stops" in result.stderr
    assert own(store)["lease"] == said, "it is the other's"


def test_a_store_that_refuses_now_and_then_costs_nothing(cli, store):
    put(store, PICTURES)
    seen = Counter()
    first = {"p1.pgm": 500, "p2.pooled.png": 503, ".jsonl": 503, "lease": 500}

    def fault(method, path):
        seen[method, path] += 1
        refused = next((status for end, status in first.items() if path.endswith(end)), None)
        return refused if seen[method, path] == 1 else None

    store.fault = fault
    batch(cli, f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN)
    assert len(objects(store, "out/")) == 4


@pytest.mark.parametrize(
    ("fault", "where", "words"),
    [
        (500, "p2.pgm", "the store answers 500, again and again (We encountered an internal error.); try later"),
        (503, "p2.pooled.png", "the store answers 503, again and again (Please reduce your request rate.); try later"),
        (0.5, "p2.pgm", "the store cannot be reached (Read timeout"),
        ("cut", "p2.pooled.png", "the store cannot be reached ("),
    ],
)
def test_a_store_that_goes_away_stops_the_run_and_the_same_command_goes_on(cli, store, fault, where, words):
    put(store, PICTURES)
    broken = []

    def away(method, path):
        if path.endswith(where) or broken:
            broken.append(path)
            return fault
        return None

    store.fault = away
    command = (f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN)
    result = batch(cli, *command, *QUICK, code=1)
    kind = "in" if where.endswith("pgm") else "out"
    assert f"stopped: s3://{BUCKET}/{kind}/{where}: {words}" in result.stderr
    assert "2 left, the same command continues with them" in result.stderr
    assert len(broken) < 10, "it does not go on asking"
    store.fault = None
    result = batch(cli, *command)
    assert len(objects(store, "out/")) == 4
    assert "0 failed" in result.stderr


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("half", "102 bytes were sent, and the listing says 205: it was replaced meanwhile, or the answer was cut off"),
        ("wrong", "what the store sent is damaged (Expected checksum"),
    ],
)
def test_an_answer_that_is_damaged_is_no_picture(cli, store, fault, words):
    put(store, PICTURES, ChecksumAlgorithm="CRC32")
    command = (f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN)
    store.fault = lambda method, path: fault if method == "GET" and path.endswith("p1.pgm") else None
    result = batch(cli, *command, code=1)
    assert f"s3://{BUCKET}/in/p1.pgm: {words}" in result.stderr
    assert sorted(objects(store, "out/")) == ["p0.pooled.png", "p2.pooled.png", "p3.pooled.png"]
    first = []

    def once(method, path):
        if method == "GET" and path.endswith(("p1.pgm", ".jsonl")) and path not in first:
            first.append(path)
            return fault
        return None

    store.fault = once
    assert "1 done, 3 skipped" in batch(cli, *command).stderr
    assert len(first) > 1


def test_a_journal_that_cannot_be_stored_is_told_and_nothing_is_lost(cli, store):
    put(store, PICTURES)
    store.fault = lambda method, path: (
        500 if method == "PUT" and path.endswith(".jsonl") and store.count("PUT", "out/p") >= 4 else None
    )
    command = (f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN)
    result = batch(cli, *command, *QUICK, code=1)
    assert f"s3://{BUCKET}/out/{OWN}/journal/" in result.stderr
    assert "the store answers 500" in result.stderr
    store.fault = None
    assert "4 done" in batch(cli, *command).stderr
    assert len(objects(store, "out/")) == 4


def test_many_segments_are_put_together(cli, store, monkeypatch):
    put(store, {f"in/p{n}.pgm": pgm(n) for n in range(6)})
    command = (f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN)
    monkeypatch.setattr(remote_journal, "FLUSH_SECONDS", 0.0)
    monkeypatch.setattr(remote_journal, "MOST_SEGMENTS", 3)
    batch(cli, *command)
    many = [name for name in own(store) if name.endswith(".jsonl")]
    assert len(many) >= 6
    assert "6 skipped" in batch(cli, *command).stderr
    segments = [name for name in own(store) if name.endswith(".jsonl")]
    assert len(segments) == 1
    assert segments[0] > max(many)
    assert "6 skipped" in batch(cli, *command).stderr


def test_the_commands_of_the_readme_run(cli, store):
    put(store, {"photos/a.pgm": pgm(1), "photos/sub/b.pgm": pgm(2)}, ACL="public-read")
    fill("photos", 1)
    text = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if "s3://" in line]
    assert len(commands) == 3
    for command in commands:
        batch(cli, *shlex.split(command)[2:], "--jobs", "0")
    assert sorted(objects(store, "pooled/")) == [
        "a.figure.png", "a.pooled.png", "sub/b.figure.png", "sub/b.pooled.png"
    ]  # fmt: skip
    assert b"from-here/p0000.pooled.png" in objects(store)["from-here.csv"]


DENIED = "access denied (Access Denied); use credentials that allow it"


@pytest.mark.parametrize(
    ("where", "words", "code"),
    [
        ("lease", f"s3://{BUCKET}/out/{OWN}/lease: {DENIED}", 1),
        ("list", f"s3://{BUCKET}/in/: {DENIED}", 1),
        ("p1.pgm", f"s3://{BUCKET}/in/p1.pgm: {DENIED}", 1),
        ("p1.pooled.png", f"s3://{BUCKET}/in/p1.pgm: s3://{BUCKET}/out/p1.pooled.png: {DENIED}", 1),
    ],
)
def test_access_denied_is_one_line(cli, store, where, words, code):
    put(store, PICTURES)

    def fault(method, path):
        listed = where == "list" and method == "LIST" and path == f"/{BUCKET}/in/"
        return 403 if (method in ("GET", "PUT") and path.endswith(where)) or listed else None

    store.fault = fault
    result = batch(cli, f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN, code=code)
    assert result.stderr.splitlines().count(words) == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("args", "words", "code"),
    [
        (("s3://no-such-bucket/x/", "-o", "out"), "s3://no-such-bucket/x/: the bucket does not exist; create it", 1),
        (("in", "-o", "s3://no-such-bucket/x"), f"s3://no-such-bucket/x/{OWN}/lease: the bucket does not exist; create", 1),
        ((f"s3://{BUCKET}/none/", "-o", "out"), f"s3://{BUCKET}/none/: No such file or directory", 1),
        ((f"s3://{BUCKET}/none.png", "-o", "out"), f"s3://{BUCKET}/none.png: No such file or directory", 1),
        (("memory://a", "-o", "out"), "memory://a: no other process sees this memory; use files or an object store", 2),
        (("in", "-o", "http://127.0.0.1/x"), "http://127.0.0.1/x: http:// is only read: files could be seen there", 2),
        (("nope://a/b", "-o", "out"), "unknown protocol nope://", 2),
        (("zip://a::s3://b/c.zip", "-o", "out"), "chained URLs are not read", 2),
        (("in", "-o", f"simplecache::s3://{BUCKET}/x"), "chained URLs are not read", 2),
        ((f"s3://{BUCKET}/in/a.pgm?versionId=1", "-o", "out"), "versions of an object are not read", 2),
        (("file://", "-o", "out"), "file://: names no file or folder; write file:///PATH", 2),
        (("ftp://127.0.0.1:9/in/", "-o", "out"), "ftp://127.0.0.1:9: the store cannot be reached (Connection refused)", 1),
        (("github://x/y", "-o", "out"), "github:// cannot be used as it is; give what it lacks with --storage-option", 2),
        (("s3://", "-o", "out"), "s3://: names no bucket or host; write s3://BUCKET/FOLDER", 2),
        ((f"s3://{BUCKET}/in", "-o", f"s3://{BUCKET}/in/"), "the folder of the results is an input", 2),
        (("in", "-o", "out", "--storage-option", "anon=true"), "--storage-option without a URL", 2),
        ((f"s3://{BUCKET}/in/", "-o", "out", "--storage-option", "anon"), "KEY=VALUE expected", 2),
        ((f"s3://{BUCKET}/in/", "-o", "out", "--storage-option", "anno=true"), "s3:// cannot be used with these --storage-", 2),
        ((f"s3://{BUCKET}/in/", "-o", "out", "--storage-option", "endpoint_url=x"), "ValueError (Invalid endpoint: x)", 2),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(cli, store, here, args, words, code):
    fill("in", 1)
    put(store, {"in/a.pgm": pgm(1)})
    result = batch(cli, *args, "--jobs", "0", code=code)
    assert sum(words in line for line in result.stderr.splitlines()) == 1
    assert not (here / "out").exists()


def test_no_credentials_and_no_server_are_one_line(cli, store, monkeypatch):
    put(store, PICTURES)
    command = (f"s3://{BUCKET}/in/", "-o", f"s3://{BUCKET}/out", *PLAIN)
    with monkeypatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        result = batch(cli, *command, code=1)
        assert "no credentials (Unable to locate credentials); give them as" in result.stderr
        assert result.stderr.count("\n") == 1
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    result = batch(cli, *command, *QUICK, code=1)
    assert "the store cannot be reached (Could not connect to the endpoint URL" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "args", [("s3://key:SECRET@bucket/in/", "-o", "out"), ("in", "-o", "s3://key:SECRET@bucket/x"),
             ("https://host/a.png?X-Amz-Signature=SECRET", "-o", "out"), ("s3://bucket/a.png?token=SECRET", "-o", "out"),
             ("in", "-o", "out", "--report", "s3://bucket/a.csv?x=1&sig=SECRET")]
)  # fmt: skip
def test_a_url_that_holds_credentials_is_refused_and_not_repeated(cli, store, args):
    fill("in", 1)
    result = batch(cli, *args, code=2)
    assert "holds credentials" in result.stderr
    assert "SECRET" not in result.stderr


@pytest.mark.parametrize("how", ["endpoint_url={}", 'client_kwargs={{"endpoint_url": "{}"}}', ""])
def test_an_address_that_holds_credentials_is_not_repeated(cli, store, monkeypatch, how):
    address = "http://user:SECRET@127.0.0.1:9"
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    options = ("--storage-option", how.format(address)) if how else ()
    anon = ("--storage-option", "anon=true", *QUICK)
    result = batch(cli, f"s3://{BUCKET}/in/", "-o", "out", *anon, *options, code=1)
    assert "the store cannot be reached (Could not connect to the endpoint URL" in result.stderr
    assert "SECRET" not in result.stderr


def test_credentials_given_as_options_are_in_no_journal_report_or_message(store, here, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    put(store, PICTURES | {"in/broken.png": b"\x89PNG broken"})
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    options = ("--storage-option", f"key={object_store.KEY_ID}", "--storage-option", f"secret={SECRET}")
    url, jobs = f"s3://{BUCKET}", ("--jobs", "1", "--no-figure")
    words = ("batch", f"{url}/in/", "-o", f"{url}/out", *jobs, *options, "--json", "-vv", "--report", "r.csv")
    result = subprocess.run(
        [sys.executable, "-m", "poolcli", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    assert json.loads(result.stdout)["counts"] == {"done": 4, "skipped": 0, "failed": 1, "left": 0}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", object_store.KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    written = [result.stdout, result.stderr, (here / "r.csv").read_text(), str(own(store)), str(objects(store, "out/"))]
    for text in written:
        assert SECRET not in text
        assert object_store.KEY_ID not in text


def test_a_missing_extra_names_itself(cli, here, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fsspec.registry", None)
    result = batch(cli, "s3://bucket/in/", "-o", "out", code=2)
    assert "s3:// needs fsspec, which is not installed: pip install 'poolcli[remote]'" in result.stderr
