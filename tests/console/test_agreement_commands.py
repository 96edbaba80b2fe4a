"""`tailrace agreement` and `tailrace judge agreement`, as a person or a script uses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from console.main import app
from contracts.errors import LabelsInvalid, TailraceError
from tests.console.commands import one_clear_line, tailrace
from tests.curation.agreement.cases import KRIPPENDORFF

runner = CliRunner(env={"COLUMNS": "200"})
ROWS = [
    {"item": f"i{n}", "rater": rater, "label": label}
    for rater, labels in KRIPPENDORFF.items()
    for n, label in enumerate(labels)
]
VERDICT = {
    "judge_id": "j",
    "question_id": 1,
    "model_a": "a",
    "model_b": "b",
    "winner_ab": "A",
    "winner_ba": "B",
}


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return written(tmp_path / "labels.jsonl", ROWS)


def answer(*arguments: str | Path) -> Any:
    result = runner.invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments: str | Path) -> str:
    result = runner.invoke(app, [*map(str, arguments)])
    assert isinstance(result.exception, TailraceError), result.output
    assert result.exception.hint
    return str(result.exception)


def test_the_numbers_and_their_intervals(labels: Path) -> None:
    found = answer("agreement", labels)
    assert found["krippendorff_alpha"]["value"] == pytest.approx(0.815388, abs=5e-7)
    assert found["alpha_nominal"]["value"] == pytest.approx(0.743421, abs=5e-7)
    assert (found["level"], found["by"], found["items"], found["raters"]) == ("ordinal", None, 12, 4)
    assert (found["ratings"], found["gaps"]) == (41, 7)
    assert len(found["pairs"]) == 6
    for name in ("krippendorff_alpha", "cohen_kappa", "weighted_kappa", "fleiss_kappa", "gwet_ac1"):
        low, value, high = (found[name][key] for key in ("low", "value", "high"))
        assert low < value <= high
    assert answer("agreement", labels) == found, "seeded"
    assert answer("agreement", labels, "--seed", "1")["cohen_kappa"] != found["cohen_kappa"]
    assert answer("agreement", labels, "--bootstrap", "0")["cohen_kappa"]["low"] is None


def test_levels(labels: Path) -> None:
    for level, value in (("nominal", 0.743421), ("interval", 0.849107), ("ratio", 0.797403)):
        found = answer("agreement", labels, "--level", level)
        assert found["krippendorff_alpha"]["value"] == pytest.approx(value, abs=5e-7)
        assert found["level"] == level


def test_csv_and_parquet_give_the_same(labels: Path, tmp_path: Path) -> None:
    frame = pl.DataFrame(ROWS)
    frame.write_csv(tmp_path / "labels.csv")
    frame.write_parquet(tmp_path / "labels.parquet")
    (tmp_path / "labels.json").write_text(json.dumps(ROWS))
    expected = answer("agreement", labels)
    for ending in ("csv", "parquet", "json"):
        assert answer("agreement", tmp_path / f"labels.{ending}") == expected, ending


def test_csv_keeps_leading_zeros(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("item,rater,label\n007,a,x\n7,a,y\n007,b,x\n7,b,x\n")
    assert answer("agreement", file)["items"] == 2


def test_text_labels_are_nominal_until_an_order_is_given(tmp_path: Path) -> None:
    names = ["bad", "fair", "good", "great", "superb"]
    rows = [{**row, "label": row["label"] and names[row["label"] - 1]} for row in ROWS]
    file = written(tmp_path / "words.jsonl", rows)
    plain = answer("agreement", file)
    assert plain["level"] == "nominal"
    assert plain["weighted_kappa"]["value"] is None
    assert "order" in plain["weighted_kappa"]["reason"]
    ordered = answer("agreement", file, "--order", ",".join(names))
    assert ordered["krippendorff_alpha"]["value"] == pytest.approx(0.815388, abs=5e-7)
    assert "--order" in _hint("agreement", file, "--level", "ordinal")


def _hint(*arguments: str | Path) -> str:
    result = runner.invoke(app, [*map(str, arguments)])
    assert isinstance(result.exception, LabelsInvalid)
    return result.exception.hint or ""


def test_several_aspects_are_reported_each(tmp_path: Path) -> None:
    rows = [{**row, "aspect": aspect} for aspect in ("tone", "fact") for row in ROWS]
    file = written(tmp_path / "aspects.jsonl", rows)
    found = answer("agreement", file)
    assert found["by"] == "aspect"
    assert set(found["groups"]) == {"tone", "fact"}
    for group in found["groups"].values():
        assert group["krippendorff_alpha"]["value"] == pytest.approx(0.815388, abs=5e-7)
    assert "repeat an item and rater" in refused("agreement", file, "--by", "none")
    renamed = written(tmp_path / "own.jsonl", [{"wie": r.pop("aspect"), **r} for r in rows])
    assert answer("agreement", renamed, "--by", "wie")["by"] == "wie"
    text = runner.invoke(app, ["agreement", str(file)]).stdout
    assert "Agreement by aspect" in text
    assert "tone: α 0.815" in text


def test_repeats_are_an_error_until_one_is_kept(tmp_path: Path) -> None:
    rows = [*ROWS, {"item": "i0", "rater": "A", "label": 5}]
    file = written(tmp_path / "labels.jsonl", rows)
    message = refused("agreement", file)
    assert "A on i0" in message
    assert f"line {len(rows)}" in message
    first, last = (answer("agreement", file, "--keep", keep) for keep in ("first", "last"))
    assert first["repeats_left_out"] == last["repeats_left_out"] == 1
    assert first["krippendorff_alpha"]["value"] == pytest.approx(0.815388, abs=5e-7)
    assert last["krippendorff_alpha"]["value"] < 0.8


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no records"),
        ('{"item": 1, "rater": "a", "label": 2}\n{"item": 1, ', "line 2, is not JSON"),
        ('{"item": 1, "rater": "a", "label": 2}\n\n[1]\n', "line 3, is no JSON object"),
        ('{"item": 1, "rater": "a"}', "no field for the label"),
        ('{"rater": "a", "label": 1}', "no field for the item"),
        ('{"item": 1, "rater": "a", "label": 1}\n{"item": 2, "label": 1}', "line 2 has no rater"),
        ('{"item": 1, "rater": "a", "label": 1}\n{"item": 2, "rater": "a"}', "line 2 has no label"),
        ('{"item": 1, "rater": "a", "label": {"x": 1}}', "line 1: label is neither"),
        ('{"item": 1, "rater": "a", "label": 1}\n{"item": 2, "rater": "a", "label": "x"}', "partly"),
        ('{"item": 1, "rater": "a", "label": null}', "every label is missing"),
        ('{"item": 1, "rater": "a", "label": 1, "time": "soon"}', "line 1: time is not a time"),
        ('{"item": 1, "rater": "a", "label": "\udc80"}', "not JSON"),
    ],
)
def test_bad_files_are_named_in_one_line(content: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert words in refused("agreement", file)


def test_bad_tables(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    assert "is empty" in refused("agreement", tmp_path / "empty.csv")
    (tmp_path / "no.parquet").write_text("item,rater")
    assert "cannot be read as parquet" in refused("agreement", tmp_path / "no.parquet")
    assert "is not a file" in refused("agreement", tmp_path / "none.jsonl")
    assert "there is no field who" in refused(
        "agreement", written(tmp_path / "l.jsonl", ROWS), "--rater-field", "who"
    )


def test_own_field_names_and_times(tmp_path: Path) -> None:
    rows = [
        {
            "doc": f"d{n}",
            "by": who,
            "grade": n % 3 + (who == "b" and n > 9),
            "when": f"2026-01-{n + 1:02}T00:00:00Z",
        }
        for n in range(20)
        for who in "ab"
    ]
    file = written(tmp_path / "own.jsonl", rows)
    names = ["--item-field", "doc", "--rater-field", "by", "--label-field", "grade"]
    found = answer("agreement", file, *names, "--time-field", "when")
    drift = {p["rater"]: p["drift_leniency"]["value"] for p in found["rater_profiles"]}
    assert drift == {"a": pytest.approx(-1.0), "b": pytest.approx(1.0)}
    # A narrow terminal folds the head of the column.
    assert "later" in runner.invoke(app, ["agreement", str(file), *names, "--time-field", "when"]).stdout


def test_people_get_tables_and_one_line_of_sense(labels: Path) -> None:
    shown = runner.invoke(app, ["agreement", str(labels)])
    assert shown.exit_code == 0
    for words in ("Krippendorff α (ordinal)", "human ceiling", "Pairs of raters", "unequal ratings per item"):
        assert words in shown.stdout
    assert "α 0.815" in shown.stdout


def test_labels_are_text_never_markup(tmp_path: Path) -> None:
    rows = [
        {"item": n, "rater": who, "label": "[red]x[/red]" if n % 2 else "[/oops]"}
        for n in range(6)
        for who in "ab"
    ]
    shown = runner.invoke(
        app, ["agreement", str(written(tmp_path / "l.jsonl", rows))], catch_exceptions=False
    )
    assert shown.exit_code == 0
    assert "[/oops]" in shown.stdout


def test_judges_either_file_alone(tmp_path: Path) -> None:
    verdicts = written(tmp_path / "p.jsonl", [VERDICT, {**VERDICT, "question_id": 2, "winner_ba": "A"}])
    scores = written(
        tmp_path / "s.jsonl",
        [{"judge_id": "j", "question_id": 1, "model_id": "a", "score_turn1": 8, "score_turn2": -1}],
    )
    pairwise = answer("judge", "agreement", "--pairwise", verdicts)
    assert "scores" not in pairwise
    judge = pairwise["pairwise"]["judges"]["j"]
    assert (judge["valid"], judge["inconsistent"], judge["inconsistency_rate"]["value"]) == (2, 1, 0.5)
    alone = answer("judge", "agreement", "--scores", scores)
    assert alone["scores"]["modes"]["score"]["judges"]["j"]["valid_scores"] == 1
    assert "pairwise" not in alone
    both = ["judge", "agreement", "--pairwise", str(verdicts), "--scores", str(scores)]
    shown = runner.invoke(app, both)
    assert shown.exit_code == 0
    assert "inconsistency rate" in shown.stdout
    assert "mean score" in shown.stdout


def test_judges_without_a_file_is_wrong_usage(tmp_path: Path) -> None:
    assert runner.invoke(app, ["judge", "agreement"]).exit_code == 2
    file = written(tmp_path / "a.jsonl", [{"question_id": 1}])
    assert runner.invoke(app, ["judge", "agreement", "--answers", str(file)]).exit_code == 2
    verdicts = written(tmp_path / "p.jsonl", [VERDICT])
    assert "is not an answer" in refused("judge", "agreement", "--pairwise", verdicts, "--answers", file)


def test_as_a_process(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    file.write_text('{"item": 1')
    assert "line 1" in one_clear_line(tailrace("agreement", file, cwd=tmp_path))


def test_real_judges(shared_data: Path) -> None:
    folder = shared_data / "judges"
    found = answer(
        *("judge", "agreement", "--bootstrap", "50"),
        *("--pairwise", folder / "mt_bench_en_judge_pairwise.jsonl"),
        *("--scores", folder / "mt_bench_en_judge_scores.jsonl"),
    )
    assert found["pairwise"]["mean_inconsistency_rate"] == pytest.approx(0.4179, abs=5e-5)
    assert found["scores"]["modes"]["single_grade"]["judge_mean"] == pytest.approx(7.78, abs=5e-3)
    assert found["pairwise"]["winner_mismatches"] == 0


def test_real_raters(shared_data: Path) -> None:
    folder = shared_data / "raters"
    expected = json.loads((folder / "blanc_dailynews_aspects.expected.json").read_text())["values"]
    found = answer("agreement", folder / "blanc_dailynews_aspects.jsonl", "--bootstrap", "200")
    assert set(found["groups"]) == set(expected)
    for aspect, figures in expected.items():
        group = found["groups"][aspect]
        for level in ("nominal", "ordinal", "interval"):
            assert group[f"alpha_{level}"]["value"] == pytest.approx(figures[f"alpha_{level}"], abs=5.1e-7)
            assert group[f"alpha_{level}"]["low"] < group[f"alpha_{level}"]["high"]
