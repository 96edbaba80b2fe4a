"""Real human dialogues through the real topics come out as exactly the human pairs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from sinks.lake import Lake
from tests.console.commands import answer, tailrace
from tests.drop_files import read_rows

Pair = tuple[str, str, str]

UNREDACTED = {"TAILRACE_PRIVACY__REDACT_AT": "off"}
"""Text for text: names and addresses in the dialogues would be placeholders otherwise."""


def published(result: dict[str, Any]) -> list[Pair]:
    rows = read_rows(Path(result["drop"]["path"]), "preference")
    return [
        tuple(
            json.dumps([{"role": t["role"], "content": t["content"]} for t in row[c]]) for c in rows.columns
        )
        for row in rows.iter_rows(named=True)
    ]


def refused_requests(home: Path) -> dict[str, str]:
    rows = Lake(home / "lake").scan("quarantine").collect()
    return {rid: row["reason"] for row in rows.iter_rows(named=True) for rid in row["request_ids"]}


def test_hh_rlhf(shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "hh_rlhf_harmless_dev.jsonl"
    home = tmp_path / "home"
    result = answer(
        tailrace(
            "demo",
            "--home",
            home,
            "--replay",
            file,
            "--format",
            "hh-rlhf",
            "--json",
            cwd=tmp_path,
            **UNREDACTED,
        )
    )
    rows = [json.loads(line) for line in file.open(encoding="utf-8")]
    human = [tuple(json.dumps(row[c]) for c in ("prompt", "chosen", "rejected")) for row in rows]
    regenerated, edited = human[0::2], human[1::2]
    got = published(result)
    assert len(got) == len(set(got)) == result["drop"]["preference"]
    assert set(got) <= set(human)
    refused = refused_requests(home)
    missing = [row["id"] for row, pair in zip(rows, human, strict=True) if pair not in set(got)]
    unexplained = [i for i in missing if not any(rid.startswith(i) for rid in refused)]
    assert unexplained == []
    assert len(set(got) & set(regenerated)) >= 0.9 * len(regenerated)
    # Half of the preferred answers are new texts beside the other one, not corrections of it.
    assert len(set(got) & set(edited)) >= 0.35 * len(edited)


def test_oasst(shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "oasst_en_trees_dev.jsonl"
    home = tmp_path / "home"
    result = answer(
        tailrace(
            "demo",
            "--home",
            home,
            "--replay",
            file,
            "--format",
            "oasst",
            "--json",
            cwd=tmp_path,
            **UNREDACTED,
        )
    )
    human: set[Pair] = set()
    nodes = 0

    def walk(node: dict[str, Any], turns: list[dict[str, str]]) -> None:
        nonlocal nodes
        role = "user" if node["role"] == "prompter" else "assistant"
        turns = [*turns, {"role": role, "content": node["text"]}]
        replies = [r for r in node.get("replies", []) if not r.get("deleted")]
        ranked = sorted((r for r in replies if r.get("rank") is not None), key=lambda r: r["rank"])
        if role == "user" and len(ranked) >= 2:
            nodes += 1
            best = [{"role": "assistant", "content": ranked[0]["text"]}]
            for worse in ranked[1:]:
                other = [{"role": "assistant", "content": worse["text"]}]
                human.add((json.dumps(turns), json.dumps(best), json.dumps(other)))
        for reply in replies:
            walk(reply, turns)

    for line in file.open(encoding="utf-8"):
        walk(json.loads(line)["prompt"], [])
    got = published(result)
    assert nodes > 100
    assert set(got) <= human
    reasons = Counter(refused_requests(home).values())
    assert len(set(got)) >= len(human) - reasons["held_out"] - reasons["near_duplicate"]
    assert len(set(got)) >= 0.75 * len(human)
