"""Words that look like names and are none, and names that are common words."""

from __future__ import annotations

from typing import Final

NOT_NAMES: Final = frozenset(
    """
    sir madam team all everyone everybody there folks friends friend colleagues guys hiring manager
    customer customers support professor doctor mom dad mum santa diary chatgpt gpt claude assistant
    gemini copilot siri alexa bot ai llm human user users admin sirs ladies gentlemen community members
    member colleague recruiter committee editor editors reader readers parent parents student students
    neighbor neighbour valued client clients applicant candidate partner partners sales service help
    desk world again the this that these those a an i i'm i'd i'll we you he she it they my your his her
    our their its and or but not no yes please thanks thank if when where what who why how which so as
    at by for from in into of on to with about after before just here now then also monday tuesday
    wednesday thursday friday saturday sunday january february march april june july august september
    october november december english german french spanish italian dutch chinese japanese korean
    american british european indian russian google amazon apple microsoft facebook openai github gitlab
    python java javascript linux windows docker kubernetes aws azure kafka subject date re fw fwd
    regards best kind sincerely cheers love dear hi hello hey good morning afternoon evening mr mrs ms
    dr prof ok okay sure great well sorry welcome congratulations happy new order invoice account
    password email phone address name number damen herren zusammen kollegen kunde kundin alle messieurs
    mesdames madame monsieur señores señor todos equipo signori tutti allemaal wszyscy unknown none null
    true false n/a tbd anonymous default test example sample untitled
    """.split()  # noqa: SIM905
)
"""Capitalised words that end a name, or are none after a greeting, a label or a signature."""

COMMON_WORDS: Final = frozenset(
    """
    will may mark bill grant rose hope faith grace art frank jack pat sue rob bob june april august dawn
    joy summer autumn chase drew gene guy jean lane max miles nick norm page penny ray rich rusty sandy
    skip tray van wade ward wood woods young king long brown black white green gray grey stone rivers
    field fields hill lake banks price cook baker carpenter mason hunter fisher miller smith day knight
    love moon star snow bush case cross church house hall park street west north east south best rice
    bean pope bishop dean judge major general sergeant christian earl prince duke paris london sydney
    austin dallas jordan chelsea virginia georgia carolina china india israel kenya lee sun ma he an do
    """.split()  # noqa: SIM905
)
"""Names that are everyday words too: alone they are not taken for a person met before."""

ROLES: Final = frozenset(
    """
    info sales support service customer help contact team office admin billing no reply noreply mail
    hello jobs careers press media marketing security abuse postmaster webmaster account accounts news
    newsletter hr legal privacy orders shop store my your the first last name user test example foo bar
    john.doe someone somebody dev ops api app web root staff
    """.split()  # noqa: SIM905
)
"""Parts of e-mail addresses that name a desk, not a person."""
