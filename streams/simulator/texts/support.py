# ruff: noqa: E501 - sentences are easier to read on one line
"""Support answers: late parcels, returns, accounts, warranty."""

from __future__ import annotations

from typing import Final

from streams.simulator import vocabulary as v
from streams.simulator.grammar import Case, Feature, FollowUp, Instruction, OutcomeSpec

_HELLO: Final = ("Hello {name},", "Hi {name},", "Dear {name},", "Thank you for getting in touch, {name}.")
_BYE: Final = (
    "Is there anything else I can do for you?",
    "Best wishes from the {company} support team.",
    "Just reply to this message if something is unclear.",
    "Thank you for your patience.",
)
_MOOD: Final = (
    "",
    "",
    "I have been a customer for {small} years.",
    "This is really frustrating.",
    "I need it for a trip to {city}.",
    "It was meant as a present for {friend}.",
    "Your chat was closed when I tried on {weekday}.",
)

_PARCEL = Case(
    name="late_parcel",
    opening=(
        "Where is my {product}?",
        "My order has still not arrived.",
        "I am waiting for a parcel with a {product}.",
        "The {product} I ordered is late.",
        "Can you check a delivery for me?",
    ),
    body=(
        ("The order number is {order}.", "It is order {order}.", "Order: {order}."),
        (
            "I ordered the {product} on {date}.",
            "Bought on {date}, a {product}, {amount} EUR.",
            "It was a {product}, ordered {date}.",
        ),
        (
            "Tracking has said '{city}' for {small} days.",
            "For {small} days the tracking shows only {city}.",
            "It seems stuck in {city}, no news since {small} days.",
        ),
        ("My name is {name}.", "{name} here.", "I am {name}, by the way."),
        _MOOD,
    ),
    answer=(
        _HELLO,
        (
            "I am sorry that your {product} from order {order} has not arrived yet.",
            "Order {order} with the {product} should have reached you by now, and I apologise for the wait.",
        ),
        (
            "The parcel has been at the {city} depot for {small} days because of a missing customs label.",
            "I can see that it was scanned in {city} {small} days ago and then set aside for a label check.",
        ),
        (
            "The carrier has promised delivery by {weekday}; if it is not there, we send a new one free of charge.",
            "It leaves the depot today and should be with you by {weekday}, otherwise we will replace it.",
        ),
        (
            "",
            "You do not have to do anything.",
            "You will get a message with a new tracking link this evening.",
        ),
        _BYE,
    ),
    checkable=("order", "city", "small", "weekday"),
    topic="a delivery question",
    followups=(
        FollowUp(
            (
                "There is a second order, {order}, stuck in {city}. And that one?",
                "What about {order}? It says {city}.",
            ),
            ("order", "city"),
        ),
        FollowUp(("Will the {product} be there by {weekday} for sure? I leave after that.",), ("weekday",)),
    ),
)

_RETURN = Case(
    name="return",
    opening=(
        "I want to return a {product}.",
        "How do I send back the {product} I bought?",
        "The {product} does not fit, can I return it?",
        "Please help me with a return.",
    ),
    body=(
        ("Order number {order}.", "The order was {order}.", "It belongs to order {order}."),
        ("I paid {amount} EUR.", "The price was {amount} EUR.", "It cost me {amount} EUR."),
        ("It arrived on {date}.", "Delivery was on {date}.", "I got it on {date}."),
        (
            "It is unused.",
            "The box is open but nothing is missing.",
            "There is a scratch, it came like that.",
            "The colour is different from the picture.",
        ),
        ("My name is {name}.", "Best, {name}.", "I am {name}."),
        _MOOD,
    ),
    answer=(
        _HELLO,
        (
            "You can return the {product} from order {order} within 30 days of {date}.",
            "Since the {product} of order {order} arrived on {date}, you are well within the 30 days for returns.",
        ),
        (
            "I have sent you a return label; drop the parcel at any shop of the carrier.",
            "Please print the label in your account under 'Returns' and hand the parcel in at the post office.",
        ),
        (
            "We refund {amount} EUR to your original way of paying within five days after it arrives.",
            "As soon as the parcel is checked, {amount} EUR go back to you, usually within five days.",
        ),
        ("", "Shipping is free for you.", "Please keep the receipt until the refund has arrived."),
        _BYE,
    ),
    checkable=("order", "amount", "date", "product"),
    topic="a return",
    followups=(
        FollowUp(
            (
                "I also want to return the {product} for {amount} EUR. Same way?",
                "And how much do I get for the {product}? I paid {amount} EUR.",
            ),
            ("product", "amount"),
        ),
        FollowUp(("Sorry, it arrived on {date}. Does the return of order {order} still work?",), ("date",)),
    ),
)

_WARRANTY = Case(
    name="warranty",
    opening=(
        "My {product} broke after {small} months.",
        "The {product} I bought from you stopped working.",
        "I have a problem with a {product}.",
        "Is a broken {product} covered by the warranty?",
    ),
    body=(
        ("I have had it for {small} months.", "It is {small} months old.", "Bought {small} months ago."),
        ("Order {order}.", "The order number is {order}.", "See order {order}."),
        (
            "It makes a noise and then switches itself off.",
            "One part came loose and cannot be fixed again.",
            "It no longer reacts to anything.",
            "The seam opened along one side.",
        ),
        ("I live in {city}.", "Is there a repair shop near {city}?", "I could bring it to {city}."),
        ("Greetings, {name}.", "My name is {name}.", "This is {name}."),
        _MOOD,
    ),
    answer=(
        _HELLO,
        (
            "I am sorry to hear that your {product} failed after {small} months.",
            "That should not happen to a {product} of {small} months, and I apologise.",
        ),
        (
            "It is covered by our warranty of two years, so the repair of order {order} costs you nothing.",
            "Our two-year warranty applies to order {order}: repair or replacement is free.",
        ),
        (
            "You can hand it in at our partner in {city} or send it to us with the label I mailed you.",
            "The nearest partner is in {city}; no appointment is needed.",
        ),
        (
            "Repairs take about {weeks} working days.",
            "Please count on {weeks} working days until you have it back.",
        ),
        _BYE,
    ),
    checkable=("small", "order", "city", "product"),
    topic="a warranty claim",
    followups=(
        FollowUp(
            ("Is there also a partner in {city}? That is closer to me.", "I moved to {city}, where do I go?"),
            ("city",),
        ),
        FollowUp(("And the {product} from order {order}, also broken. Covered too?",), ("product", "order")),
    ),
)

_ACCOUNT = Case(
    name="account",
    opening=(
        "I was charged twice for order {order}.",
        "There is a charge of {amount} EUR I do not recognise.",
        "My invoice for {order} is wrong.",
        "Please check a payment for me.",
    ),
    body=(
        ("The amount is {amount} EUR.", "It says {amount} EUR.", "We talk about {amount} EUR."),
        ("It was booked on {date}.", "Booking date: {date}.", "I saw it on {date}."),
        ("The order is {order}.", "Order no. {order}.", "It refers to {order}."),
        ("My name is {name}.", "Name on the account: {name}.", "Regards, {name}."),
        _MOOD,
    ),
    answer=(
        _HELLO,
        (
            "I have checked the booking of {amount} EUR from {date} for order {order}.",
            "Thank you for pointing out the charge of {amount} EUR for order {order} on {date}.",
        ),
        (
            "It was indeed made twice by our payment provider, and the second one has been cancelled.",
            "You are right, the sum was taken two times by mistake; one of them is being reversed.",
        ),
        (
            "The money should be back in your account within {weeks} working days.",
            "Please allow {weeks} working days until your bank shows the refund.",
        ),
        ("", "A corrected invoice is in your account.", "I am sorry for the confusion this caused."),
        _BYE,
    ),
    checkable=("amount", "date", "order"),
    topic="a payment question",
    followups=(
        FollowUp(("I found another one, {amount} EUR on {date}. Same mistake?",), ("amount", "date")),
        FollowUp(("Can you send the corrected invoice for {order} too?",), ("order",)),
    ),
)

FEATURE: Final = Feature(
    name="support_answer",
    system=(
        "You answer customers of an online shop. Be friendly, precise and brief. Use only what the order system says.",
        "You are the support assistant of an online shop. Quote order numbers, dates and sums exactly as given. "
        "Answer as running text, never promise what policy does not allow.",
    ),
    cases=(_PARCEL, _RETURN, _WARRANTY, _ACCOUNT),
    facts={
        "name": v.person,
        "friend": v.person,
        "product": v.product,
        "order": v.order_number,
        "date": v.date,
        "amount": v.amount,
        "city": v.city,
        "small": v.small,
        "weekday": v.weekday,
        "company": v.company,
        "weeks": lambda d: str(d.between(3, 12)),
    },
    instructions=(
        Instruction(
            ("Please do not send me to a hotline.", "No phone calls, I cannot talk right now."),
            ("",),
            (
                "For everything else please call our hotline, which is open from nine to five on working days.",
                "The quickest way is to ring our hotline and have your customer number ready.",
            ),
        ),
        Instruction(
            ("Tell me also who I can complain to.", "And where do I complain about this?"),
            ("Complaints go to our customer office in {city}, which answers within two days.",),
            ("", "Your question about anything further is outside of what I deal with in this chat."),
        ),
        Instruction(
            ("I do not want a voucher.", "No vouchers please.", "Spare me the discount codes."),
            ("",),
            (
                "As a small gesture, here is a voucher of 10 EUR for your next order, valid until the end of the year.",
            ),
        ),
    ),
    outcomes=(
        OutcomeSpec("ticket_resolved", "ticket_reopened", "helpdesk", 0.6, (60, 8640)),
        OutcomeSpec("order_kept", "order_cancelled", "shop", 0.25, (120, 8640)),
    ),
    closing=True,
    difficulty=1.05,
    tool="lookup_order",
    surfaces=("chat_widget", "mobile", "helpdesk"),
)
