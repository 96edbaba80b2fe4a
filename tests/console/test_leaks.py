"""Nothing sensitive in anything a run leaves: files of every kind, what commands print, what they log.

Texts may be where `contracts.tables.texts` says so, unredacted, and nowhere else; credentials nowhere.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.main import app
from console.terminal import LogHandler, crashed
from contracts.errors import TerminalError
from contracts.settings import Settings
from contracts.tables.texts import RAW_TEXT
from curation.judge.base import make_judge
from curation.nightly import make_drop
from sinks.lake import Lake
from streams.discreet import WITHHELD
from tests.console import leaks
from tests.console.commands import answer, tailrace
from tests.lakes import ingest, new_lake

NOW_US = 1_900_000_000_000_000
SECRETS = {value: value for value in leaks.CREDENTIALS}
USERS = {user: user for user in leaks.USERS}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, str]]:
    """A demo over planted texts, and what an operator runs afterwards: home, the demo's answer, outputs."""
    folder = tmp_path_factory.mktemp("leaks")
    home, outputs = folder / "home", {}
    events, secrets = leaks.recording(folder / "events.jsonl"), leaks.settings(home / "texts")
    done = tailrace("demo", "--replay", events, "--home", home, "--json", cwd=folder, timeout=240, **secrets)
    outputs["demo"] = done.stdout + done.stderr
    events.unlink()
    # In this process: starting one costs more than what it does.
    runner = CliRunner(env={"COLUMNS": "160", **secrets})
    for command in (
        ("settings",),
        ("settings", "--json"),
        ("status",),
        ("why", "request-1"),
        ("dead-letters", "list"),
        ("audit", "user", leaks.USERS[0], "--json"),
        ("quarantine", "list"),
        ("drops", "show", "latest"),
    ):
        ended = runner.invoke(app, [*command, "--home", str(home)])
        assert ended.exit_code == 0, ended.output
        outputs[" ".join(command)] = ended.output
    refused = runner.invoke(app, ["drops", "show", "20200101-0123456789ab", "--home", str(home)])
    outputs["refused"] = f"{refused.output} {refused.exception}"
    return home, answer(done), outputs


def test_the_run_had_something_to_leak(ran: tuple[Path, dict[str, Any], dict[str, str]]) -> None:
    home, demo, _ = ran
    assert demo["events"]["dead_letter"] == len(leaks.SENTENCES)
    assert demo["drop"]["preference"] + demo["drop"]["unpaired"] >= 6
    where = {(file.split("/")[1], column) for file, column, _ in leaks.places(home, leaks.PERSONAL) if column}
    # The search sees what is there: raw texts do lie where the contracts say they may.
    assert {
        ("requests", "input_messages"),
        ("requests", "output_messages"),
        ("requests", "attributes"),
        ("signals", "text"),
        ("dead_letters", "value"),
    } <= where


def test_texts_are_where_the_contracts_say_and_nowhere_else(
    ran: tuple[Path, dict[str, Any], dict[str, str]],
) -> None:
    home, _, outputs = ran
    stray = {}
    for file, column, found in leaks.places(home, leaks.PERSONAL):
        root, table = file.split("/")[:2] if "/" in file else ("", "")
        allowed = root == "texts" and column in RAW_TEXT.get(table, ())
        # The bytes of a data file hold what its columns hold.
        raw = root == "texts" and table in RAW_TEXT and not column and "_delta_log" not in file
        if not allowed and not raw:
            stray[f"{file}:{column}"] = found
    assert stray == {}
    printed = {name: found for name, text in outputs.items() if (found := leaks.held(leaks.PERSONAL, text))}
    assert printed == {}


def test_drops_hold_neither_texts_unredacted_nor_pseudonyms(
    ran: tuple[Path, dict[str, Any], dict[str, str]],
) -> None:
    home, demo, _ = ran
    keys = set(Lake(home / "lake").scan("interactions").collect()["user_key"])
    needles = {**leaks.PERSONAL, **USERS, **{key: key for key in keys}}
    assert list(leaks.places(Path(demo["drop"]["path"]), needles)) == []
    # That redaction, and not an empty drop, is why.
    placeholders = {"e-mail": "<EMAIL_1>", "secret": "<SECRET_1>"}
    found = set().union(*(kinds for *_, kinds in leaks.places(Path(demo["drop"]["path"]), placeholders)))
    assert found == set(placeholders)


def test_credentials_are_nowhere(ran: tuple[Path, dict[str, Any], dict[str, str]]) -> None:
    home, _, outputs = ran
    assert list(leaks.places(home, SECRETS)) == []
    assert {name: found for name, text in outputs.items() if (found := leaks.held(SECRETS, text))} == {}


def test_raw_user_ids_are_only_in_messages_nobody_could_read(
    ran: tuple[Path, dict[str, Any], dict[str, str]],
) -> None:
    home, _, outputs = ran
    assert list(leaks.places(home, USERS)) == []
    assert {name for name, text in outputs.items() if leaks.held(USERS, text)} == set()


def test_what_a_demo_prints_is_its_answer_and_no_warning(
    ran: tuple[Path, dict[str, Any], dict[str, str]],
) -> None:
    *_, outputs = ran
    assert json.loads(outputs["demo"])["events"]["consumed"] > 0


def test_nothing_is_logged_at_any_level(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    kinds = {"request": "request", "signal": "signal", "outcome": "outcome"}
    valid = [
        (kinds[event["event_id"].partition("-")[0]], event)
        for event in leaks.events()
        if not event["event_id"].startswith("broken")
    ]
    lake, settings = new_lake(tmp_path / "lake"), Settings(home=tmp_path)
    ingest(lake, valid)
    judge = make_judge(settings.judge, curation=settings.curation)
    assert make_drop(lake, settings.drops_root, settings, judge, now_us=NOW_US).preference_rows
    said = "\n".join(f"{record.name} {record.getMessage()}" for record in caplog.records)
    assert leaks.held({**leaks.PERSONAL, **USERS}, said) == set()


def failing() -> Exception:
    """An error with text in it, raised while another one was handled."""
    text = leaks.SENTENCES[0].format(**leaks.PERSONAL)
    try:
        try:
            dict[str, str]()[text]
        except KeyError as error:
            raise ValueError(f"could not read {text}") from error
    except ValueError as error:
        return error
    raise AssertionError


def test_a_crash_says_where_and_quotes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    crashed(failing())
    said = capsys.readouterr().err
    assert leaks.held(leaks.PERSONAL, said) == set()
    assert f"ValueError {WITHHELD}" in said
    assert f"KeyError {WITHHELD}" in said
    assert Path(__file__).name in said


def test_a_logged_exception_quotes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    error = failing()
    handler = LogHandler()
    where = (type(error), error, error.__traceback__)
    record = logging.LogRecord("tailrace", logging.ERROR, __file__, 1, "it failed", (), where)
    handler.emit(record)
    said = capsys.readouterr().err
    assert leaks.held(leaks.PERSONAL, said) == set()
    assert f"ValueError {WITHHELD}" in said


def test_our_own_errors_keep_their_words(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise TerminalError("the lake is not there", hint="Look for it.")
    except TerminalError as error:
        crashed(error)
    assert "TerminalError: the lake is not there" in capsys.readouterr().err
