"""A rehearsed build at the terminal: what the judge would be asked, and what that would cost."""

from __future__ import annotations

from typing import Any, Final

from console.funnel import show_funnel
from console.terminal import out, print_json, print_table, say
from contracts.settings import JudgeSettings
from curation.judge.forecast import Forecast
from curation.judge.verdicts import Spend
from curation.rehearsal import Rehearsal

LIMITS: Final = {
    "calls": "judge.max_calls",
    "tokens": "judge.max_total_tokens",
    "cost": "judge.max_cost_usd",
}
"""The setting behind each limit."""


def show_rehearsal(found: Rehearsal, settings: JudgeSettings, *, as_json: bool) -> None:
    """Print a rehearsal, for a person or as JSON."""
    if as_json:
        print_json(describe(found))
        return
    show_funnel(found.funnel)
    out.print(
        f"judge {found.judge} (epoch {found.epoch}), {found.candidates:,} candidates",
        highlight=False,
        markup=False,
    )
    forecast = found.forecast
    if forecast is None:
        out.print("It goes by the evidence alone: nothing is asked of anybody, nothing is paid.")
        return
    print_table(
        ["", "calls", "tokens read", "tokens written", "US dollars"],
        [
            ["expected", *_spend(forecast.expected)],
            ["at most, without repairs", *_spend(forecast.at_most)],
        ],
        title=f"{forecast.contents:,} contents: {forecast.cached:,} have a verdict, {forecast.asked:,} to be "
        f"asked ({found.mode})",
    )
    if forecast.unjudged:
        say(
            f"{forecast.unjudged:,} would stay unjudged: {LIMITS[forecast.limit]} stops the run before them. "
            "They are met again by the next one."
        )
    if found.comparisons:
        say(
            f"On top come comparisons of what the judge rewrites: at most {found.comparisons:,} calls "
            "(judge.rewrites), within the same limits."
        )
    if not settings.input_usd_per_million and not settings.output_usd_per_million:
        say(
            "No prices are set, so every cost is 0: judge.input_usd_per_million, "
            "judge.output_usd_per_million."
        )


def describe(found: Rehearsal) -> dict[str, Any]:
    """A rehearsal for `--json`."""
    return {
        "as_of": found.as_of,
        "judge": found.judge,
        "epoch": found.epoch,
        "mode": found.mode,
        "candidates": found.candidates,
        "comparisons_at_most": found.comparisons,
        "forecast": _forecast(found.forecast),
        "funnel": found.funnel,
        "seconds": found.seconds,
    }


def _forecast(forecast: Forecast | None) -> dict[str, Any] | None:
    if forecast is None:
        return None
    return {
        "contents": forecast.contents,
        "cached": forecast.cached,
        "asked": forecast.asked,
        "unjudged": forecast.unjudged,
        "limit": forecast.limit or None,
        "expected": _plain(forecast.expected),
        "at_most": _plain(forecast.at_most),
    }


def _spend(spend: Spend) -> list[Any]:
    return [spend.calls, spend.input_tokens, spend.output_tokens, f"{spend.cost_usd:,.4f}"]


def _plain(spend: Spend) -> dict[str, Any]:
    return {
        "calls": spend.calls,
        "input_tokens": spend.input_tokens,
        "output_tokens": spend.output_tokens,
        "cost_usd": round(spend.cost_usd, 6),
    }
