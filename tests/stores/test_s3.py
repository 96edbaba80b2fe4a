"""The S3 of the tests, asked by the clients that production uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import obstore
import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from obstore.exceptions import AlreadyExistsError, GenericError, PermissionDeniedError, PreconditionError
from obstore.store import from_url

from tests.stores.s3 import Fault, Key, S3Store, s3_store


@pytest.fixture
def store() -> Iterator[S3Store]:
    with s3_store({"anna": Key("anna-secret", {"one"}), "bert": Key("bert-secret", {"two"})}) as started:
        yield started


def client(store: S3Store, key: str, url: str, *, retries: int = 3, **more: str) -> Any:
    config: Any = {**store.options(key), **more}
    # obstore wants it among the options of its HTTP client, deltalake among all others.
    del config["AWS_ALLOW_HTTP"]
    client_options: Any = {"allow_http": True}
    return from_url(url, config=config, client_options=client_options, retry_config={"max_retries": retries})


def test_objects_conditions_ranges_and_listings(store: S3Store) -> None:
    one = client(store, "anna", "s3://one/some folder")
    first = obstore.put(one, "a/b c.txt", b"hello", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(one, "a/b c.txt", b"other", mode="create")
    obstore.put(one, "a/b c.txt", b"newer", mode={"e_tag": first["e_tag"]})
    with pytest.raises(PreconditionError):
        obstore.put(one, "a/b c.txt", b"newest", mode={"e_tag": first["e_tag"]})
    assert bytes(obstore.get_range(one, "a/b c.txt", start=1, end=3)) == b"ew"
    for n in range(5):
        obstore.put(one, f"many/{n}", b"x")
    assert sorted(m["path"] for page in obstore.list(one) for m in page) == [
        "a/b c.txt", *(f"many/{n}" for n in range(5))
    ]  # fmt: skip
    obstore.delete(one, [f"many/{n}" for n in range(5)])
    assert list(store.objects) == ["one/some folder/a/b c.txt"]


def test_multipart_and_checksums(store: S3Store) -> None:
    one = client(store, "anna", "s3://one", aws_checksum_algorithm="SHA256")
    data = os.urandom(12 << 20)
    obstore.put(one, "large", data, chunk_size=5 << 20)
    assert store.objects["one/large"].data == data
    assert store.objects["one/large"].etag.endswith('-3"')


def test_a_key_opens_its_own_buckets_and_needs_its_secret(store: S3Store) -> None:
    with pytest.raises(PermissionDeniedError):
        obstore.put(client(store, "bert", "s3://one"), "a", b"x")
    wrong = client(store, "anna", "s3://one", AWS_SECRET_ACCESS_KEY="guessed")
    with pytest.raises(PermissionDeniedError):
        obstore.put(wrong, "a", b"x")
    assert store.objects == {}
    assert {key for _, _, key in store.seen} == {"anna", "bert"}


def test_faults_pass(store: S3Store) -> None:
    store.faults.append(Fault("SlowDown", times=2))
    one = client(store, "anna", "s3://one")
    obstore.put(one, "a", b"x")
    assert store.calls["PUT"] == 3
    store.faults.append(Fault("InternalError", times=20))
    with pytest.raises(GenericError):
        obstore.put(client(store, "anna", "s3://one", retries=1), "b", b"x")


def test_delta_tables_live_on_it(store: S3Store) -> None:
    options = store.options("bert")
    for n in range(3):
        write_deltalake("s3://two/lake/t", pl.DataFrame({"n": [n]}), mode="append", storage_options=options)
    table = DeltaTable("s3://two/lake/t", storage_options=options)
    assert sorted(pl.scan_delta(table).collect()["n"]) == [0, 1, 2]
    assert table.version() == 2
    table.optimize.compact()
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert sorted(pl.read_delta("s3://two/lake/t", storage_options=options)["n"]) == [0, 1, 2]
