"""URLs and what a listing tells of objects, without any store."""

import os
import pickle
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from poolcli.batch import listing, process_identity, remote_storage
from poolcli.batch.listing import Listing, status_of
from poolcli.batch.local_storage import LOCAL
from poolcli.batch.storage import FILE, FOLDER, ODD
from poolcli.batch.stores import LOCAL_ONLY, Stores, as_path, stores_for
from poolcli.errors import OptionError

TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("photos/a.png", "photos/a.png"),
        ("C:\\photos", "C:\\photos"),
        ("file:///photos/a b.png", "/photos/a b.png"),
        ("local:///photos", "/photos"),
        ("file://localhost/photos", "/photos"),
        ("s3://bucket/a?b=c#d::e", "s3://bucket/a?b=c#d::e"),
        ("a::b", "a::b"),
        ("S3://bucket/A", "s3://bucket/A"),
        ("s3a://bucket/a", "s3://bucket/a"),
        ("gcs://bucket/a?b@c", "gs://bucket/a?b@c"),
        ("s3://bucket", "s3://bucket"),
    ],
)
def test_names_as_the_program_uses_them(name, path):
    assert as_path(name) == path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("s3://id:SECRET@bucket/a", "s3://…@bucket/…: holds credentials"),
        ("ftp://SECRET@host", "ftp://…@host…: holds credentials"),
        ("http://host/a.png?token=SECRET", "http://host/a.png?…: holds credentials"),
        ("s3://bucket/a.png?X-Amz-Security-Token=SECRET", "s3://bucket/a.png?…: holds credentials"),
        ("az://container/a.png?sv=1&sig=SECRET", "az://container/a.png?…: holds credentials"),
        ("abfs://container@account.dfs.core.windows.net/a", "the account with --storage-option account_name=NAME"),
        ("abfs://user:SECRET@account/a", "az://…@account/…: holds credentials"),
        ("memory://a", "no other process sees this memory"),
        ("zip://a.png::file:///b.zip", "chained URLs are not read"),
        ("simplecache::s3://bucket/a", "chained URLs are not read"),
        ("simplecache::zip://a.png::s3://bucket/a.zip", "chained URLs are not read"),
        ("zip://a.png::/b.zip", "chained URLs are not read"),
        ("s3://bucket/a.png?versionId=x", "versions of an object are not read"),
        ("file:///", "names no file or folder"),
        ("s3:///a", "names no bucket or host"),
    ],
)
def test_urls_that_are_refused(name, words):
    with pytest.raises(OptionError, match=re.escape(words)) as caught:
        as_path(name)
    assert "SECRET" not in str(caught.value)


def test_local_names_have_the_local_storage_and_load_nothing():
    stores = stores_for(["a", "/b"], ())
    assert stores is LOCAL_ONLY
    assert stores.of("s3://looks/like/one") is LOCAL
    code = (
        "import sys, poolcli.cli.batch, poolcli.batch.worker as w; w.LOCAL_ONLY.of('a').status('a');"
        "sys.exit(any(name in sys.modules for name in ('fsspec', 's3fs', 'asyncio')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_options_reach_a_worker_and_no_text():
    stores = Stores(urls=True, options=(("secret", "hidden"),))
    arrived = pickle.loads(pickle.dumps(stores))
    assert arrived == stores
    assert arrived.options == (("secret", "hidden"),)
    assert "hidden" not in repr(stores)


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (["a"], ["x=1"], "without a URL"),
        (["s3://a/b"], ["x"], "KEY=VALUE expected"),
        (["s3://a/b"], ["=x"], "KEY=VALUE expected"),
        (["s3://a/b", "gs://c/d"], ["x=1"], "URLs of gs and s3"),
        (["ftp://a/b", "ftp://c/d"], ["x=1"], "URLs of ftp://a and ftp://c"),
    ],
)
def test_storage_options_that_are_refused(names, options, words):
    with pytest.raises(OptionError, match=words):
        stores_for(names, options)


def test_a_protocol_of_hosts_has_a_file_system_for_each(monkeypatch):
    ftp = pytest.importorskip("fsspec.implementations.ftp").FTPFileSystem
    asked = []

    def listed(fs, path, **_):
        asked.append((fs.host, fs.port, path))
        return {"/in/a b.png": {"name": "/in/a b.png", "size": 7, "type": "file"}}

    monkeypatch.setattr(ftp, "_connect", lambda _: None)
    monkeypatch.setattr(ftp, "__del__", lambda _: None)
    monkeypatch.setattr(ftp, "find", listed)
    names = ["ftp://one:2121/in/", "ftp://two/in/"]
    stores = stores_for(names, ())
    stores.remember(names, recursive=True)
    assert asked == [("one", 2121, "/in"), ("two", 21, "/in")]
    for name in names:
        assert [entry.path for entry in stores.of(name).scan(name)] == [f"{name}a b.png"]
        assert stores.of(name).status(f"{name}a b.png").stamp.size == 7


def objects(*names):
    return [
        (
            f"s3://b/in{name}",
            {"type": "file", "size": 0 if name.endswith("/") else 7, "ETag": name, "LastModified": TIME},
        )
        for name in names
    ]


def test_a_listing_knows_folders_by_what_is_in_them():
    found = Listing("s3://b/in", objects("/a.png", "/x/y/c.png", "/.poolcli/journal/1", "/z/"), None, recursive=True)
    inside = [(one.name, one.kind) for one in found.scan("s3://b/in")]
    assert inside == [("a.png", FILE), ("x", FOLDER), (".poolcli", FOLDER)], "not the mark of an empty folder"
    assert found.status("s3://b/in/x/y").kind == FOLDER
    assert found.status("s3://b/in/x/y/c.png").stamp.size == 7
    assert found.status("s3://b/in/none") is None
    assert found.knows("s3://b/in/x/none")


def test_a_listing_of_one_level_knows_no_more():
    found = Listing("s3://b/in", objects("/a.png"), None, recursive=False)
    assert found.knows("s3://b/in/b.png")
    assert not found.knows("s3://b/in/x/b.png")


def test_keys_that_are_no_paths_are_told_apart():
    names = ("//a", "/x/../../etc", "/./b", "/a.png?versionId=b", "/good")
    found = Listing("s3://b/in", objects(*names), None, recursive=True)
    assert [one.name for one in found.scan("s3://b/in") if one.kind != ODD] == ["good"]
    assert sum(one.kind == ODD for one in found.scan("s3://b/in")) == 4
    file = ("s3://b/in/c.png/", {"type": "file", "size": 7})
    assert [one.kind for one in Listing("s3://b/in", [file], None, recursive=True).scan("s3://b/in")] == [ODD]


def test_an_object_with_the_name_of_a_folder_hides_nothing():
    found = Listing("s3://b/in", objects("/a", "/a/b", "/c/d", "/c"), None, recursive=True)
    inside = [(one.name, one.kind) for one in found.scan("s3://b/in")]
    assert inside == [("a", FILE), ("c", FILE), ("a", FOLDER), ("c", FOLDER)]
    assert found.status("s3://b/in/c").kind == FILE
    assert found.status("s3://b/in/c/d").kind == FILE


def test_an_empty_listing_is_that_of_no_folder():
    assert isinstance(Listing("s3://b/in", [], None, recursive=True).refusal, OSError)
    assert Listing("s3://b", [], None, recursive=True).refusal is None, "an empty bucket is there"


@pytest.mark.parametrize("time", [TIME, TIME.isoformat(), TIME.timestamp(), TIME.replace(tzinfo=None)])
def test_times_of_all_kinds_are_the_same_second(time):
    stamp = status_of("u", {"size": 1, "mtime": time, "etag": "x"}).stamp
    assert stamp.mtime_ns // 10**9 == int(TIME.timestamp())


def test_another_content_within_the_second_is_another_state():
    one, two = (status_of("u", {"size": 1, "LastModified": TIME, "ETag": tag}).stamp for tag in ("a", "b"))
    assert one.mtime_ns != two.mtime_ns
    assert one.file == two.file
    assert status_of("v", {"size": 1, "LastModified": TIME, "ETag": "a"}).stamp.file != one.file


def test_a_process_has_ended_only_where_that_is_known():
    me = process_identity.this_process()
    assert not process_identity.has_ended(me)
    assert process_identity.has_ended(me._replace(begun="another time")) == bool(me.begun)
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
        gone = me._replace(number=child.pid, begun="")
        assert process_identity.has_ended(gone)
        assert not process_identity.has_ended(gone._replace(machine="elsewhere"))
    assert me.number == os.getpid()


def test_what_a_store_tells_of_an_object_is_let_go_when_it_has_been_read(monkeypatch):
    alive, left = [], []

    class Description(dict):
        def __del__(self):
            alive.pop()

    class Store:
        def _strip_protocol(self, path):
            return path.partition("://")[2].rstrip("/")

        def find(self, key, *, detail):
            assert detail
            names = [f"{key}/{i}.png" for i in range(100)]
            alive.extend(names)
            return {name: Description(name=name, size=1, type="file") for name in names}

    def read(url, info):
        left.append(len(alive))
        return status_of(url, info)

    monkeypatch.setattr(remote_storage, "file_system", lambda *_: Store())
    monkeypatch.setattr(listing, "status_of", read)
    storage = remote_storage.RemoteStorage("s3")
    storage.remember(["s3://bucket/in/"], recursive=True)

    assert len(storage.scan("s3://bucket/in")) == 100
    assert left[-1] < 5
    assert alive == []
