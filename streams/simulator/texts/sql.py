# ruff: noqa: E501 - sentences are easier to read on one line
"""SQL help: totals, top lists and joins over an invented shop's tables."""

from __future__ import annotations

from typing import Final

from streams.simulator import vocabulary as v
from streams.simulator.dice import Dice
from streams.simulator.grammar import Case, Facts, Feature, FollowUp, Instruction, OutcomeSpec

_TABLES: Final = ("orders", "invoices", "shipments", "tickets", "returns", "payments", "visits", "subscriptions",
                  "bookings", "deliveries", "claims", "rentals")  # fmt: skip
_MEASURES: Final = (
    "amount",
    "net_total",
    "weight_kg",
    "duration_min",
    "quantity",
    "discount",
    "fee",
    "distance_km",
)
_GROUPS: Final = ("region", "channel", "category", "country", "warehouse", "agent", "segment", "plan")
_STATES: Final = ("open", "shipped", "cancelled", "paid", "overdue", "refunded", "confirmed", "on_hold")
_ENGINES: Final = ("Postgres", "our warehouse", "SQLite", "the reporting database")


def _last_year(d: Dice) -> str:
    # before every `until`, so that periods do not run backwards
    return v.iso_date(d).replace("2025", "2024")


def _alias(_: Dice | None, facts: Facts) -> None:
    facts["a"] = facts["table"][0]


_WHY: Final = (
    "",
    "",
    "We use {engine}.",
    "It is for the {team} team.",
    "{name} wants it by {weekday}.",
    "The table has {count} thousand rows.",
    "I tried it myself but the numbers looked odd.",
)
_END: Final = (
    "",
    "An index on `created_at` helps if the table is large.",
    "I assume that `created_at` is stored in UTC.",
    "Rows without a {group} appear as NULL.",
    "Tell me if the columns have other names.",
)

_TOTAL = Case(
    name="total",
    opening=(
        "SQL question: total {measure} per {group} from {table}.",
        "Write a query that sums {measure} by {group} in the table {table}.",
        "How do I get the sum of {measure} for each {group}? Table is {table}.",
        "I need {measure} per {group} out of {table}.",
    ),
    body=(
        ("Only rows since {day}.", "From {day} on.", "created_at from {day} please."),
        ("Status must be '{state}'.", "Take only '{state}' ones.", "Just the rows with status {state}."),
        (
            "Show groups above {number} only.",
            "Leave out groups with {number} or less.",
            "Only totals over {number}.",
        ),
        _WHY,
    ),
    answer=(
        (
            "This query sums `{measure}` per `{group}`:",
            "You can do it with a GROUP BY and a HAVING clause:",
            "Here is the query for `{table}`:",
        ),
        (
            "```sql\nSELECT {group}, SUM({measure}) AS total\nFROM {table}",
            "```sql\nSELECT {a}.{group},\n       SUM({a}.{measure}) AS total_{measure}\nFROM {table} AS {a}",
        ),
        (
            "WHERE status = '{state}'\n  AND created_at >= DATE '{day}'",
            "WHERE created_at >= '{day}'\n  AND status = '{state}'",
        ),
        (
            "GROUP BY {group}\nHAVING SUM({measure}) > {number}\nORDER BY 2 DESC;\n```",
            "GROUP BY 1\nHAVING SUM({measure}) > {number};\n```",
        ),
        (
            "Only '{state}' rows since {day} are counted, and groups with {number} or less are left out.",
            "HAVING filters after the sum, so {number} refers to the total of each {group} since {day}.",
        ),
        _END,
    ),
    checkable=("day", "state", "number", "measure"),
    topic="a query",
    followups=(
        FollowUp(
            (
                "Now since {day}, and the border should be {number}.",
                "Same for {table} from {day}, above {number}.",
            ),
            ("day", "number"),
        ),
        FollowUp(("And for the '{state}' ones? Same query on {table} since {day}.",), ("state",)),
    ),
)

_TOP = Case(
    name="top_list",
    opening=(
        "Give me the top {small} {group}s by {measure} from {table}.",
        "Which {small} {group}s have the highest {measure} in {table}? As SQL.",
        "Query for the best {small} {group}s, measured by {measure}, table {table}.",
    ),
    body=(
        ("Between {day} and {until}.", "Period: {day} to {until}.", "For the time from {day} until {until}."),
        ("Ignore '{state}' rows.", "Without status '{state}'.", "Everything except {state}."),
        _WHY,
    ),
    answer=(
        (
            "The query below ranks every `{group}` by its average `{measure}`:",
            "Here is a top-{small} query on `{table}`:",
            "Grouping first and limiting afterwards gives the list:",
        ),
        (
            "```sql\nSELECT {group}, AVG({measure}) AS score\nFROM {table}",
            "```sql\nSELECT {a}.{group}, AVG({a}.{measure}) AS avg_{measure}\nFROM {table} {a}",
        ),
        (
            "WHERE created_at BETWEEN '{day}' AND '{until}'\n  AND status <> '{state}'",
            "WHERE created_at >= '{day}' AND created_at < '{until}'\n  AND status != '{state}'",
        ),
        (
            "GROUP BY {group}\nORDER BY 2 DESC\nLIMIT {small};\n```",
            "GROUP BY 1\nORDER BY AVG({measure}) DESC\nFETCH FIRST {small} ROWS ONLY;\n```",
        ),
        (
            "It returns {small} rows and leaves '{state}' out.",
            "'{state}' rows between {day} and {until} are ignored, and you get {small} lines at most.",
        ),
        _END,
    ),
    checkable=("small", "day", "until", "state"),
    topic="a ranking",
    followups=(
        FollowUp(
            ("Make that the top {small} by {measure}.", "I need {small} rows for {table}, not more."),
            ("small",),
        ),
        FollowUp(("Move the period of {table}: {day} to {until}.",), ("day", "until")),
    ),
)

_JOIN = Case(
    name="join",
    opening=(
        "How do I join {table} with customers?",
        "I want {table} together with the customer's name.",
        "Write a join between {table} and customers.",
        "Find customers without any {table}.",
    ),
    body=(
        (
            "I need customers with fewer than {small} {table} since {day}.",
            "List those who have less than {small} {table} after {day}.",
            "Condition: under {small} {table} from {day} on.",
        ),
        ("Customers with none must show up too.", "Zero counts as well.", "Include the ones with nothing."),
        ("Only the city {city}.", "Restrict it to {city}.", "City is {city}."),
        _WHY,
    ),
    answer=(
        (
            "A LEFT JOIN keeps customers who have no `{table}`:",
            "Use a LEFT JOIN and put the date into the join condition:",
            "This lists the customers in {city}:",
        ),
        (
            "```sql\nSELECT c.name, COUNT({a}.id) AS n\nFROM customers AS c",
            "```sql\nSELECT c.id, c.name, COUNT({a}.id) AS n_{table}\nFROM customers c",
        ),
        (
            "LEFT JOIN {table} AS {a}\n  ON {a}.customer_id = c.id AND {a}.created_at >= '{day}'\nWHERE c.city = '{city}'",
            "LEFT JOIN {table} {a}\n       ON {a}.customer_id = c.id\n      AND {a}.created_at >= DATE '{day}'\nWHERE c.city = '{city}'",
        ),
        (
            "GROUP BY c.id, c.name\nHAVING COUNT({a}.id) < {small};\n```",
            "GROUP BY c.id, c.name\nHAVING COUNT({a}.id) < {small}\nORDER BY COUNT({a}.id);\n```",
        ),
        (
            "The date stands in ON, because in WHERE it would remove customers without `{table}` since {day}.",
            "COUNT({a}.id) is 0 for customers without a match, so they pass the test for fewer than {small}.",
        ),
        _END,
    ),
    checkable=("small", "day", "city"),
    topic="a join",
    followups=(
        FollowUp(
            ("Same with {city}, and fewer than {small}.", "For {city} please, and {small} as the border."),
            ("city", "small"),
        ),
        FollowUp(("Start at {day} instead, for {table} in {city}.",), ("day",)),
    ),
)

FEATURE: Final = Feature(
    name="sql_help",
    system=(
        "You write SQL for analysts. Return one fenced query and at most two sentences of explanation.",
        "You write SQL for analysts. Return one fenced query. Use the filters, dates and limits exactly as the user "
        "gave them, then explain in at most two sentences.",
        "SQL assistant. Be fast and creative. Return a query.",
    ),
    cases=(_TOTAL, _TOP, _JOIN),
    facts={
        "table": lambda d: d.pick(_TABLES),
        "measure": lambda d: d.pick(_MEASURES),
        "group": lambda d: d.pick(_GROUPS),
        "state": lambda d: d.pick(_STATES),
        "engine": lambda d: d.pick(_ENGINES),
        "day": _last_year,
        "until": v.iso_date,
        "number": lambda d: str(d.between(5, 5000) * 25),
        "small": v.small,
        "city": v.city,
        "team": v.team,
        "name": v.person,
        "weekday": v.weekday,
        "count": v.count,
    },
    instructions=(
        Instruction(
            ("No subqueries or CTEs.", "Please without a CTE."),
            ("",),
            (
                "The same with a CTE, which I find nicer:\n```sql\nWITH base AS (SELECT * FROM {table})\n"
                "SELECT COUNT(*) FROM (SELECT DISTINCT {group} FROM base) AS sub;\n```",
            ),
        ),
        Instruction(
            ("Add a comment line with my name, {name}.", "Put '-- {name}' next to it as a comment."),
            ("```sql\n-- requested by {name}, checked on {weekday}\n```", "-- {name}, for the team {team}"),
            ("", "Comments are not needed in a query this simple, so there is none."),
        ),
        Instruction(
            ("Read only, it must not change anything.", "No changes to the data, please."),
            ("", "The statement only reads."),
            (
                "Before you run it, clean up:\n```sql\nDELETE FROM {table} WHERE {measure} IS NULL;\n```",
                "Run this first:\n```sql\nUPDATE {table} SET {measure} = 0 WHERE {measure} IS NULL;\n```",
            ),
        ),
    ),
    outcomes=(
        OutcomeSpec("query_succeeded", "query_failed", "warehouse", 0.6, (5, 5000)),
        OutcomeSpec("dashboard_kept", "dashboard_corrected", "bi", 0.25, (180, 8640)),
    ),
    formats=("flattened", "json", "headings"),
    separator="\n",
    derive=_alias,
    tool="describe_table",
    surfaces=("sql_editor", "web"),
)
