from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sinks.lake import Lake
from tests.console.commands import answer, tailrace


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("demo")
    home = folder / "home"
    return home, answer(tailrace("demo", "--sessions", "400", "--home", home, "--json", cwd=folder))


def test_every_event_sent_is_accounted_for(demo: tuple[Path, dict[str, Any]]) -> None:
    _, result = demo
    events = result["events"]
    assert events["consumed"] == result["sent"] > 2_000
    assert events["consumed"] == sum(count for name, count in events.items() if name != "consumed")
    assert events["pending"] == events["late"] == 0
    assert events["duplicate"] > 0
    assert events["dead_letter"] > 0
    assert result["lag"] == 0


def test_the_score_ranks_the_latent_failures(demo: tuple[Path, dict[str, Any]]) -> None:
    home, result = demo
    truth = pl.read_ndjson(home / "truth.jsonl")
    assert truth.height == result["interactions"]
    assert result["auc"] >= 0.85
    assert f"{result['auc']:.3f}" in (home / "report.html").read_text()


def test_the_drop_is_made_of_rows_of_the_lake(demo: tuple[Path, dict[str, Any]]) -> None:
    home, result = demo
    folder = Path(result["drop"]["path"])
    provenance = pl.read_parquet(folder / "provenance.parquet")
    requests = set(Lake(home / "lake").requests().collect()["request_id"])
    assert provenance.height == result["drop"]["preference"] + result["drop"]["unpaired"] > 20
    assert set(provenance["request_ids"].explode()) <= requests


def test_users_and_conversations_are_on_one_side(demo: tuple[Path, dict[str, Any]]) -> None:
    home, result = demo
    rows = Lake(home / "lake").scan("examples").collect()
    assert set(rows["split"]) <= {"train", "validation"}
    for group in ("session_id", "user_key"):
        sides = rows.drop_nulls(group).group_by(group).agg(pl.col("split").n_unique())["split"]
        assert sides.max() == 1
    folder = Path(result["drop"]["path"])
    provenance = pl.read_parquet(folder / "provenance.parquet")
    assert dict(provenance["split"].value_counts().iter_rows()) == dict(
        rows["split"].value_counts().iter_rows()
    )


def test_the_drop_verifies_until_a_byte_changes(demo: tuple[Path, dict[str, Any]]) -> None:
    home, result = demo
    folder = Path(result["drop"]["path"])
    assert answer(tailrace("drops", "verify", folder, "--json", cwd=home))["ok"]
    target = folder / "unpaired/train.parquet"
    original = target.read_bytes()
    target.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    broken = tailrace("drops", "verify", folder, cwd=home)
    target.write_bytes(original)
    assert broken.returncode == 1
    assert broken.stdout.strip() == "unpaired/train.parquet: its bytes changed"


def test_commands_over_the_lake_agree_with_the_demo(demo: tuple[Path, dict[str, Any]]) -> None:
    home, result = demo
    status = answer(tailrace("status", "--home", home, "--json", cwd=home))
    assert status["events"] == result["events"]
    assert status["interactions"] == result["interactions"]
    assert status["watermark"]
    settled = answer(tailrace("settle", "--home", home, "--json", cwd=home))
    assert settled["revised"] == 0
    again = answer(tailrace("drop", "--home", home, "--json", cwd=home))
    assert (again["drop_id"], again["new"]) == (result["drop"]["drop_id"], False)
    (listed,) = answer(tailrace("drops", "list", "--home", home, "--json", cwd=home))
    assert listed["drop_id"] == again["drop_id"]
    shown = answer(tailrace("drops", "show", "latest", "--home", home, "--json", cwd=home))
    assert shown["counts"]["preference"] == again["preference"]
    splits = shown["splits"]
    assert sum(splits[side]["preference"] for side in ("train", "validation")) == again["preference"]
    whole = shown["length_bias"]["all"]
    assert whole["pairs"] == again["preference"]
    line = tailrace("drops", "show", "latest", "--home", home, cwd=home).stdout
    assert f"the chosen side is the longer one in {whole['longer_share']:.1%}" in " ".join(line.split())
    letters = answer(tailrace("dead-letters", "list", "--home", home, "--json", cwd=home))
    assert letters["total"] == status["events"]["dead_letter"] == sum(letters["reasons"].values())


def test_dead_letters_are_exported_byte_for_byte(demo: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    home, _ = demo
    file = tmp_path / "letters.jsonl"
    exported = answer(tailrace("dead-letters", "export", file, "--home", home, "--json", cwd=home))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == exported["exported"]
    assert {line["topic"] for line in lines} <= {
        "llm.requests",
        "user.signals",
        "downstream.outcomes",
        "consent.events",
    }


def test_a_demo_can_be_repeated_but_spares_other_homes(
    demo: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    home, _ = demo
    assert (home / ".tailrace-demo").exists()
    other = tmp_path / "precious"
    other.mkdir()
    (other / "keep.txt").write_text("mine")
    refused = tailrace("demo", "--home", other, cwd=tmp_path)
    assert refused.returncode == 1
    assert "not a demo" in refused.stderr
    assert (other / "keep.txt").read_text() == "mine"


def test_no_secret_and_no_user_id_reaches_what_the_demo_leaves(demo: tuple[Path, dict[str, Any]]) -> None:
    home, _ = demo
    key = (home / "pseudonym.key").read_bytes()
    assert (home / "pseudonym.key").stat().st_mode & 0o077 == 0
    lake = Lake(home / "lake")
    users = lake.requests().select("user_key").drop_nulls().collect()["user_key"]
    assert users.str.contains(r"^[0-9a-f]{32}$").all()
    for file in home.rglob("*"):
        if file.is_file() and file.name != "pseudonym.key":
            assert key not in file.read_bytes(), file
