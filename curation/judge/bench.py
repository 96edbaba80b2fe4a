"""All judges of a run: per feature the one its rubric asks for, and who compares pairs there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

from contracts.settings import JudgeEndpointSettings, JudgeSettings, Settings
from curation.judge.base import Judge, make_asker, make_judge
from curation.judge.batch_place import Batches
from curation.judge.budget import Budget, Limits
from curation.judge.epoch import JudgeEpoch
from curation.judge.pairwise import Comparer
from curation.judge.panel import PanelComparer, PanelJudge
from curation.judge.questions import Asker
from curation.judge.verdicts import Spend


@dataclass(frozen=True)
class Seat:
    """Who judges, and who compares; None for the rules judge, which does not."""

    judge: Judge
    comparer: Comparer | PanelComparer | None = None


class Bench:
    """Judges by feature. Features without a rubric of their own share the default seat.

    Verdicts of different rubrics belong to different epochs, and no statistic mixes them.
    """

    def __init__(
        self,
        default: Seat,
        by_feature: Mapping[str, Seat] | None = None,
        settings: JudgeSettings | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.settings = settings or JudgeSettings()
        self._budget = budget
        self._default = default
        self._by_feature = dict(by_feature or {})

    @classmethod
    def of(
        cls,
        judge: Judge,
        comparer: Comparer | PanelComparer | None = None,
        settings: JudgeSettings | None = None,
    ) -> Self:
        """One judge for everything."""
        return cls(Seat(judge, comparer), settings=settings)

    @classmethod
    def over(cls, judge: Judge | Self, settings: JudgeSettings) -> Self:
        """A bench as it is, or one judge as a bench of its own."""
        return judge if isinstance(judge, cls) else cls.of(cast(Judge, judge), settings=settings)

    @classmethod
    def from_settings(
        cls, settings: Settings, *, budget: Budget | None = None, batches: Batches | None = None
    ) -> Self:
        """The judges the settings name, for one run; all of them spend from one budget.

        With `batches` they ask as `judge.mode` says, else live. Raises `SettingsError` when an endpoint needs
        a key and none is set, or a URL or a rubric is unusable. Opens no connection.
        """
        judge = settings.judge
        if judge.kind == "rules":
            return cls.of(make_judge(judge, curation=settings.curation), settings=judge)
        spends = budget or Budget(Limits.of_run(judge))
        places: list[JudgeEndpointSettings] = [judge, *judge.panel]
        # One asker per endpoint, whatever the rubric: what it learns of its pace holds for all questions.
        askers = [make_asker(judge, budget=spends, where=place, batches=batches) for place in places]
        rubrics = dict.fromkeys([judge.rubric, *judge.rubrics.values()])
        seats = {which: _seat(askers, which) for which in rubrics}
        features = {feature: seats[which] for feature, which in judge.rubrics.items()}
        return cls(seats[judge.rubric], features, judge, spends)

    @property
    def spent(self) -> Spend:
        """What all its judges have spent so far; nothing where they cost nothing."""
        return self._budget.spent if self._budget is not None else Spend()

    def judge_for(self, feature: str | None) -> Judge:
        """Who judges requests of a feature; None: of those without a rubric of their own."""
        return (self._default if feature is None else self._seat(feature)).judge

    def compare_for(self, feature: str) -> Comparer | PanelComparer | None:
        """Who compares pairs of a feature; None where nobody can (the rules judge)."""
        return self._seat(feature).comparer

    def members_for(self, feature: str) -> tuple[Judge, ...]:
        """The judge of a feature, or the members of its panel."""
        judge = self.judge_for(feature)
        return judge.members if isinstance(judge, PanelJudge) else (judge,)

    def models_for(self, feature: str) -> tuple[str, ...]:
        """Models that judge a feature; none for the rules judge."""
        return tuple(m.epoch.model for m in self.members_for(feature) if m.epoch.kind != "rules")

    def compare_models_for(self, feature: str) -> tuple[str, ...]:
        """Models that compare pairs of a feature; none where nobody does."""
        comparer = self.compare_for(feature)
        if comparer is None:
            return ()
        members = comparer.members if isinstance(comparer, PanelComparer) else (comparer,)
        return tuple(member.epoch.model for member in members)

    def unknown_features(self, seen: Iterable[str]) -> list[str]:
        """Features that have a rubric but never occur: most likely a misspelt name."""
        return sorted(set(self._by_feature) - set(seen))

    @property
    def is_free(self) -> bool:
        """Whether nobody is asked anything that costs: the rules judge alone."""
        return all(epoch.kind == "rules" for epoch in self.epochs().values())

    @property
    def compares(self) -> bool:
        """Whether anybody can compare pairs."""
        return any(seat.comparer is not None for seat in self._seats())

    @property
    def epoch(self) -> JudgeEpoch:
        """What decides the verdicts of a run: the judge's epoch, or one that names those of all features."""
        default = self._default.judge.epoch
        own = {feature: seat.judge.epoch for feature, seat in sorted(self._by_feature.items())}
        if all(epoch.id == default.id for epoch in own.values()):
            return default
        return JudgeEpoch(
            kind="bench",
            model=default.model,
            parameters={"default": default.id, **{f"feature {name}": e.id for name, e in own.items()}},
        )

    def epochs(self) -> dict[str, JudgeEpoch]:
        """Every epoch that may occur, by id: of judges and comparers, of panels and their members."""
        found: dict[str, JudgeEpoch] = {}
        for seat in self._seats():
            for one in (seat.judge, seat.comparer):
                if one is not None:
                    for each in (one, *getattr(one, "members", ())):
                        found[each.epoch.id] = each.epoch
        return found

    def manifest(self) -> dict[str, Any]:
        """What a manifest says of the judges: the epoch's fields, and what more there is besides.

        `pairwise`: epochs that compare, by feature (`*`: all others). `features`: pointwise epochs, where
        features have their own. `members`: epochs of panels. The drop is a function of all of it.
        """
        more: dict[str, Any] = {}
        if self._by_feature:
            more["features"] = {f: s.judge.epoch.id for f, s in sorted(self._by_feature.items())}
        if self.compares:
            named = {"*": self._default, **dict(sorted(self._by_feature.items()))}
            more["pairwise"] = {f: s.comparer.epoch.id for f, s in named.items() if s.comparer is not None}
            more["rewrites"] = self.settings.rewrites
            more["compare"] = self.settings.compare
            more["same_family"] = self.settings.same_family
            others = {i: e.manifest() for i, e in sorted(self.epochs().items()) if i != self.epoch.id}
            more["epochs"] = others
        return {**self.epoch.manifest(), **more}

    def _seat(self, feature: str) -> Seat:
        return self._by_feature.get(feature, self._default)

    def _seats(self) -> list[Seat]:
        return [self._default, *self._by_feature.values()]


def verdict_epochs(judge: Mapping[str, Any]) -> list[str]:
    """The pointwise epochs that verdicts of a drop are of, from its manifest's `judge` (`Bench.manifest`)."""
    default = judge["parameters"].get("default") if judge["kind"] == "bench" else judge["epoch"]
    return list(dict.fromkeys([default, *judge.get("features", {}).values()]))


def _seat(askers: Sequence[Asker], which: str) -> Seat:
    # The OpenAI package takes over a second to import, which commands that judge nothing should not pay.
    from curation.judge.openai_judge import OpenAIJudge
    from curation.judge.pairwise import PairwiseJudge
    from curation.judge.rubrics import load_rubric, pairwise_rubric_of

    pointwise, pairwise = load_rubric(which), pairwise_rubric_of(which)
    judges = [OpenAIJudge(asker, pointwise) for asker in askers]
    comparers = [PairwiseJudge(asker, pairwise) for asker in askers]
    if len(judges) == 1:
        return Seat(judges[0], comparers[0])
    return Seat(PanelJudge(judges), PanelComparer(comparers))
