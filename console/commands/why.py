"""`tailrace why`: one request's way into, or out of, a drop."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from console.drop_ids import resolve
from console.options import Home, Json, open_lake, settings_for
from console.terminal import out, print_json
from curation.fate import Fate, StepFate, fate
from curation.judge.bench import verdict_epochs
from curation.refusal_words import in_words
from sinks.drops.manifest import read_manifest
from sinks.drops.publish import published

CONTRIBUTIONS: Final = 4

_HEADLINE: Final = {
    "in_drop": "[green]is in[/] drop {drop}: {count}",
    "refused": "[red]is not in[/] drop {drop}: refused by {step} because {words}",
    "unused": "[yellow]is not in[/] drop {drop}: it passed every gate, but no row was made of it",
    "unknown_then": "[yellow]is not in[/] drop {drop}: it was not known at {as_of}, the drop's as-of time",
    "pending": "[yellow]is not in[/] drop {drop}: it still waits for evidence in the stream",
}
_MARK: Final = {"passed": "[green]✓[/]", "refused": "[red]✗[/]", "not_reached": "[dim]·[/]"}
_PREFERENCE: Final = {
    "chosen": "the judge prefers the chosen side in both orders",
    "rejected": "the judge prefers the rejected side in both orders",
    "tie": "the judge finds neither side better",
    "inconsistent": "the judge's preference changes with the order",
    "split": "the judges do not agree which side is better",
}


def why(
    request_id: Annotated[str, typer.Argument(help="Id of the request.", show_default=False)],
    drop: Annotated[str, typer.Option("--drop", help="Drop id, or `latest`.")] = "latest",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Say why a request is, or is not, in a drop: every gate it passed, the one that refused it, and what
    the rows made of it are.

    `tailrace score explain` says where its failure score comes from.
    """
    settings = settings_for(home)
    lake = open_lake(settings)
    row = published(lake, resolve(settings, drop))
    assert row is not None
    manifest = read_manifest(settings.drops_root / row["path"])
    steps = [step["step"] for step in manifest["funnel"]]
    found = fate(lake, request_id, row, steps, verdict_epochs(manifest["judge"]))
    if as_json:
        print_json(asdict(found))
    else:
        show(found)


def show(found: Fate) -> None:
    """Print a request's way for a person."""
    out.print(f"[bold]{escape(found.request_id)}[/] {headline(found)}", highlight=False, soft_wrap=True)
    if found.interaction:
        out.print(escape(_about(found.interaction)), highlight=False, soft_wrap=True)
    if found.steps:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for step in found.steps:
            table.add_row(_MARK[step.outcome], step.step, escape(_said(step)))
        out.print(table)
    if found.verdict:
        verdict = found.verdict
        out.print(
            escape(
                f"judge {verdict['judge']}: {verdict['verdict']} (confidence {verdict['confidence']:.2f}"
                f"{', ' + verdict['failure_kind'] if verdict['failure_kind'] else ''})"
            ),
            highlight=False,
            soft_wrap=True,
        )
    for row in found.rows:
        out.print(f"[bold]row[/] {escape(_row(row))}", highlight=False, soft_wrap=True)


def headline(found: Fate) -> str:
    """One sentence (rich markup): in the drop or not, and why."""
    last = next((step for step in reversed(found.steps) if step.outcome == "refused"), None)
    return _HEADLINE[found.status].format(
        drop=escape(found.drop_id),
        as_of=f"{found.as_of:%Y-%m-%d %H:%M}Z",
        count=f"{len(found.rows)} row{'' if len(found.rows) == 1 else 's'}",
        step=last.step if last else "",
        words=escape(in_words(last.reason)) if last else "",
    )


def _about(interaction: dict[str, Any]) -> str:
    strongest = sorted(interaction["contributions"] or (), key=lambda c: -abs(c["contribution"]))
    parts = [f"{c['signal']} {c['contribution']:+.2f}" for c in strongest[:CONTRIBUTIONS]]
    return (
        f"{interaction['feature']}, {interaction['occurred_at']:%Y-%m-%d %H:%M}Z, revision "
        f"{interaction['revision']}, failure score {interaction['failure_score']:.3f}"
        + (f" ({', '.join(parts)})" if parts else "")
    )


def _said(step: StepFate) -> str:
    if step.outcome != "refused":
        return ""
    kind = "" if step.kind == "interaction" else f"as {step.kind} row: "
    parts = [f"{kind}{in_words(step.reason)} [{step.reason}]", step.detail, step.evidence]
    release = f"release with: tailrace quarantine release {step.quarantine_id} --reason …"
    return "; ".join(filter(None, [*parts, release if step.reason == "contaminated" else ""]))


_VOUCHED: Final = {
    "judge": "the judge",
    "evidence": "the evidence",
    "human": "the label of a person",
}


def _row(row: dict[str, Any]) -> str:
    facts = [f"{row['kind']} {row['example_id']} from {row['pair_source']}, slice {row['slice']}"]
    if len(row["request_ids"]) > 1:
        facts.append("requests " + ", ".join(row["request_ids"]))
    numbers = {name: row.get(name) for name in ("inclusion_probability", "novelty")}
    facts += [f"{name.replace('_', ' ')} {value:.3f}" for name, value in numbers.items() if value is not None]
    if (row.get("cluster_size") or 1) > 1:
        facts.append(f"stands for {row['cluster_size']} near-duplicates")
    if preference := row.get("judge_preference"):
        facts.append(_PREFERENCE[preference])
    if row.get("judge_family_match"):
        facts.append("judged by the model family that wrote a side of it")
    if row.get("self_approved"):
        facts.append("written by the family to be trained")
    if (source := row.get("verdict_source")) is not None:
        facts.append(f"vouched for by {_VOUCHED[source]}")
    return "; ".join(facts)
