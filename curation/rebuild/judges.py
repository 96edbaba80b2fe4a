"""The judges of a past build as its manifest names them: they have epochs, and answer nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from contracts.errors import TerminalError
from contracts.settings import CurationSettings, JudgeSettings
from curation.judge.authority import Authority
from curation.judge.base import Judge
from curation.judge.bench import Bench, Seat
from curation.judge.epoch import JudgeEpoch
from curation.judge.gold import Gold
from curation.judge.pairwise import Comparer, OnOrder, Order, OrderJudgment
from curation.judge.panel import PanelComparer, PanelJudge
from curation.judge.rules import RulesJudge, RuleThresholds
from curation.judge.trust import Trust
from curation.judge.verdicts import JudgeItem, Judgment

_FIELDS: Final = (
    *("kind", "model", "task", "provider", "base_url", "rubric", "rubric_hash", "prompt_hash", "schema_hash"),
    "parameters",
)
_SETTINGS: Final = ("rewrites", "compare", "same_family")


P = TypeVar("P", PanelJudge, PanelComparer)


class Remembered:
    """A judge, or a comparer, that was asked once and is not asked again."""

    at_once: int | None = None

    def __init__(self, epoch: JudgeEpoch) -> None:
        self.epoch = epoch

    def judge(
        self,
        items: Sequence[JudgeItem],  # noqa: ARG002
        *,
        on_judgment: Callable[[Judgment], None] | None = None,  # noqa: ARG002
    ) -> list[Judgment]:
        """Raise `TerminalError`."""
        raise self._silence()

    def judge_orders(
        self,
        orders: Sequence[Order],  # noqa: ARG002
        *,
        on_judgment: OnOrder | None = None,  # noqa: ARG002
    ) -> list[OrderJudgment]:
        """Raise `TerminalError`."""
        raise self._silence()

    def _silence(self) -> TerminalError:
        return TerminalError(f"{self.epoch.name} is not asked for a rebuild")


def remembered_bench(judge: Mapping[str, Any]) -> Bench:
    """The bench of a build from its manifest's `judge`, see `Bench.manifest`.

    Raises `ValueError`, saying why, when that does not tell it whole: an epoch is not described, or comes out
    with another id.
    """
    described = {**judge.get("epochs", {}), judge["epoch"]: judge}
    epochs = {name: _epoch(name, about) for name, about in described.items()}

    def judge_of(epoch: str) -> Judge:
        found = _known(epochs, epoch)
        if found.kind == "panel":
            return _panel(found, PanelJudge([Remembered(e) for e in _members(epochs, found)]))
        if found.kind == "rules" and (rules := _rules(found)) is not None:
            return rules
        return Remembered(found)

    def comparer_of(epoch: str | None) -> Comparer | PanelComparer | None:
        if epoch is None:
            return None
        found = _known(epochs, epoch)
        if found.kind == "panel":
            return _panel(found, PanelComparer([Remembered(e) for e in _members(epochs, found)]))
        return Remembered(found)

    features, pairwise = judge.get("features", {}), judge.get("pairwise", {})
    default = judge["parameters"]["default"] if judge["kind"] == "bench" else judge["epoch"]
    settings = JudgeSettings(kind="openai", **{name: judge[name] for name in _SETTINGS if name in judge})
    return Bench(
        Seat(judge_of(default), comparer_of(pairwise.get("*"))),
        {name: Seat(judge_of(epoch), comparer_of(pairwise.get(name))) for name, epoch in features.items()},
        settings,
    )


def remembered_authority(
    authority: Mapping[str, Any], bench: Bench, gold: Gold, settings: CurationSettings
) -> Authority:
    """How far the judges of a build were trusted, from its manifest's `authority`."""
    kinds = {name: epoch.kind for name, epoch in bench.epochs().items()}
    return Authority(
        trust={
            about["epoch"]: Trust(**about, evidence_only=kinds.get(about["epoch"]) == "rules")
            for about in authority["trust"]
        },
        gold=gold,
        thresholds=RuleThresholds.from_curation(settings),
    )


def _epoch(name: str, about: Mapping[str, Any]) -> JudgeEpoch:
    epoch = JudgeEpoch(**{field: about[field] for field in _FIELDS})
    if epoch.id != name:
        raise ValueError(
            f"judge epoch {name} comes out as {epoch.id}: this release describes epochs otherwise"
        )
    return epoch


def _known(epochs: Mapping[str, JudgeEpoch], name: str) -> JudgeEpoch:
    if name not in epochs:
        raise ValueError(f"judge epoch {name} is not described in the manifest")
    return epochs[name]


def _members(epochs: Mapping[str, JudgeEpoch], panel: JudgeEpoch) -> list[JudgeEpoch]:
    return [_known(epochs, name) for name in str(panel.parameters["members"]).split(",")]


def _panel(epoch: JudgeEpoch, panel: P) -> P:
    if panel.epoch.id != epoch.id:
        raise ValueError(f"panel {epoch.id} comes out as {panel.epoch.id}: this release combines otherwise")
    return panel


def _rules(epoch: JudgeEpoch) -> RulesJudge | None:
    """The rules judge, when the installed one still decides by the same rules."""
    try:
        judge = RulesJudge(RuleThresholds(**epoch.parameters))  # type: ignore[arg-type]
    except TypeError:
        return None
    return judge if judge.epoch.id == epoch.id else None
