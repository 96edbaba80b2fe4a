"""What `tailrace drops show` says of a drop's files, whatever version wrote the manifest."""

from __future__ import annotations

from console.drop_files import file_rows, left_out_lines

ENTRY = {"bytes": 10, "sha256": "ab" * 32}


def lengths(most: int) -> dict[str, float]:
    return {"min": 1, "mean": 1.5, "p50": most // 2, "p90": most, "p99": most, "max": most}


def test_lengths_are_those_of_the_longest_column() -> None:
    manifest = {
        "files": {"sft/train.parquet": {"rows": 3, **ENTRY}, "README.md": ENTRY},
        "tokens": {"files": {"sft/train.parquet": {"columns": {"a": lengths(8), "b": lengths(20)}}}},
    }
    assert file_rows(manifest) == [
        ["sft/train.parquet", 3, 10, 10, 20, "ab" * 8],
        ["README.md", None, 10, None, None, "ab" * 8],
    ]
    assert left_out_lines(manifest) == []


def test_what_a_file_cannot_hold_is_said() -> None:
    reasons = {"tool_calls_in_output": 1200, "no_text_in_output": 1}
    manifest = {"files": {}, "left_out": {"openai/preference/train.jsonl": reasons}}
    assert left_out_lines(manifest) == [
        "left out of openai/preference/train.jsonl: 1,200 (tool calls in output)",
        "left out of openai/preference/train.jsonl: 1 (no text in output)",
    ]
