"""`tailrace judge try`: one request before the judge, with everything that goes out and comes back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from pydantic import SecretStr

from console.options import Home, Json, open_lake, settings_for
from console.terminal import EXIT_FAILED, out, print_json, print_table, say, visible
from contracts.errors import SettingsError, TerminalError
from contracts.settings import JudgeSettings, Settings
from curation.judge.answers import Answer
from curation.judge.base import make_judge
from curation.judge.openai_judge import OpenAIJudge
from curation.judge.questions import Outcome, Question
from curation.judge.rules import RulesJudge, RuleThresholds
from curation.judge.verdicts import Judgment, Verdict
from curation.refusal_words import in_words
from curation.trial import Case, find_case


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What was asked of whom, and what came of it (None: nobody was asked)."""

    case: Case
    judge: OpenAIJudge
    configured_epoch: str
    question: Question[Answer]
    outcome: Outcome[Answer] | None
    judgment: Judgment | None
    seconds: float
    rules: Verdict


def try_(
    request_id: Annotated[str, typer.Argument(help="Id of the request.", show_default=False)],
    no_call: Annotated[
        bool, typer.Option("--no-call", help="Show the prompt only; nothing is sent or paid.")
    ] = False,
    rubric: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Judge by another rubric: a new epoch.", show_default=False),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Ask another model of the endpoint: a new epoch.", show_default=False)
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show what the judge is sent about a request, what it answers, and what is made of the answer.

    The request is redacted as for the nightly build and asked live, whatever `judge.mode` says. The call is
    paid, but nothing is stored: no verdict, no cache, no drop. Characters that do not print are shown as
    escapes (`--json` has them as they are sent). Exit code 1 when there is no verdict.
    """
    settings = settings_for(home)
    case = find_case(open_lake(settings), request_id, settings)
    if not no_call:
        _may_call(case, settings.judge)
    trial = run_trial(case, settings, rubric=rubric, model=model, call=not no_call)
    if as_json:
        print_json(describe(trial))
    else:
        show(trial)
    if trial.judgment is not None and trial.judgment.verdict is None:
        raise typer.Exit(EXIT_FAILED)


def _may_call(case: Case, settings: JudgeSettings) -> None:
    hint = "`--no-call` shows the prompt without sending it."
    if case.refused:
        raise TerminalError(
            f"request {case.item.request_id} is kept from the judge: {in_words(case.refused)}", hint=hint
        )
    if settings.kind == "rules":
        raise SettingsError(
            "judge.kind is rules: there is no endpoint to ask", hint=f"Set it to openai. {hint}"
        )


def run_trial(case: Case, settings: Settings, *, rubric: str | None, model: str | None, call: bool) -> Trial:
    """Ask the judge about a case, or only work out what it would be asked."""
    configured = settings.judge.rubrics.get(case.interaction["feature"], settings.judge.rubric)
    chosen = settings.judge.model_copy(update={"model": model} if model else {})
    judge = _llm_judge(chosen, rubric or configured, call=call)
    question = judge.question(case.item)
    outcome: Outcome[Answer] | None = None
    started = time.monotonic()
    if call:
        (outcome,) = judge.asker.ask([question])
    (by_rules,) = RulesJudge(RuleThresholds.from_curation(settings.curation)).judge([case.item])
    assert by_rules.verdict is not None
    return Trial(
        case=case,
        judge=judge,
        configured_epoch=_llm_judge(settings.judge, configured, call=call).epoch.id,
        question=question,
        outcome=outcome,
        judgment=None if outcome is None else judge.judgment(case.item, outcome),
        seconds=time.monotonic() - started,
        rules=by_rules.verdict,
    )


def _llm_judge(settings: JudgeSettings, rubric: str | Path, *, call: bool) -> OpenAIJudge:
    changes: dict[str, Any] = {"kind": "openai"}
    if not call and settings.api_key is None:
        # A prompt can be looked at without a key.
        changes["api_key"] = SecretStr("none")
    judge = make_judge(settings.model_copy(update=changes), rubric=rubric)
    assert isinstance(judge, OpenAIJudge)
    return judge


def describe(trial: Trial) -> dict[str, Any]:
    """A trial as JSON."""
    case, outcome, judgment = trial.case, trial.outcome, trial.judgment
    interaction = case.interaction
    return {
        "request_id": case.item.request_id,
        "revision": interaction["revision"],
        "feature": interaction["feature"],
        "failure_score": interaction["failure_score"],
        "content_hash": case.item.content_hash,
        "redacted": case.redacted,
        "kept_from_judge": case.refused or None,
        "epoch": trial.judge.epoch.manifest(),
        "configured_epoch": trial.configured_epoch,
        "schema": trial.question.form.schema,
        "messages": trial.question.messages,
        "called": outcome is not None,
        "stored": False,
        "replies": list(outcome.replies) if outcome else [],
        "verdict": _fields(judgment.verdict) if judgment and judgment.verdict else None,
        "unjudged": str(judgment.reason) if judgment and judgment.reason else None,
        "detail": judgment.detail if judgment else "",
        "calls": outcome.spent.calls if outcome else 0,
        "input_tokens": outcome.spent.input_tokens if outcome else 0,
        "output_tokens": outcome.spent.output_tokens if outcome else 0,
        "cost_usd": outcome.spent.cost_usd if outcome else 0.0,
        "seconds": round(trial.seconds, 3),
        "rules": _fields(trial.rules),
        "cached": [
            {
                **row,
                "same_content": row["content_hash"] == case.item.content_hash,
                "same_epoch": row["epoch"] == trial.judge.epoch.id,
            }
            for row in case.stored
        ],
    }


def _fields(verdict: Verdict) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(verdict)
    return {
        name: fields[name]
        for name in ("verdict", "failure_kind", "severity", "confidence", "rationale", "improved_response")
    }


def show(trial: Trial) -> None:
    """Print a trial for a person."""
    case, epoch = trial.case, trial.judge.epoch
    row = case.interaction
    _line(
        f"{case.item.request_id}: {row['feature']}, {row['occurred_at']:%Y-%m-%d %H:%M}Z, revision "
        f"{row['revision']}, failure score {row['failure_score']:.3f}"
        f"{', personal data redacted' if case.redacted else ''}"
    )
    if case.refused:
        _line(f"kept from the judge: {in_words(case.refused)}")
    parameters = ", ".join(f"{name} {value}" for name, value in epoch.parameters.items())
    _line(f"{epoch.name} at {epoch.base_url}, rubric {epoch.rubric}, {parameters}")
    other = f", not the configured {trial.configured_epoch}: their verdicts do not compare"
    _line(f"epoch {epoch.id}{other if epoch.id != trial.configured_epoch else ''}")
    for message in trial.question.messages:
        _part(message["role"], message["content"])
    if trial.outcome is not None:
        _show_answer(trial, trial.outcome)
    print_table(
        [
            "judge",
            "verdict",
            "failure kind",
            "severity",
            "confidence",
            "this content",
            "this epoch",
            "judged at",
        ],
        [
            ["rules, now", *_brief(_fields(trial.rules)), True, False, None],
            *(
                [
                    stored["judge"],
                    *_brief(stored),
                    stored["content_hash"] == case.item.content_hash,
                    stored["epoch"] == epoch.id,
                    f"{stored['judged_at']:%Y-%m-%d %H:%M}Z",
                ]
                for stored in case.stored
            ),
        ],
        title="Other words on it" if case.stored else "Other words on it (no verdict is stored)",
    )
    say("Nothing was sent." if trial.outcome is None else "Nothing was stored.")


def _show_answer(trial: Trial, outcome: Outcome[Answer]) -> None:
    for n, reply in enumerate(outcome.replies, 1):
        _part("answer" if n == 1 else "answer, repaired", reply)
    judgment = trial.judgment
    assert judgment is not None
    if judgment.verdict is not None:
        verdict = _fields(judgment.verdict)
        _part(
            "verdict", "\n".join(f"{name}: {value}" for name, value in verdict.items() if value is not None)
        )
    else:
        _part("no verdict", f"{judgment.reason}: {judgment.detail}")
    spent = outcome.spent
    _line(
        f"{spent.calls} call{'' if spent.calls == 1 else 's'}, {spent.input_tokens:,} tokens read, "
        f"{spent.output_tokens:,} written, ${spent.cost_usd:.6f}, {trial.seconds:.1f} s"
    )


def _brief(verdict: dict[str, Any]) -> list[Any]:
    return [verdict[name] for name in ("verdict", "failure_kind", "severity", "confidence")]


def _part(title: str, text: str) -> None:
    out.rule(title, align="left")
    _line(text)


def _line(text: str) -> None:
    """Text that others wrote: no markup, no control characters."""
    out.print(visible(text), markup=False, highlight=False, soft_wrap=True)
