"""Who a person is in the lake: the ids of all that is theirs, from every file there is.

1. Requests, signals and dead letters that name the user give requests and sessions.
2. A session is the person's own when no request of another known user is in it: then everything in it that
   names no user is theirs too.
3. In a session shared with others, evidence that names neither user nor request is theirs when it belongs to
   one of their requests, by the rule the join goes by; and a request of somebody else is treated as theirs
   when its history quotes them.
4. What was made of all this: events, examples, quarantine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import msgspec
import polars as pl

from contracts.messages import decode_messages, last_user_text, output_text
from contracts.tables import frame_schema
from contracts.tables.persons import PERSONAL
from joiners.attribution import attribute
from sinks.erasure.needles import pieces
from sinks.erasure.person import EXAMPLE_SEPARATOR, Person, needed_columns
from sinks.erasure.storage import is_data, row_groups, table_files
from sinks.lake import Lake
from sinks.lake_errors import translated
from sinks.payloads import named_in

EVIDENCE: Final = ("signals", "outcomes")
_EVENT: Final = ("event_id", "request_id", "session_id", "user_key", "occurred_at")


def identify(lake: Lake, person: Person) -> Person:
    """The person with every id found. Reads all files, also those no version of a table knows any more.

    Raises `LakeUnavailable`, `LakeDamaged`.
    """
    with translated(lake, *PERSONAL):
        requests = person.current(_all(lake, "requests", _EVENT))
        person = person.with_ids("request", _ids(requests.filter(user_key=person.user_key), "request_id"))
        evidence = {kind: person.current(_all(lake, kind, _EVENT)) for kind in EVIDENCE}
        consents = person.current(_all(lake, "consents", ("event_id", "user_key")))
        person = _dead_letters(lake, person)
        person = _sessions(person, requests, evidence)
        person = _in_shared_sessions(lake, person, requests, evidence)
        return _made_of_it(lake, person, {**evidence, "requests": requests, "consents": consents})


def own_texts(lake: Lake, person: Person) -> list[str]:
    """The person's words: messages and remarks of their rows, wherever a table has texts."""
    found: dict[str, None] = {}
    for name, how in PERSONAL.items():
        if not how.texts:
            continue
        for rows in _rows(lake, name, [*needed_columns(name, mentions=False), *how.texts]):
            mine = rows.filter(person.owns(name, rows))
            for column in (c for c in how.texts if c in mine.columns):
                found.update(dict.fromkeys(t for text in mine[column].drop_nulls() for t in spoken(text)))
    return list(found)


def held_by_others(lake: Lake, person: Person, wanted: Sequence[str]) -> set[str]:
    """Which of these strings stand in the texts of other people's rows, live ones."""
    found: set[str] = set()
    if not wanted:
        return found
    for name, how in PERSONAL.items():
        if not how.texts:
            continue
        columns = [*needed_columns(name, mentions=False), *how.texts]
        for rows in _rows(lake, name, columns):
            others = rows.filter(~person.owns(name, rows))
            for column in (c for c in how.texts if c in others.columns):
                hits = others.select(
                    pl.col(column).str.extract_many(list(wanted), overlapping=True).explode()
                )
                found.update(hits.to_series().drop_nulls().unique())
    return found


def spoken(text: str) -> Iterator[str]:
    """The words in a stored text: of messages (JSON) the strings in them, of anything else itself."""
    if text[:1] in "[{":
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError:
            yield text
            return
        yield from _strings(value)
    else:
        yield text


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _rows(lake: Lake, name: str, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """These columns of every data file of a table, live or not."""
    if not lake.exists(name):
        return
    files = table_files(lake, name)
    for file in files.all():
        if is_data(file.path):
            try:
                yield from row_groups(files, file.path, list(dict.fromkeys(columns)))
            except FileNotFoundError:
                continue


def _all(lake: Lake, name: str, columns: Sequence[str]) -> pl.DataFrame:
    """Distinct rows of these columns over every data file; null where a file does not have a column."""
    schema = frame_schema(name)
    empty = pl.DataFrame(schema={c: schema.get(c, pl.String()) for c in columns})
    parts = [
        rows.select(
            pl.col(c).cast(dtype) if c in rows.columns else pl.lit(None, dtype=dtype).alias(c)
            for c, dtype in empty.schema.items()
        )
        for rows in _rows(lake, name, columns)
    ]
    return pl.concat([empty, *parts]).unique()


def _ids(rows: pl.DataFrame, column: str) -> list[str]:
    return rows[column].drop_nulls().unique().to_list()


def _in(column: str, ids: Iterable[str]) -> pl.Expr:
    return pl.col(column).is_in(pl.Series(list(ids), dtype=pl.String).implode()).fill_null(value=False)


def _dead_letters(lake: Lake, person: Person) -> Person:
    """Ids in broken messages that name the user: what belongs to them may have come in whole."""
    for rows in _rows(lake, "dead_letters", ("key", "value")):
        for value in rows["value"]:
            named = named_in(None, value)
            if any(person.pseudonym(user) == person.user_key for user in named["user_id"]):
                person = person.with_ids("request", named["request"]).with_ids("session", named["session"])
    return person


def _sessions(person: Person, requests: pl.DataFrame, evidence: dict[str, pl.DataFrame]) -> Person:
    """The person's own sessions, and the requests in them that name nobody."""
    theirs = {
        *person.of("session"),
        *_ids(requests.filter(_in("request_id", person.of("request"))), "session_id"),
    }
    theirs |= set(_ids(evidence["signals"].filter(user_key=person.user_key), "session_id"))
    others = requests.filter(_in("session_id", theirs), pl.col("user_key") != person.user_key)
    own = theirs - set(_ids(others, "session_id"))
    anonymous = requests.filter(_in("session_id", own), pl.col("user_key").is_null())
    ids = {**person.ids, "session": frozenset(own)}
    return replace(person, ids=ids).with_ids("request", _ids(anonymous, "request_id"))


def _in_shared_sessions(
    lake: Lake, person: Person, requests: pl.DataFrame, evidence: dict[str, pl.DataFrame]
) -> Person:
    mine = requests.filter(_in("request_id", person.of("request")))
    shared = set(_ids(mine, "session_id")) - person.of("session")
    if not shared:
        return person
    person = _quoting(lake, person, shared)
    once = requests.unique("request_id", keep="first").sort("occurred_at", "request_id")
    for events in evidence.values():
        loose = events.filter(
            _in("session_id", shared), pl.col("user_key").is_null(), pl.col("request_id").is_null()
        ).unique("event_id", keep="first")
        belongs = attribute(once, loose).filter(_in("target", person.of("request")))
        found = _ids(belongs, "event_id")
        person = replace(person, loose=person.loose | set(found)).with_ids("event", found)
    return person


def _quoting(lake: Lake, person: Person, shared: set[str]) -> Person:
    """Requests of others in shared sessions whose messages hold what the person asked or was answered."""
    texts = ("input_messages", "output_messages")
    own: dict[str, None] = {}
    others: list[pl.DataFrame] = []
    for rows in _rows(lake, "requests", ("request_id", "session_id", "user_key", *texts)):
        here = person.current(rows.filter(_in("session_id", shared)))
        # Not those that only quote the person: what they go on to say is another's.
        is_own = person.owns("requests", here) & (here["user_key"] == person.user_key).fill_null(value=True)
        for asked, answered in here.filter(is_own).select(texts).iter_rows():
            # The last turn is the person's; what comes before it may be anybody's.
            last = last_user_text(decode_messages(asked)) if asked else None
            answer = output_text(decode_messages(answered)) if answered else None
            own.update(dict.fromkeys(text for text in (last, answer) if text))
        others.append(here.filter(~is_own))
    telling = pieces(own)
    if not telling or not others:
        return person
    quoted = pl.any_horizontal(pl.col(c).str.contains_any(telling).fill_null(value=False) for c in texts)
    return person.with_ids("request", _ids(pl.concat(others).filter(quoted), "request_id"))


def _made_of_it(lake: Lake, person: Person, bronze: dict[str, pl.DataFrame]) -> Person:
    for kind, events in bronze.items():
        own = person.owns(kind, events)
        # A producer may give all requests the same event id: such a one tells nobody.
        telling = set(_ids(events.filter(own), "event_id")) - set(_ids(events.filter(~own), "event_id"))
        person = person.with_ids("event", telling)
    examples = _all(lake, "examples", [*needed_columns("examples", mentions=False), "drop_id", "example_id"])
    pairs = examples.filter(person.owns("examples", examples)).select(
        pair=pl.concat_str("drop_id", "example_id", separator=EXAMPLE_SEPARATOR)
    )
    person = person.with_ids("example", pairs["pair"])
    anchors = _all(lake, "judge_anchors", ("user_key", "request_id", "anchor_id"))
    person = person.with_ids(
        "anchor", _ids(anchors.filter(person.owns("judge_anchors", anchors)), "anchor_id")
    )
    judged = _all(lake, "judgments", ("request_id", "content_hash"))
    person = person.with_ids("content", _ids(judged.filter(person.owns("judgments", judged)), "content_hash"))
    refused = _all(lake, "quarantine", ("request_ids", "quarantine_id"))
    return person.with_ids(
        "quarantine", _ids(refused.filter(person.owns("quarantine", refused)), "quarantine_id")
    )
