"""Drops with everything a drop can hold, made by the normal build from events."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from contracts.settings import CurationSettings, Settings
from curation.judge.base import make_judge
from curation.nightly import DropResult, make_drop
from tests.curation.dialogues import Events, asked, did, edited, regenerated, turned_out
from tests.curation.judge.server import FakeServer, better
from tests.curation.judged_drops import judged_drop, judged_settings
from tests.lakes import ingest, new_lake

NOW_US: Final = 1_900_000_000_000_000

CITIES: Final = {
    "Peru": ("Lima", "Cusco"),
    "Kenya": ("Nairobi", "Mombasa"),
    "Canada": ("Ottawa", "Toronto"),
    "Türkiye": ("Ankara", "İstanbul"),
    "Brazil": ("Brasília", "Rio de Janeiro"),
    "Morocco": ("Rabat", "Casablanca"),
    "Vietnam": ("Hà Nội", "Thành phố Hồ Chí Minh"),
    "Kazakhstan": ("Астана", "Алматы"),
    "New Zealand": ("Wellington", "Auckland"),
    "Switzerland": ("Bern", "Zürich"),
    "Nigeria": ("Abuja", "Lagos"),
    "Pakistan": ("Islamabad", "Karachi"),
    "Myanmar": ("Naypyidaw", "Yangon"),
    "Ecuador": ("Quito", "Guayaquil"),
    "Côte d’Ivoire": ("Yamoussoukro", "Abidjan"),
    "China": ("北京", "上海"),
}
"""Country → its capital and a larger city people take for it."""

SEARCH: Final = {
    "name": "search",
    "description": "Looks a place up.",
    "parameters": {
        "type": "object",
        "properties": {"q": {"type": "string"}, "limit": {"type": "integer"}},
        "required": ["q"],
    },
}
BROWSE: Final = {
    "name": "browse",
    "description": "Opens a page.",
    "parameters": {"type": "object", "properties": {"page": {"type": "string"}}},
}


def text(role: str, content: str) -> dict[str, Any]:
    """A message of one text."""
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def calls(*called: tuple[str, dict[str, Any]], say: str = "") -> dict[str, Any]:
    """A message of the assistant that calls functions; ids are counted from c0."""
    parts: list[dict[str, Any]] = [{"type": "text", "content": say}] if say else []
    for n, (name, arguments) in enumerate(called):
        parts.append({"type": "tool_call", "id": f"c{n}", "name": name, "arguments": arguments})
    return {"role": "assistant", "parts": parts}


def answers(*given: Any) -> dict[str, Any]:
    """A message with what the functions answered, in the order of their calls."""
    responses = [
        {"type": "tool_call_response", "id": f"c{n}", "response": value} for n, value in enumerate(given)
    ]
    return {"role": "tool", "parts": responses}


def logged(events: Events, **fields: Any) -> Events:
    """The events with the texts of every request given as messages."""
    for kind, event in events:
        if kind == "request":
            for field, sugar in (("input_messages", "prompt"), ("output_messages", "response")):
                if field in fields:
                    event.pop(sugar)
            event |= fields
    return events


def plain(country: str) -> Events:
    """An edited answer and one that was voted down, about a country."""
    capital, other = CITIES[country]
    right, wrong = f"The capital of {country} is {capital}.", f"The capital of {country} is {other}."
    bad = asked(
        f"{country}-bad", prompt=f"Is {other} the seat of {country}?", response=f"Yes, {other} it is."
    )
    return [
        *edited(country, right, prompt=f"What is the capital of {country}?", response=wrong),
        *bad,
        *did(f"{country}-bad", "thumbs", value=-1),
    ]


def praised(country: str) -> Events:
    """An accepted answer in one go, and one that calls a function after another has answered."""
    capital, _ = CITIES[country]
    talk = [
        text("user", f"Find the capital of {country} and show its page."),
        calls(("search", {"q": f"capital {country}"})),
        answers({"hits": [capital]}),
    ]
    opened = {"output_messages": [calls(("browse", {"page": f"places/{capital}"}))]}
    first, second = f"{country}-good", f"{country}-page"
    return [
        *asked(first, prompt=f"Name the capital of {country}, please.", response=f"It is {capital}."),
        *did(first, "accept"),
        *turned_out(first, success=True),
        *logged(asked(second), input_messages=talk, tools=[SEARCH, BROWSE], **opened),
        *did(second, "accept"),
        *turned_out(second, success=True),
    ]


def talked(country: str) -> Events:
    """An edit after a conversation with a system prompt, with characters that break readers of lines."""
    capital, other = CITIES[country]
    talk = [
        text("system", "Answer in one sentence.\nNever guess."),
        text("user", f"I am planning a trip to {country}.\u2028Can you help?"),
        text("assistant", "Of course! What would you like to know?"),
        text("user", f"Which city of {country} has the government? 🏛️"),
    ]
    right, wrong = f"In {country} that is {capital}.", f"In {country} that is {other}."
    return logged(edited(f"{country}-talk", right, response=wrong), input_messages=talk)


def looked_up(country: str) -> Events:
    """An edit after two functions were called at once, and answered in text and in JSON."""
    capital, other = CITIES[country]
    talk = [
        text("user", f"Look up the capital of {country}."),
        calls(
            ("search", {"q": f"capital {country}", "limit": 3}),
            ("browse", {"page": f"places/{country}"}),
            say="I look it up.",
        ),
        answers({"hits": [capital], "total": 1}, f"{capital} lies in {country}."),
    ]
    right, wrong = f"I found {capital}, the capital of {country}.", f"I found {other} for {country}."
    events = edited(f"{country}-tools", right, response=wrong)
    return logged(events, input_messages=talk, tools=[SEARCH, BROWSE])


def called(country: str) -> Events:
    """A regenerated answer whose sides call a function, with other arguments."""
    capital, other = CITIES[country]
    events = regenerated(f"{country}-calls", prompt=f"Show me {capital} in {country} on the map.")
    requests = [event for kind, event in events if kind == "request"]
    for request, place in zip(requests, (other, capital), strict=True):
        del request["response"]
        request |= {"output_messages": [calls(("search", {"q": place}))], "tools": [SEARCH]}
    return events


def everything() -> Events:
    """Pairs with and without tools and single rows about every country; most single rows are bad."""
    events: Events = []
    for n, country in enumerate(CITIES):
        events += plain(country) + talked(country) + looked_up(country) + called(country)
        events += praised(country) if n % 3 == 0 else []
    return events


def without_tools() -> Events:
    """Pairs and single rows of which none has to do with tools."""
    events: Events = []
    for country in CITIES:
        events += plain(country) + talked(country)
    return events


def settings_of(home: Path, **curation: Any) -> Settings:
    """Settings with a validation split that a few dozen users fill."""
    kept: dict[str, Any] = {"control_share": 1.0, "validation_share": 0.25, **curation}
    return Settings(home=home, curation=CurationSettings(**kept))


def drop_of(home: Path, events: Events) -> DropResult:
    """A drop of these events in a home of its own, judged by the rules."""
    lake = new_lake(home / "lake")
    ingest(lake, events)
    settings = settings_of(home)
    judge = make_judge(settings.judge, curation=settings.curation)
    return make_drop(lake, settings.drops_root, settings, judge, now_us=NOW_US)


def compared_drop_of(home: Path, events: Events, server: FakeServer) -> DropResult:
    """A drop whose pairs were all compared by a judge, so that every one has a margin."""
    capitals = {capital for capital, _ in CITIES.values()}
    server.prefer = better(lambda answer: any(capital in answer for capital in capitals))
    lake = new_lake(home / "lake")
    ingest(lake, events)
    return judged_drop(
        lake, judged_settings(home, server, compare="all", curation={"validation_share": 0.25})
    )
