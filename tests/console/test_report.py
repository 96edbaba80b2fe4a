"""The report as a whole: it is one safe, self-contained page, whatever it is given."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from console.report import FunnelStep, ReportData, render
from tests.console.report_samples import interactions, lengths, pair, report_data

VOID = {"meta", "link", "br", "hr", "img", "input", "rect", "path", "line"}
PLANTED = "<script>alert(1)</script> & \"quoted\" 'it' {{ 7*7 }} </svg></style><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on a closing tag that was never opened."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def full() -> str:
    return render(report_data())


def assert_inert(html: str) -> Page:
    page = Page(html)
    assert page.open == []
    assert {tag for tag, _ in page.tags}.isdisjoint(
        {"script", "iframe", "img", "image", "foreignobject", "object", "embed", "link", "use", "a", "form"}
    )
    for _, attributes in page.tags:
        for name in attributes:
            assert not name.startswith("on"), name
            assert name not in {"href", "src", "xlink:href", "style", "srcset", "action"}, name
    return page


def test_is_one_page_that_loads_and_runs_nothing(full: str) -> None:
    assert full.lstrip().lower().startswith("<!doctype html>")
    assert_inert(full)
    assert "url(" not in full
    assert "@import" not in full
    assert re.findall(r"https?://", full) == []
    assert "default-src 'none'" in full


def test_says_what_happened_in_words(full: str) -> None:
    text = Page(full).text
    assert "support_reply on atlas-2026-03 / v8 stands out" in text
    assert "318 preference pairs and 194 unpaired rows" in text
    assert "0.913" in text
    assert "91.3% of the time" in text
    assert "14,210 consumed = 13,402 joined + 0 pending" in text
    assert "unobserved" in text


def test_shows_the_funnel_with_its_refusals(full: str) -> None:
    text = Page(full).text
    for shown in ("−416 consent denied", "−61 judge disagrees", "78 dead letters", "318 pairs", "194 rows"):
        assert shown in text, shown


def test_shows_pairs_with_provenance_and_evidence(full: str) -> None:
    page = Page(full)
    for shown in ("req-00000042", "req-00000108", "fail: factual, severity 4 (rules)", "before evidence"):
        assert shown in page.text, shown
    assert {"ins", "del"} <= {tag for tag, _ in page.tags}


def test_every_chart_is_labelled_and_has_a_dark_twin(full: str) -> None:
    page = Page(full)
    figures = [a for tag, a in page.tags if tag == "figure"]
    assert len(figures) >= 12
    assert all(a.get("role") == "img" and a.get("aria-label") for a in figures)
    drawn = {
        (a.get(k) or "").lower()
        for t, a in page.tags
        for k in ("fill", "stroke")
        if t in ("path", "rect", "text", "line")
    }
    css = full.split("</style>")[0].lower()
    colours = {c for c in drawn if c.startswith("#")}
    assert colours
    assert [c for c in colours if f'[fill="{c}"]' not in css] == []


def test_the_style_sheet_matches_selectors_unescaped(full: str) -> None:
    assert "&#34;" not in full.split("</style>")[0].split("<style>")[1]


def test_planted_markup_is_shown_as_text_everywhere() -> None:
    rows = interactions(
        800,
        features=(PLANTED, "other"),
        model_version=PLANTED,
        prompt_version="<b>v&1</b>",
        score_version=PLANTED,
    )
    html = render(
        ReportData(
            title=PLANTED,
            generated_for=PLANTED,
            interactions=rows,
            accounting={"consumed": 5, "joined": 4, "dead_letter": 1},
            funnel=[FunnelStep(PLANTED, 9, 5, {PLANTED: 4})],
            pairs=[
                pair(
                    prompt=[{"role": PLANTED, "content": PLANTED}] * 5,
                    chosen=PLANTED + " better",
                    rejected=PLANTED,
                    feature=PLANTED,
                    pair_source=PLANTED,
                    contributions=[(PLANTED, 1.0)],
                    request_ids=[PLANTED],
                    verdict=PLANTED,
                ),
                pair(chosen=PLANTED),
            ],
            manifest={
                "drop_id": PLANTED,
                "judge": {"name": PLANTED},
                "counts": {"pairs": 1},
                "files": {PLANTED: PLANTED},
                "length_bias": {
                    "all": lengths(9, longer=5, shorter=4),
                    "pair_sources": {PLANTED: lengths(9, longer=5, shorter=4)},
                    "features": {PLANTED: lengths(9, longer=5, shorter=4)},
                },
            },
            dead_letter_reasons={PLANTED: 1},
        )
    )
    page = assert_inert(html)
    assert "<script" not in html.lower()
    assert "onerror=alert(2)>" not in html
    assert "<b>" not in html
    assert "{{ 7*7 }}" in page.text
    assert " 49 " not in page.text
    assert "<script>alert(1)</script> &" in page.text
    svg_text = "".join(re.findall(r"<text[^>]*>.*?</text>", html))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in svg_text


def test_control_and_direction_characters_do_not_reach_names() -> None:
    html = render(report_data(0, funnel=(), title="a\u202eb\x00c\x1bd", pairs=[pair(feature="x\u2066y")]))
    assert "abcd" in html
    assert not re.search("[\x00\x1b\u202e\u2066]", html)


def test_empty_data_says_so() -> None:
    html = render(ReportData(title="Empty", generated_for="now", interactions=interactions(0)))
    text = assert_inert(html).text
    for shown in (
        "No user interactions yet",
        "No pairs yet",
        "No drop has been published yet",
        "Not measured here",
    ):
        assert shown in text, shown


@pytest.mark.parametrize("n", [1, 30])
def test_little_data_still_renders(n: int) -> None:
    html = render(report_data(n, pairs=(), funnel=[FunnelStep("eligible", n, 0, {})]))
    assert f"{n} request" in Page(html).text


def test_traffic_without_users_or_versions_renders() -> None:
    data = report_data(0, pairs=(), funnel=())
    for rows in (
        interactions(200, actor="internal"),
        interactions(200, model_version=None, prompt_version=None),
    ):
        assert_inert(render(replace(data, interactions=rows)))
    assert "version not given" in render(replace(data, interactions=rows))


def test_an_accounting_that_does_not_add_up_is_said() -> None:
    html = render(report_data(0, pairs=(), accounting={"consumed": 10, "joined": 7}))
    assert "does not add up" in html
    assert "The difference is 3." in html


def test_same_data_same_page(full: str) -> None:
    assert render(report_data()) == full


def test_a_hundred_thousand_interactions_are_quick_and_small() -> None:
    long = "word & <tag> " * 5_000
    sample = [
        pair(rejected=long, chosen="other " + long, prompt=[{"role": "user", "content": long}] * 9)
    ] * 40
    data = report_data(100_000, pairs=sample)
    start = time.process_time()
    html = render(data)
    assert time.process_time() - start < 10
    assert len(html.encode()) < 3_000_000
