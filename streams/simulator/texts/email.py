# ruff: noqa: E501 - sentences are easier to read on one line
"""E-mail drafting: invitations, delays, thanks, payment reminders."""

from __future__ import annotations

from typing import Final

from streams.simulator import vocabulary as v
from streams.simulator.grammar import Case, Feature, FollowUp, Instruction, OutcomeSpec

_GREETING: Final = ("Dear {name},", "Hi {name},", "Hello {name},", "Good morning {name},")
_CLOSING: Final = (
    "Best regards,\n{me}",
    "Kind regards,\n{me}",
    "Many thanks,\n{me}",
    "All the best,\n{me}, {company}",
)
_CONTEXT: Final = (
    "",
    "",
    "Context: this is part of project {project}, and {name} joined only recently.",
    "For background, {name} works in {team} at {company}.",
    "They know about project {project} already, so no long introduction.",
    "We spoke about it on the phone on {weekday}, so keep it natural.",
)
_SIGN: Final = (
    "Sign it as {me}.",
    "I am {me} from {company}.",
    "My name is {me}.",
    "It goes out from {me}, {company}.",
)

_INVITE = Case(
    name="invitation",
    opening=(
        "Write an e-mail inviting {name} to a meeting about {subject}.",
        "Draft an invitation to {name}: we want to discuss {subject}.",
        "I need a short mail asking {name} to join a meeting on {subject}.",
        "Could you write to {name} and set up a meeting about {subject}?",
        "Help me invite {name} to talk through {subject}.",
    ),
    body=(
        ("It is on {date} at {time}.", "Date: {date}, {time}.", "We meet on {date}, starting at {time}."),
        ("The place is our office in {city}.", "We meet in {city}.", "Location: {city}, second floor."),
        _SIGN,
        _CONTEXT,
    ),
    answer=(
        _GREETING,
        (
            "I would like to invite you to a meeting about {subject} on {date} at {time}.",
            "We are planning to discuss {subject} on {date} at {time}, and I would be glad if you could join.",
            "Could you join us on {date} at {time} to talk about {subject}?",
            "To move forward with {subject}, we are getting together on {date}, starting at {time}.",
        ),
        (
            "We will meet at our office in {city}; reception will show you the way.",
            "The meeting takes place in {city}, and a dial-in link will follow for those who cannot travel.",
            "Please come to our {city} office, where a room is reserved for us.",
        ),
        (
            "",
            "An agenda will follow two days before.",
            "If you would like to add a topic, simply reply to this message.",
            "It should take no more than an hour, and coffee is provided.",
        ),
        (
            "Please let me know whether you can make it.",
            "A short confirmation would help us plan.",
            "I look forward to hearing from you.",
            "Do tell me if another slot suits you better.",
        ),
        _CLOSING,
    ),
    checkable=("date", "time", "city", "name"),
    topic="a meeting invitation",
    followups=(
        FollowUp(
            (
                "The meeting about {subject} moved: {date} at {time} now. Update the mail to {name}.",
                "Change the time to {time} on {date}, everything else stays.",
                "Please correct it, we meet on {date} at {time} instead.",
            ),
            ("date", "time"),
        ),
        FollowUp(
            (
                "Now write the same to {name}, who is coming to {city}.",
                "Same mail for {name} please, but the place is {city}.",
            ),
            ("name", "city"),
        ),
    ),
)

_DELAY = Case(
    name="delay",
    opening=(
        "Write to {name} at {company} that {subject} will be late.",
        "I have to tell {name} about a delay with {subject}, please draft the mail.",
        "Draft an apology to {name}: {subject} slips.",
        "We need to postpone {subject}. Write a mail to {name}.",
    ),
    body=(
        ("The new date is {date}.", "It will be done by {date} now.", "We expect to finish on {date}."),
        ("Reason: {reason}.", "This is because {reason}.", "The cause is simple: {reason}."),
        ("We lose {small} days.", "That is {small} days later than planned.", "The slip is {small} days."),
        _SIGN,
        _CONTEXT,
    ),
    answer=(
        _GREETING,
        (
            "I am writing to let you know that {subject} will be ready on {date}, {small} days later than planned.",
            "Unfortunately {subject} is delayed by {small} days; the new date is {date}.",
            "We have had to move {subject} to {date}, which is a slip of {small} days.",
        ),
        (
            "The reason is that {reason}.",
            "This happened because {reason}, and we did not want to cut corners.",
            "To be open about the cause: {reason}.",
        ),
        (
            "I am sorry for the trouble this causes you.",
            "Please accept our apologies for the inconvenience.",
            "I know this is not the news you were hoping for, and I apologise.",
        ),
        (
            "",
            "We will send a short status note every week until then.",
            "If the new date creates a problem on your side, call me and we will find a way.",
            "The first part can be handed over earlier should that help.",
        ),
        _CLOSING,
    ),
    checkable=("date", "small", "reason"),
    topic="a notice of delay",
    followups=(
        FollowUp(
            (
                "It got worse: {small} days, so {date}. Please update the mail to {name}.",
                "New information, we now deliver on {date}, {small} days late. Adjust it.",
            ),
            ("date", "small"),
        ),
        FollowUp(
            ("Actually the reason is that {reason}. Put that in instead.", "Use another reason: {reason}."),
            ("reason",),
        ),
    ),
)

_PAYMENT = Case(
    name="payment_reminder",
    opening=(
        "Remind {name} at {company} that invoice {order} is unpaid.",
        "Write a payment reminder to {name} for invoice {order}.",
        "Invoice {order} is overdue, please draft a mail to {name}.",
        "I need to chase {name} about invoice {order}.",
    ),
    body=(
        ("The amount is {amount} EUR.", "It is over {amount} EUR.", "They owe {amount} EUR."),
        ("It was due on {date}.", "Due date was {date}.", "Payment should have come by {date}."),
        _SIGN,
        _CONTEXT,
    ),
    answer=(
        _GREETING,
        (
            "Our records show that invoice {order} over {amount} EUR, due on {date}, has not been paid yet.",
            "This is a reminder that {amount} EUR for invoice {order} was due on {date}.",
            "I am getting in touch about invoice {order}: the sum of {amount} EUR was payable by {date}.",
        ),
        (
            "Please transfer the amount within ten days.",
            "We would be grateful if you could arrange the payment this week.",
            "Could you let me know when we can expect the transfer?",
        ),
        (
            "",
            "If the payment is already on its way, please disregard this message.",
            "A copy of the invoice is attached for your convenience.",
            "Should something be wrong with the invoice, tell me and I will look into it today.",
        ),
        _CLOSING,
    ),
    checkable=("amount", "date", "order"),
    topic="a payment reminder",
    followups=(
        FollowUp(
            (
                "They paid a part, {amount} EUR are left of invoice {order}. Change that.",
                "Make it {amount} EUR, the rest of the text about {order} is fine.",
            ),
            ("amount",),
        ),
        FollowUp(
            ("Set the due date to {date} please, I had the wrong sheet for {order}.",),
            ("date",),
        ),
    ),
)

_THANKS = Case(
    name="thanks",
    opening=(
        "Write a thank-you note to {name} for the help with {subject}.",
        "Please thank {name} from {team} for their work on {subject}.",
        "Draft a warm mail to {name}, who helped us with {subject}.",
    ),
    body=(
        (
            "They found {small} mistakes before we sent it out.",
            "They saved us {small} days of work.",
            "They stayed late on {small} evenings.",
        ),
        ("The result was shown on {date}.", "We finished on {date}.", "It went live on {date}."),
        _SIGN,
        _CONTEXT,
    ),
    answer=(
        _GREETING,
        (
            "Thank you for your help with {subject}; without you we would not have finished on {date}.",
            "I wanted to thank you properly for what you did for {subject} before {date}.",
            "Now that {subject} is done since {date}, I owe you a big thank-you.",
        ),
        (
            "The number {small} says it all, and everybody here in {company} noticed.",
            "What you did {small} times over was far from obvious, and it made the difference.",
            "I counted {small} occasions on which you saved the day.",
        ),
        (
            "The whole group enjoyed working with someone from {team}.",
            "Please pass our thanks on to your colleagues in {team} too.",
            "I have told your manager in {team} how much it helped.",
        ),
        ("", "Lunch is on me next time you are in {city}.", "I hope we work together again soon."),
        _CLOSING,
    ),
    checkable=("date", "small", "subject"),
    topic="a note of thanks",
    followups=(
        FollowUp(
            ("Now one for {name} of {team} as well, same occasion.", "Same for {name} in {team} please."),
            ("name", "team"),
        ),
        FollowUp(("We finished on {date}, not earlier. Fix the date in the note to {name}.",), ("date",)),
    ),
)

FEATURE: Final = Feature(
    name="email_drafting",
    system=(
        "You draft business e-mails. Use the facts given, invent nothing, and answer with the e-mail as plain text.",
        "You are a careful writing assistant for e-mails. Plain text only. Keep every date, name and number exactly "
        "as the user gave it, and follow the requested tone.",
    ),
    cases=(_INVITE, _DELAY, _PAYMENT, _THANKS),
    facts={
        "name": v.person,
        "me": v.full_name,
        "company": v.company,
        "subject": v.subject,
        "date": v.date,
        "time": v.clock,
        "city": v.city,
        "team": v.team,
        "project": v.project,
        "weekday": v.weekday,
        "reason": v.because,
        "small": v.small,
        "amount": v.amount,
        "order": v.order_number,
    },
    instructions=(
        Instruction(
            ("Do not mention money or discounts.", "Leave costs out of it.", "Nothing about prices, please."),
            ("",),
            (
                "As for the costs, we can offer you a discount of ten percent on the next order if that helps.",
                "By the way, prices will rise next quarter, so it is worth talking about the budget soon.",
            ),
        ),
        Instruction(
            (
                "Ask them to answer by {weekday}.",
                "They should reply by {weekday}.",
                "Add that we need an answer by {weekday}.",
            ),
            ("We need your answer by {weekday}.", "Please reply by {weekday} at the latest."),
            ("", "There is no hurry at all, answer whenever you like."),
        ),
        Instruction(
            ("Keep it formal.", "The tone should be formal.", "Formal wording please, no jokes."),
            ("", "Please do not hesitate to contact me with any questions."),
            (
                "Haha, no pressure though, you know how these things go around here!!",
                "Anyway, ping me whenever, cheers and stay awesome!",
            ),
        ),
        Instruction(
            ("Keep it short.", "Not too long please.", "At most five sentences."),
            ("",),
            (
                "Let me use the opportunity to give you some more background on how we arrived here, because there "
                "were several conversations over the past months, each of which brought its own considerations.",
                "As you may remember, this topic has a long history, and many people were involved in it, which is "
                "why I would like to describe the individual steps in some more detail further below.",
            ),
        ),
    ),
    outcomes=(
        OutcomeSpec("email_sent", "draft_discarded", "mail-client", 0.55, (5, 4320)),
        OutcomeSpec("reply_received", "clarification_requested", "mail-client", 0.25, (90, 8640)),
    ),
    separator="\n\n",
    closing=True,
    difficulty=0.85,
    surfaces=("web", "mail_plugin", "mobile"),
)
