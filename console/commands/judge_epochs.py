"""`tailrace judge epochs`: every judge this lake has seen, how much it said and how far it is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from console.judging import judge_for
from console.options import Home, Json, open_lake, settings_for
from console.terminal import print_json, print_table
from contracts.errors import SettingsError
from contracts.settings import Settings
from curation.judge.anchor_runs import newest_report
from curation.judge.epochs import epochs as registered
from curation.judge.epochs import verdict_counts
from curation.judge.measurements import measurements, rule_of
from curation.judge.trust import Measured, rule
from sinks.lake import Lake


def epochs(home: Home = None, as_json: Json = False) -> None:
    """List judge epochs: what each is, how many verdicts it gave, its calibration and drift.

    An epoch is everything that decides a verdict: endpoint, model, rubric, prompt, parameters, schema.
    Another epoch is another judge: verdicts are not reused and figures never mixed. `*` marks those in
    force. Calibrations are read by the settings in force now.
    """
    settings = settings_for(home)
    lake = open_lake(settings)
    found = [_about(row, lake, settings) for row in _all(lake).iter_rows(named=True)]
    if as_json:
        print_json(found)
        return
    current = _current(settings)
    print_table(
        ["epoch", "judge", "task", "rubric", "first seen", "verdicts", "calibration", "drift"],
        [
            [
                f"{e['epoch']}{' *' if e['epoch'] in current else ''}",
                e["judge"],
                e["task"],
                e["rubric"] or None,
                _day(e["first_seen"]),
                _verdicts(e),
                _calibration(e["calibration"]),
                _drift(e["drift"]),
            ]
            for e in found
        ],
        title="Judge epochs",
    )


def _all(lake: Lake) -> pl.DataFrame:
    """Registered epochs, and those older releases left verdicts of, with verdict counts; the newest first."""
    counts = verdict_counts(lake)
    rows = registered(lake).join(counts.drop("judge"), on="epoch", how="left", maintain_order="left")
    older = counts.join(rows, on="epoch", how="anti").with_columns(task=pl.lit("pointwise"))
    numbers = ["verdicts", "fail", "pass", "unsure", "tokens", "cost_usd"]
    return pl.concat([rows, older], how="diagonal").with_columns(pl.col(numbers).fill_null(0))


def _about(row: dict[str, Any], lake: Lake, settings: Settings) -> dict[str, Any]:
    measured = measurements(lake).get(row["epoch"], [])
    report = newest_report(lake, row["epoch"], row["judge"])
    return {
        **row,
        "calibration": _measured(measured[0], settings) if measured else None,
        "drift": None
        if report is None
        else {
            "state": report.state,
            "compared": report.compared,
            "flips": report.flips.value,
            "noise": report.noise.value,
            "p_value": report.p_value,
            "run_id": report.run_id,
        },
    }


def _measured(measured: Measured, settings: Settings) -> dict[str, Any]:
    ruling = rule(measured, rule_of(settings.judge))
    return {
        "calibration_id": measured.calibration_id,
        "state": ruling.state,
        "why": ruling.why,
        "kappa": measured.kappa,
        "kappa_low": measured.kappa_low,
        "compared": measured.compared,
        "measured_at": measured.measured_at,
    }


def _current(settings: Settings) -> set[str]:
    """Epochs of the judge in force, and of those of features with a rubric of their own."""
    try:
        return {judge_for(settings, feature).epoch.id for feature in (None, *settings.judge.rubrics)}
    except SettingsError:
        # Without a key there is no judge in force, and the list can still be read.
        return set()


def _verdicts(epoch: Mapping[str, Any]) -> str:
    if epoch["task"] == "pairwise":
        return f"{epoch['verdicts']:,} orders"
    words = ", ".join(f"{epoch[word]:,} {word}" for word in ("fail", "pass", "unsure"))
    return f"{epoch['verdicts']:,} ({words})"


def _calibration(found: dict[str, Any] | None) -> str | None:
    if found is None:
        return None
    kappa = "" if found["kappa"] is None else f", κ {found['kappa']:.2f}"
    return f"{found['state'].replace('_', ' ')}{kappa}, n {found['compared']:,}, {_day(found['measured_at'])}"


def _drift(found: dict[str, Any] | None) -> str | None:
    if found is None:
        return None
    flips = "" if found["flips"] is None else f", {found['flips']:.1%} flipped"
    return f"{found['state'].replace('_', ' ')}{flips}"


def _day(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d}"
