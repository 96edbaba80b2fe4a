"""`tailrace score`: fit the failure score, and explain it."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.options import Home, Json, open_lake, settings_for
from console.terminal import print_json, say
from console.waterfall import show_explanation
from contracts.errors import FitRefused, SettingsError
from curation.explain import explain as explain_request
from curation.weights import encode_weights, install, resolve_model, weights_path

if TYPE_CHECKING:
    from curation.fitting.fit import FitReport

app = typer.Typer(help="Fit the failure score to labels, and explain a score.", no_args_is_help=True)


class Truth(StrEnum):
    """What `true` stands for in a file of labels."""

    BAD = "fail"
    GOOD = "pass"


@app.command("fit")
def fit(
    labels: Annotated[
        str,
        typer.Option(
            metavar="outcomes|gold|FILE",
            help="What to fit to: downstream outcomes, adjudicated gold labels, or a JSONL, CSV or Parquet "
            "file with `request_id` and `label` (fail or pass).",
            show_default=False,
        ),
    ],
    label_column: Annotated[str, typer.Option(help="Column of FILE that holds the labels.")] = "label",
    true_means: Annotated[
        Truth | None,
        typer.Option(help="What true (or 1) stands for in FILE.", show_default=False),
    ] = None,
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="Leave out labels of requests the lake does not hold.")
    ] = False,
    balance: Annotated[
        bool,
        typer.Option(
            "--balance", help="Weigh labelled requests by inverse propensity, to stand for all of them."
        ),
    ] = False,
    coverage_floor: Annotated[
        float,
        typer.Option(min=0, max=1, help="Warn about segments with a smaller share of labelled requests."),
    ] = 0.05,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write the weights here instead of putting them in force."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Fit and measure, write nothing.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Fit the weights of the failure score, measure them on users the fit never saw, and put them in force.

    Refused (exit code 1, nothing replaced) when there are too few labels, when the fit tells failures from
    passes no better than chance, or does worse than the priors. Requests without a label take no part:
    unobserved is not success. Afterwards `tailrace settle --rescore` gives the lake's current interactions
    the new score; workers take it up at their next start.
    """
    # What a fit needs is slow to import.
    from console.fit_report import show_fit
    from curation.fitting.fit import fit_score
    from curation.fitting.labels import load_labels

    settings = settings_for(home)
    lake = open_lake(settings)
    if out_file is not None and out_file.suffix != ".json":
        raise SettingsError(f"--out {out_file}: a weights file ends in .json", hint="Name it *.json.")
    known = load_labels(
        lake,
        labels,
        column=label_column,
        true_means=true_means.value if true_means else None,
        skip_unknown=skip_unknown,
    )
    report = fit_score(
        lake.interactions().collect(),
        known,
        current=resolve_model(settings),
        seed=settings.curation.seed,
        balance=balance,
    )
    written: list[Path] = []
    if report.refusal is None and not dry_run:
        written = _write(report.as_dict(), report, out_file or weights_path(settings), in_force=not out_file)
    if as_json:
        print_json(report.as_dict() | {"written": [str(path) for path in written]})
    else:
        show_fit(report, coverage_floor)
    if report.refusal is not None:
        raise FitRefused(
            f"the fit is refused: {report.refusal}",
            hint="The weights in force stay. More labels, or labels of the same thing, would help.",
        )
    if not as_json:
        _say_what_was_written(written, report.fitted.model.version, in_force=out_file is None)


def _write(provenance: dict[str, object], report: FitReport, path: Path, *, in_force: bool) -> list[Path]:
    """Keep the fit under its version with its plot, then put it in force: the last file decides."""
    from console.report.reliability import svg

    content = encode_weights(report.fitted.model, provenance)
    kept = path.with_name(f"{report.fitted.model.version}.json") if in_force else path
    plot = kept.with_suffix(".svg")
    install(plot, svg(report.measures))
    install(kept, content)
    if in_force:
        install(path, content)
    return [*([path] if in_force else []), *dict.fromkeys([kept, plot])]


def _say_what_was_written(written: list[Path], version: str, *, in_force: bool) -> None:
    if not written:
        say("nothing written (--dry-run)")
        return
    for path in written:
        say(f"wrote {path}")
    if in_force:
        say(f"{version} is in force: restart workers, and run `tailrace settle --rescore` for what is joined")


@app.command("explain")
def explain(
    request_id: Annotated[str, typer.Argument(help="Id of the request.", show_default=False)],
    show_text: Annotated[
        bool, typer.Option("--show-text", help="Also print what the user wrote. Mind who reads along.")
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Explain a request's failure score: each piece of evidence, what it adds, and the events behind it.

    `tailrace why` says what became of the request in a drop.
    """
    found = explain_request(open_lake(settings_for(home)), request_id)
    if as_json:
        value = asdict(found)
        if not show_text:
            for step in value["steps"]:
                for event in step["events"]:
                    event.pop("text")
        print_json(value)
    else:
        show_explanation(found, show_text=show_text)
