"""Erasing a person: from tables, history and drops, proven by reading everything that is left."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from contracts.errors import ErasureRefused
from contracts.settings import KafkaSettings, LakeSettings
from contracts.tables import TABLES, frame_schema
from contracts.tables.persons import personal_tables
from curation.erasure.plan import plan
from curation.erasure.work import work_path
from curation.retention.holds import holds, place_hold, release_hold
from sinks.drops.formats import ROW_COLUMNS
from sinks.drops.manifest import read_manifest, verify
from sinks.drops.marks import superseded
from sinks.drops.publish import registry
from sinks.drops.verification import verify_registry
from sinks.judge_journal import FOLDER
from sinks.judgments import store_judgments
from sinks.lake import Lake
from sinks.maintenance_compaction import merge
from sinks.maintenance_layout import Step, day_files
from sinks.openlineage import FILE
from sinks.transactions import append_once
from streams.decoding import Decoder
from tests.curation.dialogues import Events, edited, regenerated, turned_out
from tests.curation.erasure.world import IDENTITY, NOW_US, World, same, subject
from tests.factories import START, consent_event, message, request_event, signal_event, table_rows
from tests.lakes import TOPICS

ANNA, BERT = "anna-0001", "bert-0002"
USER = f"user-{ANNA}"
STAYS = {"lake/erasures", "lake/erased_ids"}


def life(name: str) -> Events:
    """What one person does: everything is named after them."""
    text = f"The capital is Canberra, as everybody who ever met {name} knows."
    events = edited(name, text=text) + turned_out(name, False)
    events += regenerated(f"{name}-again", user_id=f"user-{name}")
    return [*events, ("consent", consent_event(f"consent-{name}", user_id=f"user-{name}"))]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "home")
    for name in (ANNA, BERT, "cleo-0003"):
        made.ingest(life(name))
    return made


def test_nothing_of_the_person_is_left_and_everything_else_is_as_it_was(world: World) -> None:
    before = world.rows()
    done = world.erase(USER)
    assert done.absent
    assert world.traces(ANNA) == []
    key = IDENTITY.user_key(USER)
    assert {"/".join(place.split("/")[:2]) for place in world.traces(key)} == {"lake/erasures"}
    same(before, world.rows(), ANNA)
    assert done.certificate["tables"]["requests"] == {
        "before": 9,
        "removed": 3,
        "altered": 0,
        "after": 6,
        "now": 6,
        "files_removed": 1,
    }


def test_merged_files_old_versions_and_statistics_in_the_log_go_too(world: World) -> None:
    options = LakeSettings()
    for name in personal_tables():
        table = world.lake.table(name)
        table.create_checkpoint()
        for day in day_files(name, table):
            merge(world.lake, Step(day, options.target_file_bytes), options)
    world.ingest(life("dora-0004"))
    for name in personal_tables():
        world.lake.table(name).create_checkpoint()
    assert any("_delta_log" in place for place in world.traces(ANNA)), (
        "the log names nobody: nothing is tested"
    )
    done = world.erase(USER)
    assert done.absent
    assert world.traces(ANNA) == []
    assert sum(done.certificate["logs_rewritten"].values()) > 0
    for name in personal_tables():
        # The log is still whole: it can be loaded without its checkpoints' help, and written to.
        table = DeltaTable(world.lake.uri(name))
        assert table.history(1)
        assert table.version() == world.lake.version(name)


def test_versions_that_never_held_the_person_can_still_be_read(tmp_path: Path) -> None:
    world = World(tmp_path / "home")
    world.ingest(life(BERT))
    version = world.lake.version("requests")
    rows = world.lake.scan("requests", version=version).collect()
    world.ingest(life(ANNA))
    assert world.erase(USER).absent
    assert world.lake.scan("requests", version=version).collect().equals(rows)


def test_a_file_no_version_knows_is_found_and_removed(world: World) -> None:
    table = Path(world.lake.uri("requests"))
    live = next(
        p for p in table.rglob("*.parquet") if f"request-{ANNA}" in set(pl.read_parquet(p)["request_id"])
    )
    stray = table / "date=2026-03-01" / "part-rejected.parquet"
    stray.write_bytes(live.read_bytes())
    assert world.erase(USER).absent
    assert not stray.exists()


def test_what_is_found_nowhere_else_fails_the_proof_and_names_the_place(world: World) -> None:
    notes = world.home / "notes.txt"
    notes.write_text(f"asked about {USER} today")
    done = world.erase(USER)
    assert not done.absent
    assert done.certificate["scan"]["found"] == {"home/notes.txt": {"user_id": 1}}
    notes.unlink()
    assert world.erase(USER).absent


@pytest.mark.parametrize(
    "needle", ["request-anna-0001", "session-anna-0001", "everybody who ever met anna-0001 knows."]
)
def test_the_proof_looks_for_ids_and_words_in_any_column_of_any_file(world: World, needle: str) -> None:
    stray = world.settings.drops_root / "copy.parquet"
    stray.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"a": [1], "b": [[{"deep": [f"so {needle} it was"]}]]}).write_parquet(stray)
    done = world.erase(USER)
    assert not done.absent
    assert list(done.certificate["scan"]["found"]) == ["drops/copy.parquet"]


def test_the_certificate_and_all_that_remains_do_not_hold_the_user_id(world: World) -> None:
    done = world.erase(USER)
    assert USER not in done.file.read_text()
    assert IDENTITY.user_key(USER) not in done.file.read_text()
    assert not work_path(world.home, done.erasure_id).exists()
    row = world.lake.scan("erasures").filter(state="proven").collect().row(0, named=True)
    assert row["user_key"] == IDENTITY.user_key(USER)
    assert USER not in row["certificate"]


def test_a_dry_run_counts_and_changes_nothing(world: World) -> None:
    world.drop()
    before = world.files()
    seen = plan(world.place(), subject(USER))
    assert world.files() == before
    assert seen.tables["requests"] == {"before": 9, "removed": 3, "altered": 0}
    assert [drop.rows for drop in seen.drops] == [2]
    done = world.erase(USER)
    assert {
        name: counts["removed"] for name, counts in done.certificate["tables"].items() if counts["removed"]
    } == {name: counts["removed"] for name, counts in seen.tables.items()}


def test_a_second_run_says_it_is_done_and_proves_it_again(world: World) -> None:
    first = world.erase(USER)
    rows = world.lake.scan("erasures").collect()
    second = world.erase(USER)
    assert (first.again, second.again) == (False, True)
    assert second.absent
    assert second.certificate["proven_again"]["looked_for"]["request_hashes"] == 3
    assert world.lake.scan("erasures").collect().equals(rows)
    # Nothing but hashes is known by now, and they still tell.
    stray = world.settings.drops_root / "copy.parquet"
    pl.DataFrame({"request_id": [f"request-{ANNA}"]}).write_parquet(stray)
    assert not world.erase(USER).absent


def test_rows_restored_from_a_backup_are_taken_out_by_another_run(world: World) -> None:
    rows = world.lake.scan("requests").filter(user_key=IDENTITY.user_key(USER)).collect()
    assert world.erase(USER).absent
    table = world.lake.table("requests")
    from deltalake import write_deltalake

    write_deltalake(table, rows, mode="append", partition_by="date")
    again = world.erase(USER)
    assert (again.again, again.absent) == (False, True)
    assert world.traces(ANNA) == []


def test_by_pseudonym_alone_the_raw_id_is_not_looked_for_and_the_certificate_says_so(world: World) -> None:
    from curation.erasure.place import Subject
    from curation.erasure.run import erase

    done = erase(world.place(), Subject(IDENTITY.user_key(USER)))
    assert done.absent
    assert world.traces(ANNA) == []
    assert done.certificate["looked_for"]["user_id"].startswith("not given")


def test_an_unknown_person_is_erased_too_so_that_nothing_comes_in_later(world: World) -> None:
    before = world.rows()
    assert world.erase("user-nobody-9999").absent
    assert all(rows.equals(world.rows()[name]) for name, rows in before.items())


def test_evidence_of_others_on_the_persons_requests_goes_with_the_request(world: World) -> None:
    other = signal_event(
        "signal-by-bert",
        session_id=f"session-{BERT}",
        user_id=f"user-{BERT}",
        kind="report",
        request_id=f"request-{ANNA}",
        seconds=40,
    )
    world.ingest([("signal", other)])
    world.erase(USER)
    assert "signal-by-bert" not in set(world.lake.scan("signals").collect()["event_id"])
    assert world.traces(ANNA) == []


def test_what_a_person_did_to_somebody_elses_answer_leaves_a_mark_that_settles_it_anew(world: World) -> None:
    from curation.settle import settle

    event = signal_event(
        "signal-of-anna-0001",
        session_id=f"session-{BERT}",
        user_id=USER,
        kind="report",
        request_id=f"request-{BERT}",
        seconds=40,
    )
    world.ingest([("signal", event)])
    settle(world.lake, horizon_us=60_000_000 * 30, now_us=NOW_US)
    reports = pl.col("report_count").filter(pl.col("request_id") == f"request-{BERT}")
    assert world.lake.interactions().select(reports).collect().item() == 1
    assert world.erase(USER).absent
    assert world.traces(ANNA) == []
    settle(world.lake, horizon_us=60_000_000 * 30, now_us=NOW_US)
    assert world.lake.interactions().select(reports).collect().item() == 0


def test_in_a_shared_session_only_what_is_the_persons_or_quotes_them_goes(world: World) -> None:
    def asks(request: str, who: str, seconds: float, history: list[str]) -> tuple[str, dict[str, object]]:
        turns = [{"role": "user", "parts": [{"type": "text", "content": text}]} for text in history]
        event = request_event(request, seconds=seconds, session_id="channel", user_id=f"user-{who}")
        del event["prompt"]
        return (
            "request",
            event | {"input_messages": turns, "response": f"An answer made for {request} alone."},
        )

    first, hers = "Which of the plans would suit a small team?", "Is the basement of anna-0001 wet in spring?"
    last = "And what would that cost us in a year or two?"
    world.ingest(
        [
            asks("before", BERT, 0, [first]),
            ("signal", signal_event("on-before", seconds=5, session_id="channel")),
            asks("hers", ANNA, 60, [first, hers]),
            ("signal", signal_event("on-hers", seconds=65, session_id="channel")),
            asks("quoting", BERT, 120, [first, hers, last]),
            asks("after", BERT, 180, [last]),
            ("signal", signal_event("on-after", seconds=185, session_id="channel")),
        ]
    )
    assert world.erase(USER).absent
    requests = world.lake.scan("requests").filter(session_id="channel").collect()
    signals = world.lake.scan("signals").filter(session_id="channel").collect()
    assert sorted(requests["request_id"]) == ["after", "before"]
    assert sorted(signals["event_id"]) == ["on-after", "on-before"]
    assert world.traces(ANNA) == []


def test_broken_messages_that_name_the_person_go_and_others_stay(world: World) -> None:
    values = [
        b'{"user_id": "user-anna-0001", "occurred_at": 1}',
        b'{"user_id": "user-anna-0001", "request_id": "cut off',
        b'{"user_id":"user-bert-0002", "occurred_at": 1}',
        b"\xff\xfe nothing to read",
        f'{{"session_id": "session-{ANNA}", "kind": 7}}'.encode(),
    ]
    decoder = Decoder(KafkaSettings(), IDENTITY)
    decoder.feed([message(TOPICS["signals"], v, offset=i) for i, v in enumerate(values)], now_us=NOW_US)
    letters = decoder.take().dead_letters
    assert letters.height == len(values)
    append_once(world.lake, "dead_letters", letters, batch_id="letters")
    assert world.erase(USER).absent
    assert world.lake.scan("dead_letters").sort("offset").collect()["value"].to_list() == [
        values[2],
        values[3],
    ]
    assert world.traces(ANNA) == []


def test_every_table_with_rows_of_people_is_cleared(world: World) -> None:
    """Rows in tables no step of the pipeline fills here: found by the register, whatever the table."""
    key = IDENTITY.user_key(USER)
    for name in (
        "annotations",
        "gold_labels",
        "judgments",
        "quarantine",
        "example_sketches",
        "releases",
        "lineage",
    ):
        known = {
            "request_id": f"request-{ANNA}",
            "request_ids": [f"request-{ANNA}"],
            "user_key": key,
            "quarantine_id": "quarantine-of-anna",
            "source_id": f"request-{ANNA}",
            "date": START.date(),
        }
        mine = {c: v for c, v in known.items() if c in frame_schema(name)}
        append_once(world.lake, name, table_rows(name, [mine, {}]), batch_id="planted")
    assert world.erase(USER).absent
    for name in (
        "annotations",
        "gold_labels",
        "judgments",
        "quarantine",
        "example_sketches",
        "releases",
        "lineage",
    ):
        assert world.lake.scan(name).collect().height == 1, name
    assert world.traces(ANNA) == []


def test_ids_of_the_person_leave_the_lists_of_other_peoples_rows(world: World) -> None:
    row = {
        "request_ids": [f"request-{BERT}"],
        "session_id": f"session-{BERT}",
        "example_id": "e1",
        "cluster_request_ids": [f"request-{BERT}", f"request-{ANNA}"],
        "user_key": IDENTITY.user_key(f"user-{BERT}"),
    }
    append_once(world.lake, "examples", table_rows("examples", [row]), batch_id="planted")
    assert world.erase(USER).absent
    assert world.lake.scan("examples").collect()["cluster_request_ids"].to_list() == [
        [f"request-{BERT}", "erased"]
    ]
    assert world.traces(ANNA) == []


def test_a_legal_hold_forbids_it_until_it_is_released(world: World) -> None:
    hold = place_hold(world.lake, "user", IDENTITY.user_key(USER), "a court says so", now=START)
    before = world.rows()
    with pytest.raises(ErasureRefused, match=hold):
        world.erase(USER)
    assert all(rows.equals(world.rows()[name]) for name, rows in before.items())
    assert not work_path(world.home, "x").parent.exists()
    release_hold(world.lake, hold, "the case is over", now=START)
    assert holds(world.lake).is_empty()
    assert world.erase(USER).absent
    assert world.lake.scan("legal_holds").collect().is_empty()


def test_a_successor_without_the_person_takes_the_drops_place(world: World) -> None:
    old = world.drop()
    rows = pl.read_parquet(old.folder / "provenance.parquet")
    append_once(
        world.lake,
        "models",
        table_rows("models", [{"model_id": "tuned-1", "drop_ids": [old.drop_id]}, {"model_id": "tuned-2"}]),
        batch_id="models",
    )
    edge = {"source_kind": "drop", "source_id": old.drop_id, "target_kind": "model", "drop_id": old.drop_id}
    append_once(world.lake, "lineage", table_rows("lineage", [edge]), batch_id="models")
    done = world.erase(USER)
    new_id = done.certificate["drops"][old.drop_id]["successor"]
    assert done.certificate["models"] == ["tuned-1"]
    assert verify_registry(world.lake, world.settings.drops_root).problems == []
    edges = world.lake.scan("lineage").filter(target_kind="model").collect()
    assert edges["drop_id"].to_list() == [old.drop_id]
    assert superseded(world.lake) == {old.drop_id: new_id}
    folder = world.settings.drops_root / new_id
    assert verify(folder) == []
    manifest = read_manifest(folder)
    assert (manifest["supersedes"], manifest["erasure"]["removed"]) == (
        old.drop_id,
        {"preference": 1, "unpaired": 1},
    )
    left = pl.read_parquet(folder / "provenance.parquet")
    mine = rows["request_ids"].list.eval(pl.element().str.contains(ANNA)).list.any()
    assert sorted(left["example_id"]) == sorted(rows.filter(~mine)["example_id"])
    assert manifest["counts"]["preference"] + manifest["counts"]["unpaired"] == left.height
    assert f"It stands in for drop {old.drop_id}" in (folder / "README.md").read_text()
    assert (world.settings.drops_root / "LATEST").read_text().strip() == new_id
    assert registry(world.lake)["drop_id"][0] == new_id
    # What is left of the old drop says where to go.
    assert sorted(path.name for path in old.folder.iterdir()) == ["SHA256SUMS", "manifest.json"]
    assert read_manifest(old.folder)["superseded_by"] == new_id
    examples = world.lake.scan("examples").filter(drop_id=new_id).collect()
    assert sorted(examples["example_id"]) == sorted(left["example_id"])
    # Lineage tells of it as of any build: from the old drop and the tables to the new version of its files.
    told = [json.loads(line) for line in (world.settings.drops_root / FILE).read_text().splitlines()]
    start, complete = (event for event in told if event["job"]["name"] == "erasure.default")
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"]
    version = {(d["name"], d["facets"]["version"]["datasetVersion"]) for d in complete["inputs"]}
    assert ("drops/drop.default/preference/train.parquet", old.drop_id) in version
    assert ("examples", str(world.lake.version("examples") - 1)) in version
    made = {d["name"]: d for d in complete["outputs"]}
    data = [name for name, entry in manifest["files"].items() if "rows" in entry]
    assert set(made) == {f"drops/drop.default/{name}" for name in data}
    output = made["drops/drop.default/provenance.parquet"]
    assert output["facets"]["version"]["datasetVersion"] == new_id
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == left.height
    assert all(check["success"] for check in output["facets"]["dataQualityAssertions"]["assertions"])
    assert world.traces(ANNA) == []


def test_a_drop_of_an_older_version_has_a_successor_too(world: World) -> None:
    old = world.drop()
    path = old.folder / "provenance.parquet"
    whole = pl.read_parquet(path)
    whole.drop(*ROW_COLUMNS, "consent_scope", "consent_as_of", "transforms").write_parquet(path)
    mine = whole["request_ids"].list.eval(pl.element().str.contains(ANNA)).list.any()
    # A row that today's gates would refuse: the user speaks twice.
    pairs = old.folder / "preference" / "train.parquet"
    spoilt, number = whole.filter(~mine, file="preference/train.parquet").select("example_id", "row").row(0)
    twice = (
        pl.when(pl.int_range(pl.len()) == number).then(pl.concat_list("prompt", "prompt")).otherwise("prompt")
    )
    pl.read_parquet(pairs).with_columns(prompt=twice).write_parquet(pairs)
    new_id = world.erase(USER).certificate["drops"][old.drop_id]["successor"]
    folder = world.settings.drops_root / new_id
    assert read_manifest(folder)["erasure"]["unfit"] == {"preference": 1, "unpaired": 0}
    left = pl.read_parquet(folder / "provenance.parquet")
    kept = whole.filter(~mine, pl.col("example_id") != spoilt)
    shared = ["example_id", "consent_scope", "consent_as_of", "transforms"]
    assert_frame_equal(left.select(shared).sort("example_id"), kept.select(shared).sort("example_id"))
    for name in ("examples", "preferences", "example_sketches"):
        assert spoilt not in world.lake.scan(name).filter(drop_id=new_id).collect()["example_id"]
    edges = world.lake.scan("lineage").filter(drop_id=new_id).collect()
    assert spoilt not in [*edges["source_id"], *edges["target_id"]]


def test_a_later_drop_takes_the_successor_for_the_earlier_one(world: World) -> None:
    old = world.drop()
    new_id = world.erase(USER).certificate["drops"][old.drop_id]["successor"]
    world.ingest(
        [
            (kind, event | {"occurred_at": event["occurred_at"] + 86_400_000})
            for kind, event in life("dora-0004")
        ]
    )
    later = world.drop()
    manifest = read_manifest(later.folder)
    assert manifest["earlier_drops"] == [new_id]
    assert later.drop_id not in (old.drop_id, new_id)


def test_the_report_and_the_journals_of_the_judge_lose_the_person(world: World) -> None:
    said = f"The capital is Canberra, as everybody who ever met {ANNA} knows."
    (world.home / "report.html").write_text(f"<p>{said}</p>")
    folder = world.home / FOLDER
    folder.mkdir()
    about = {name: {"request_id": f"request-{name}", "content_hash": f"hash-{name}"} for name in (ANNA, BERT)}
    rows = table_rows("judgments", [about[ANNA] | {"rationale": said}, about[BERT]]).to_dicts()
    (folder / "dead.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, rows)) + b"\n")
    (folder / "odd.jsonl").write_text(f'{{"judge": 1, "why": "{said}"}}\n{{"judge": 1, "why": "fine"}}\n')
    done = world.erase(USER)
    assert done.absent
    assert done.certificate["other_files"] == ["judge/odd.unusable", "report.html"]
    assert (folder / "odd.unusable").read_text() == '{"judge": 1, "why": "fine"}\n'
    assert not (folder / "dead.jsonl").exists()
    assert world.lake.scan("judgments").collect()["content_hash"].to_list() == [f"hash-{BERT}"]
    assert not (world.home / "report.html").exists()


def test_a_judge_that_comes_too_late_stores_the_verdicts_on_others(world: World) -> None:
    assert world.erase(USER).absent
    rows = table_rows("judgments", [{"request_id": f"request-{n}", "content_hash": n} for n in (ANNA, BERT)])
    late = Lake(world.lake.root, hashes=lambda: IDENTITY)
    assert store_judgments(late, rows) == 1
    assert late.scan("judgments").collect()["request_id"].to_list() == [f"request-{BERT}"]


def test_what_killed_builds_left_is_swept(world: World) -> None:
    for name in (".staging-20260101-x", ".texts-abc"):
        folder = world.settings.drops_root / name
        folder.mkdir(parents=True)
        (folder / "texts.txt").write_text(f"request-{ANNA}")
    assert world.erase(USER).absent
    assert world.traces(ANNA) == []


def test_every_table_is_looked_at(world: World) -> None:
    done = world.erase(USER)
    assert set(done.certificate["tables"]) == set(personal_tables()) <= set(TABLES)
