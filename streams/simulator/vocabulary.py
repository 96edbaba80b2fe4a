# ruff: noqa: E501 - sentences are easier to read on one line
"""Invented people, companies, products, places, times and numbers."""

from __future__ import annotations

from streams.simulator.dice import Dice

_FIRST = ("Bre", "Cal", "Dor", "Ela", "Fen", "Gil", "Hes", "Ilo", "Jor", "Kel", "Lio", "Mar", "Nev", "Ori",
          "Pel", "Quin", "Ros", "Sel", "Tam", "Ulm", "Ves", "Wil", "Yor", "Zel")  # fmt: skip
_SECOND = ("a", "ane", "bo", "dra", "ek", "en", "etta", "ian", "ika", "in", "is", "mi", "na", "o", "ra",
           "ren", "sa", "tan", "ven", "wyn")  # fmt: skip
_FAMILY = ("Aldermoor", "Brackwell", "Copperlea", "Dunmarsh", "Elverhoy", "Farrowby", "Glintwood", "Hartsmere",
           "Ivelstone", "Juniperfeld", "Kestlebrook", "Larkhollow", "Mossgrave", "Nettlefold", "Ostermere",
           "Pellinghurst", "Quarrendon", "Rowanstead", "Silverholt", "Thornquist", "Underhay", "Vossbeck",
           "Wintersey", "Yarrowdale")  # fmt: skip
_COMPANY = ("Brindle", "Oster", "Quill", "Tarn", "Hollow", "Marl", "Pell", "Sorrel", "Wick", "Fen", "Thistle",
            "Umber", "Varn", "Grell", "Ambry", "Cinder")  # fmt: skip
_COMPANY_END = ("mark", "holt", "mere", "gate", "stead", "works", "line", "crest", "loft", "forge")
_PRODUCTS = ("rain jacket", "desk lamp", "espresso grinder", "hiking backpack", "wireless keyboard",
             "standing desk", "air purifier", "trail shoes", "camping stove", "noise-cancelling headset",
             "smart thermostat", "bike light set", "ceramic pan", "travel mug", "e-reader cover",
             "garden hose reel", "office chair", "sleeping bag", "portable projector", "kitchen scale",
             "wool blanket", "label printer", "weather station", "cordless drill")  # fmt: skip
_PROJECTS = ("Heron", "Basalt", "Lantern", "Meridian", "Saffron", "Tidewater", "Juniper", "Cobalt", "Kestrel",
             "Orchard", "Pinewood", "Granite", "Marigold", "Compass", "Harbour", "Quartz")  # fmt: skip
_TEAMS = ("procurement", "logistics", "field service", "payroll", "design", "data platform", "customer care",
          "quality assurance", "facilities", "partner sales", "finance", "security", "onboarding")  # fmt: skip
_CITIES = ("Northmere", "Eastwick", "Calderport", "Sandholm", "Vale Cross", "Lindenau", "Portrae", "Westerby",
           "Marlow Bay", "Stonehaven Quay", "Greyfield", "Aldport")  # fmt: skip
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_SUBJECTS = ("the supplier contract", "the warehouse move", "the pricing review", "the onboarding plan",
             "the quarterly budget", "the audit findings", "the delivery delays", "the training schedule",
             "the new returns policy", "the office relocation", "the maintenance window", "the hiring plan",
             "the insurance renewal", "the press briefing", "the packaging redesign",
             "the service agreement", "the customer survey", "the migration timeline")  # fmt: skip
_REASONS = ("a key colleague is on leave", "the figures are still being checked", "the supplier asked for it",
            "two people could not travel", "the room was double-booked", "the auditors need another week",
            "the last shipment arrived incomplete", "our system upgrade overran",
            "the legal review is not finished", "the sample failed inspection",
            "the customer changed the scope", "we are still short of one approval")  # fmt: skip


def person(d: Dice) -> str:
    """An invented first name."""
    return d.pick(_FIRST) + d.pick(_SECOND)


def full_name(d: Dice) -> str:
    """An invented first and family name."""
    return f"{person(d)} {d.pick(_FAMILY)}"


def company(d: Dice) -> str:
    """An invented company."""
    return d.pick(_COMPANY) + d.pick(_COMPANY_END)


def product(d: Dice) -> str:
    """Something a shop sells."""
    return d.pick(_PRODUCTS)


def project(d: Dice) -> str:
    """A project's code name."""
    return d.pick(_PROJECTS)


def team(d: Dice) -> str:
    """A team in an office."""
    return d.pick(_TEAMS)


def city(d: Dice) -> str:
    """An invented town."""
    return d.pick(_CITIES)


def date(d: Dice) -> str:
    """A day as people write it, e.g. ``14 March``."""
    return f"{d.between(1, 28)} {d.pick(_MONTHS)}"


def iso_date(d: Dice) -> str:
    """A day as ``2025-03-14``."""
    return f"2025-{d.between(1, 12):02d}-{d.between(1, 28):02d}"


def month(d: Dice) -> str:
    """A month's name."""
    return d.pick(_MONTHS)


def weekday(d: Dice) -> str:
    """A working day's name."""
    return d.pick(_WEEKDAYS)


def clock(d: Dice) -> str:
    """A time of day, e.g. ``14:30``."""
    return f"{d.between(8, 18)}:{d.pick(('00', '15', '30', '45'))}"


def amount(d: Dice) -> str:
    """A sum of money, e.g. ``1,250.00``."""
    return f"{d.between(12, 9800):,}.{d.pick(('00', '50', '90', '25'))}"


def percent(d: Dice) -> str:
    """A share, e.g. ``12.5%``."""
    return f"{d.between(2, 48)}.{d.between(0, 9)}%"


def count(d: Dice) -> str:
    """A number of things, 3 to 960."""
    return str(d.between(3, 960))


def small(d: Dice) -> str:
    """A small number, 2 to 28."""
    return str(d.between(2, 28))


def order_number(d: Dice) -> str:
    """An order number, e.g. ``A-48213``."""
    return f"{d.pick('ABCDEFGHK')}-{d.between(10_000, 99_999)}"


def subject(d: Dice) -> str:
    """What a message is about."""
    return d.pick(_SUBJECTS)


def because(d: Dice) -> str:
    """Why something moved or failed."""
    return d.pick(_REASONS)
