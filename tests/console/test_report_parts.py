"""The parts of the report: intervals, bins, classes of evidence, diffs, manifests, the SVG guard."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from console.report import chart, diff, edits, evidence, rates, scores, stats, timeline
from console.report.pairs import _bars
from sinks.drops.documents import facts as drop
from sinks.drops.documents import lengths
from sinks.pages import text
from sinks.pages.length_words import in_a_line, ratio_in_words
from tests.console.report_samples import START, interactions, pair, report_data


def test_the_regression_is_the_worst_version() -> None:
    worst = stats.worst_version(stats.prepare(interactions(4_000), 0.5))
    assert worst is not None
    assert (worst.feature, worst.version) == ("support_reply", "atlas-2026-03 / v8")
    assert worst.stands_out


def test_a_version_with_few_requests_is_never_named() -> None:
    rows = stats.prepare(interactions(15, features=("a",)), 0.0)
    assert stats.worst_version(rows) is None


def test_only_user_traffic_is_counted() -> None:
    rows = interactions(500)
    assert stats.prepare(rows, 0.5).height == rows.filter(pl.col("actor") == "user").height < 500


@pytest.mark.parametrize(
    ("days", "rows_a_day", "name"),
    [
        (0.1, 50_000, "15 min"),
        (1, 2_400, "hour"),
        (7, 400, "6 h"),
        (7, 100, "12 h"),
        (40, 100, "day"),
        (7, 5, "day"),
    ],
)
def test_bins_follow_span_and_traffic(days: float, rows_a_day: int, name: str) -> None:
    n = int(days * rows_a_day)
    at = pl.Series([START + timedelta(days=days * i / n) for i in range(n)])
    rows = pl.DataFrame({"occurred_at": at, "feature": ["a"] * n, "version": ["v"] * n})
    assert timeline.choose(rows).name == name


def test_bins_hold_every_request() -> None:
    rows = stats.prepare(interactions(2_000), 0.5)
    table = timeline.cells(rows, timeline.STEPS[2])
    assert (table["n"].sum(), table["f"].sum()) == (rows.height, rows["failed"].sum())


def test_a_gap_in_time_breaks_the_line() -> None:
    bins = [START, START + timedelta(hours=6), START + timedelta(hours=30)]
    own = pl.DataFrame({"version": ["a"] * 3, "bin": bins, "f": [1, 2, 3], "n": [10, 10, 10]})
    step = next(s for s in timeline.STEPS if s.name == "6 h")
    points = rates._points(own, {"a": "s0"}, rates._Frame(step, 1.0, 0.1, (0, 1)))
    assert [(p["run"], p["alone"]) for p in points] == [("s0.0", False), ("s0.0", False), ("s0.1", True)]


def test_many_versions_are_pooled_and_none_is_lost() -> None:
    rows = stats.prepare(interactions(2_000, features=("a",)), 0.5)
    rows = rows.with_columns(version=pl.format("v{}", pl.int_range(pl.len()) % 11))
    panel = rates.view(rows, None).panels[0]
    assert len(panel.lines) == rates.MAX_VERSIONS
    assert panel.lines[-1].version == rates.OTHERS
    assert sum(int(line.rows.replace(",", "")) for line in panel.lines) == rows.height


def test_every_interaction_has_one_strongest_evidence() -> None:
    rows = interactions(2_000).with_columns(cls=evidence.strongest())
    assert set(rows["cls"]) <= set(evidence.CLASSES)
    nothing = rows.filter(pl.col("cls") == evidence.NOTHING)
    assert nothing.height > 0
    assert nothing["outcome_success"].null_count() == nothing.height


def test_mean_contributions_are_over_all_failures() -> None:
    rows = stats.prepare(interactions(2_000), 0.5)
    failures = rows.filter("failed")
    edits = sum(c["contribution"] for row in failures["contributions"] for c in row if c["signal"] == "edit")
    table = {signal: mean for signal, mean, _ in scores.mean_contributions(rows)}
    assert table["edit"] == pytest.approx(edits / failures.height)


def test_diff_marks_words_and_loses_no_text() -> None:
    before, after = "Ship it on Monday, please.", "Ship it on Tuesday morning, please."
    result = diff.compare(before, after)
    assert "".join(p.text for p in result.rejected) == before
    assert "".join(p.text for p in result.chosen) == after
    assert [p.text for p in result.rejected if p.changed] == ["Monday"]
    assert [p.text for p in result.chosen if p.changed] == ["Tuesday morning"]


@pytest.mark.parametrize(
    ("before", "after", "gone", "new"),
    [
        ("def f():\n    return 1\n", "def f():\n        return 1\n", ["\n    "], ["\n        "]),
        ("请在星期一发货。", "请在星期二发货。", ["一"], ["二"]),
        ("a  b c", "a b c", [], []),
        ("a b c d", "a b c d e", [], ["e"]),
    ],
)
def test_diff_follows_the_kind_of_text(before: str, after: str, gone: list[str], new: list[str]) -> None:
    result = diff.compare(before, after)
    assert [p.text for p in result.rejected if p.changed] == gone
    assert [p.text for p in result.chosen if p.changed] == new
    assert "".join(p.text for p in result.chosen) == after


def test_repetitive_texts_are_compared_without_delay() -> None:
    started = time.thread_time()
    result = diff.compare("a b " * 1_000 + "end.", "a b " * 1_000 + "other end.")
    assert time.thread_time() - started < 1
    assert "".join(p.text for p in result.chosen).startswith("a b a b")


def test_unrelated_texts_are_not_marked() -> None:
    result = diff.compare("alpha beta gamma delta", "one two three four")
    assert not result.marked
    assert diff.compare("", "").marked


def test_long_texts_are_cut_and_say_so() -> None:
    assert diff.cut("x" * 5_000).endswith("… (1,000 more characters)")


def test_waterfall_adds_up_to_the_score() -> None:
    many = [(f"s{i}", 0.1 * i - 0.5) for i in range(14)]
    bars = _bars(pair(contributions=many, failure_score=0.8))
    steps = [b["to"] - b["from"] for b in bars[:-1]]
    assert sum(steps) == pytest.approx(bars[-1]["to"])
    assert bars[-1]["text"].endswith("0.80")
    assert _bars(pair(failure_score=1.0, contributions=[]))[-1]["to"] > 10


@pytest.mark.parametrize(
    "files",
    [
        [{"name": "a.parquet", "rows": 3, "bytes": 2_000, "sha256": "ff"}],
        {"a.parquet": {"rows": 3, "bytes": 2_000, "sha256": "ff"}},
    ],
)
def test_manifest_files_in_either_shape(files: Any) -> None:
    assert drop.files({"files": files}) == [drop.DropFile("a.parquet", "3", "2.0 kB", "ff")]


def test_counts_come_from_the_manifest_or_not_at_all() -> None:
    assert drop.rows_published({"counts": {"preference": 4, "unpaired": 2}}) == (4, 2)
    assert drop.rows_published({"preference_rows": 4}) == (4, 0)
    assert drop.rows_published({"drop_id": "x"}) is None
    assert drop.rows_published(None) is None


@pytest.mark.parametrize(
    "svg",
    [
        "<svg><script>1</script></svg>",
        "<svg><foreignObject></foreignObject></svg>",
        '<svg><image width="1"/></svg>',
        '<svg><g onclick="x()"></g></svg>',
        '<svg><path xlink:href="x"/></svg>',
        '<svg><text style="fill:url(x)">a</text></svg>',
    ],
)
def test_the_guard_refuses_links_and_active_content(svg: str) -> None:
    with pytest.raises(ValueError, match="may not contain"):
        chart.inert(svg)
    assert chart.inert("<svg><text>onclick=1 &lt;script&gt;</text></svg>")


def test_percent_never_rounds_something_to_nothing() -> None:
    assert text.percent(0.0) == "0.0%"
    assert text.percent(0.00001) == "<0.1%"
    assert text.percent(0.149) == "14.9%"


def _edited(*kinds: str | None, disagreement: float | None = None) -> pl.DataFrame:
    rows = interactions(len(kinds), features=("a",))
    return rows.with_columns(
        edit_class=pl.Series(kinds, dtype=pl.String), disagreement=pl.lit(disagreement, dtype=pl.Float64)
    )


def test_edits_are_counted_by_class() -> None:
    figure = edits.classes(_edited("corrective", "corrective", "cosmetic", None))
    assert figure is not None
    assert "corrective: makes a pair: 2 (67%); cosmetic: says nothing: 1 (33%)" in figure.label
    assert edits.classes(_edited(None, None)) is None


def test_torn_requests_are_counted_with_the_features_that_have_most() -> None:
    rows = pl.concat([_edited(None, None, disagreement=0.9), _edited(None, None, disagreement=0.1)])
    rows = rows.with_columns(feature=pl.Series(["a", "b", "b", "b"]))
    assert edits.torn(rows) == edits.Torn("2 requests (50.0%)", [("a", "100.0%"), ("b", "33.3%")])
    assert edits.torn(_edited(None, disagreement=0.2)) is None
    assert edits.torn(_edited(None, disagreement=None)) is None


def test_the_drop_says_what_its_rows_are() -> None:
    manifest = {
        "selection": {"slices": {"failure": {"rows": 3}, "safety": {"rows": 1}}},
        "safety": {"eligible_share": 0.02, "rows_share": 0.25},
        "redaction": {"version": "redact@1", "spans": {"email": 7}},
        "contamination": {"gsm8k": {"rows_hit": 2, "rows_checked": 40}},
    }
    assert dict(drop.facts(manifest)) == {
        "Slices": "failure 3, safety 1",
        "Safety-tagged": "2.0% of eligible requests, 25.0% of rows",
        "Redacted": "email 7",
        "Rows with eval items": "gsm8k 2 of 40",
    }
    assert drop.facts({"safety": "no", "redaction": {"version": None}}) == []


def test_the_length_bias_in_words_and_as_a_chart() -> None:
    manifest = report_data(10).manifest
    assert manifest is not None
    shown = lengths.lengths(manifest)
    assert shown is not None
    assert (shown.share, shown.ratio) == ("61.3% (95% interval 55.8–66.5%)", "8.3% longer")
    assert ("user edit", "61% of 198") in [(row.name, row.text) for row in shown.rows]
    assert "search_answer" not in [row.name for row in shown.rows]
    assert in_a_line(manifest) == (
        "the chosen side is the longer one in 61.3% of the 310 pairs that differ in length "
        "(95% interval 55.8% to 66.5%); at the median it is 8.3% longer"
    )


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"length_bias": {"all": {"pairs": 0, "longer_share": None}}},
    ],
)
def test_drops_without_a_length_bias_say_nothing_of_it(manifest: dict[str, Any]) -> None:
    assert lengths.lengths(manifest) is None
    assert in_a_line(manifest) == ""


@pytest.mark.parametrize(
    ("log_ratio", "words"), [(0.0, "as long"), (0.6931, "100.0% longer"), (-0.6931, "50.0% shorter")]
)
def test_ratios_of_lengths_in_words(log_ratio: float, words: str) -> None:
    assert ratio_in_words(log_ratio) == words
