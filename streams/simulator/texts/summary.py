# ruff: noqa: E501 - sentences are easier to read on one line
"""Document summary: a report, minutes or an incident note, and its summary."""

from __future__ import annotations

from typing import Final

from streams.simulator import vocabulary as v
from streams.simulator.grammar import Case, Feature, FollowUp, Instruction, OutcomeSpec

_ASK: Final = (
    "Summarise the following text for {name} in {team}.\n\n",
    "Give me the key points of this document:\n\n",
    "I have to present this on {weekday}. What does it say?\n\n",
    "Please condense this text to a few sentences.\n\n",
    "{name} asked for a summary of the note below.\n\n",
    "What is important in here?\n\n",
)

_REPORT = Case(
    name="quarterly_report",
    opening=_ASK,
    body=(
        (
            "The {city} branch of {company} closed the quarter with revenue of {amount} thousand.",
            "In {city}, {company} reported revenue of {amount} thousand for the quarter.",
        ),
        (
            "That is {percent} more than in the year before, mostly because of the {product} line.",
            "Compared with last year this is a plus of {percent}, driven by demand for the {product}.",
        ),
        (
            "{count} new customers were won, many of them through recommendations.",
            "The number of new customers came to {count}, which surprised even the sales staff.",
        ),
        (
            "Costs for freight rose again, and the lease in {city} was extended.",
            "Staff turnover stayed low, while energy costs went up noticeably.",
            "The management praised the work of the {team} team in particular.",
            "",
        ),
        (
            "Returns remain a concern: {small} percent of all parcels came back.",
            "A weak point are returns, at {small} percent of the parcels.",
        ),
        (
            "A decision about a second warehouse is planned for {date}.",
            "The board will decide on {date} whether to open a second warehouse.",
        ),
    ),
    answer=(
        (
            "{company} made {amount} thousand in revenue at its {city} branch, up {percent}.",
            "Revenue in {city} reached {amount} thousand, {percent} above the year before.",
            "The quarter brought {company} {amount} thousand in {city}, an increase of {percent}.",
        ),
        (
            "Growth came mainly from the {product} line, and {count} customers were added.",
            "{count} new customers were won, with the {product} selling best.",
            "The {product} was the driver, and the customer base grew by {count}.",
        ),
        (
            "Returns are a problem at {small} percent of parcels.",
            "On the downside, {small} percent of parcels were returned.",
            "The text names returns, at {small} percent, as the main concern.",
        ),
        (
            "A decision on a second warehouse follows on {date}.",
            "The board decides about a second warehouse on {date}.",
        ),
        ("", "", "Overall the tone of the report is optimistic.", "Costs are mentioned, but only briefly."),
    ),
    checkable=("amount", "percent", "count", "small", "date"),
    topic="a business report",
    ordered=True,
    followups=(
        FollowUp(
            (
                "They sent a correction: revenue is {amount} thousand, a plus of {percent}. Redo the summary.",
                "Update it with the revised figures, {amount} thousand and {percent}.",
            ),
            ("amount", "percent"),
        ),
        FollowUp(("The warehouse decision is on {date} now, rewrite the summary accordingly.",), ("date",)),
    ),
)

_MINUTES = Case(
    name="minutes",
    opening=_ASK,
    body=(
        (
            "Minutes of the meeting on {subject}, project {project}, {date}.",
            "Project {project}: notes from {date} about {subject}.",
        ),
        (
            "{name} reported that {count} of the planned items are finished.",
            "According to {name}, {count} items are done so far.",
        ),
        (
            "There was a long discussion about who looks after the open questions; no vote was taken.",
            "The {team} team explained its view in some detail and showed two charts.",
            "",
            "Several people asked for better notice of changes, and the room agreed.",
        ),
        (
            "It was decided to spend {amount} on outside help.",
            "The group approved a budget of {amount} for external support.",
        ),
        (
            "The main risk is that {reason}.",
            "One risk was named: {reason}.",
        ),
        (
            "Next meeting: {weekday} at {time}, in {city}.",
            "The group meets again in {city} on {weekday} at {time}.",
        ),
    ),
    answer=(
        (
            "The meeting of {date} dealt with {subject} in project {project}.",
            "On {date} the {project} group talked about {subject}.",
        ),
        (
            "{count} items are finished, according to {name}.",
            "{name} said that {count} items are complete.",
            "Progress: {count} items done, as {name} reported.",
        ),
        (
            "A budget of {amount} for outside help was approved.",
            "The group agreed to spend {amount} on external support.",
        ),
        (
            "The risk named was that {reason}.",
            "As a risk, it was noted that {reason}.",
        ),
        (
            "They meet again on {weekday} at {time} in {city}.",
            "The next meeting is in {city}, {weekday}, {time}.",
        ),
    ),
    checkable=("count", "amount", "date", "time", "weekday"),
    topic="meeting minutes",
    ordered=True,
    followups=(
        FollowUp(
            (
                "The next meeting is {weekday} at {time} after all. Please correct the summary for {project}.",
                "Change the next meeting to {weekday}, {time}, and give me the summary again.",
            ),
            ("weekday", "time"),
        ),
        FollowUp(
            ("The approved budget is {amount}, I mistyped it. Summarise {project} again.",), ("amount",)
        ),
    ),
)

_INCIDENT = Case(
    name="incident",
    opening=_ASK,
    body=(
        (
            "On {date} at {time} the ordering system of {company} stopped accepting payments.",
            "Payments at {company} failed from {time} on {date}.",
        ),
        (
            "The outage lasted {small} hours and touched {count} orders.",
            "{count} orders were affected during the {small} hours of the outage.",
        ),
        (
            "The first alarm was missed because it went to an old mailbox.",
            "The {team} team noticed it only after customers had called.",
            "Restarting the servers did not help, and a first fix had to be taken back.",
            "",
        ),
        (
            "The cause was an expired certificate in the {city} data centre.",
            "An expired certificate in {city} turned out to be the cause.",
        ),
        (
            "The lost revenue is put at {amount}.",
            "Finance estimates the loss at {amount}.",
        ),
        (
            "{name} will present measures by {weekday}.",
            "Measures are due on {weekday}; {name} is responsible.",
        ),
    ),
    answer=(
        (
            "{company} could not take payments from {time} on {date}, for {small} hours.",
            "A payment outage of {small} hours hit {company} on {date}, starting at {time}.",
        ),
        (
            "{count} orders were affected, with a loss of about {amount}.",
            "It affected {count} orders and cost an estimated {amount}.",
        ),
        (
            "The cause was an expired certificate in {city}.",
            "In {city} a certificate had expired, which caused the failure.",
        ),
        (
            "{name} presents measures by {weekday}.",
            "Countermeasures are due from {name} on {weekday}.",
        ),
        ("", "", "The alarm did not reach the right people in time, so monitoring is part of the lesson."),
    ),
    checkable=("small", "count", "amount", "date", "city"),
    topic="an incident report",
    ordered=True,
    followups=(
        FollowUp(
            ("The count was revised to {count} orders and {amount}. Update the summary please.",),
            ("count", "amount"),
        ),
        FollowUp(("It was the {city} site. Give me the incident summary with that corrected.",), ("city",)),
    ),
)

FEATURE: Final = Feature(
    name="document_summary",
    system=(
        "You summarise documents faithfully in plain sentences. Do not add anything that is not in the text.",
        "Summarise the user's document. Plain sentences, no lists or headings. Every figure must be copied exactly, "
        "and nothing may be added.",
    ),
    cases=(_REPORT, _MINUTES, _INCIDENT),
    facts={
        "name": v.person,
        "team": v.team,
        "weekday": v.weekday,
        "company": v.company,
        "city": v.city,
        "amount": v.amount,
        "percent": v.percent,
        "count": v.count,
        "small": v.small,
        "date": v.date,
        "product": v.product,
        "subject": v.subject,
        "project": v.project,
        "time": v.clock,
        "reason": v.because,
    },
    instructions=(
        Instruction(
            ("\n\nNo recommendations, only what the text says.", "\n\nDo not add your own opinion."),
            ("",),
            (
                "In my opinion the management should act much faster here and replace the people in charge.",
                "I would strongly recommend to review the whole strategy and hire an outside consultant.",
            ),
        ),
        Instruction(
            (
                "\n\nEnd with one sentence on what happens next.",
                "\n\nThe last sentence should name the next step for {team}.",
            ),
            ("Next step: {team} follows up with {name}.", "What happens next: {name} informs {team}."),
            ("", "There is more in the text, which you may read if you are interested."),
        ),
        Instruction(
            ("\n\nKeep it under 80 words.", "\n\nVery short please."),
            ("",),
            (
                "To put this into perspective, it is worth going through the document paragraph by paragraph, since "
                "each of them adds a detail, and since readers may come to it with different expectations.",
            ),
        ),
    ),
    outcomes=(OutcomeSpec("summary_shared", "source_reopened", "docs-service", 0.6, (10, 7200)),),
    asking_separator=" ",
    difficulty=0.95,
    surfaces=("web", "docs_plugin"),
)
