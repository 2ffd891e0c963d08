"""A whole question to the simulation, and its report: what ``sublet simulate`` asks.

One quota document, or two to compare, and other policies beside them, all of the same cards and on
the same days. The same question gives the same report, to the last digit.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from sublet_quota.closed_loop.asks.asked import Asked, CardChange, CardVerb, Manner
from sublet_quota.closed_loop.asks.change_text import cards_after
from sublet_quota.closed_loop.baselines.policies import Policy, ours, run_to_the_end
from sublet_quota.closed_loop.cluster import Scenario
from sublet_quota.closed_loop.history.happened import History
from sublet_quota.closed_loop.outcome.as_happened import as_happened
from sublet_quota.closed_loop.outcome.asked_names import AskedNames, server_waits
from sublet_quota.closed_loop.outcome.comparison import Standing, compared, standing_of
from sublet_quota.closed_loop.outcome.outcome import Ran, Watts, outcome_of
from sublet_quota.closed_loop.outcome.report import (
    GroupWaits,
    Outcome,
    RefusalInfo,
    Report,
    TightLimit,
    Truth,
    UnmetGuarantee,
)
from sublet_quota.closed_loop.outcome.tight_limits import tight_limits
from sublet_quota.closed_loop.outcome.truth import truth_of
from sublet_quota.closed_loop.outcome.waits import first_groups, refused_servers, waits_in_all
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.card_policy import counted_type
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName

_MOST_NAMED = 5
Passed = Callable[[str, datetime], None]
"""Is told which run goes on, and how far it is."""


@dataclass(frozen=True, slots=True)
class NamedDocument:
    """A quota document, and how it is called in the report."""

    name: str
    document: QuotaDocument


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be simulated."""

    first: NamedDocument
    cards: tuple[GpuFacts, ...]
    asked: tuple[Asked, ...]
    begins: datetime
    ends: datetime
    second: NamedDocument | None = None
    beside: tuple[Policy, ...] = ()
    """Other policies, under the rights and limits of the first document."""
    manner: Manner = field(default_factory=Manner)
    card_changes: tuple[CardChange, ...] = ()
    watts: Mapping[str, Watts] = field(default_factory=dict)
    seed: int = 0
    cards_text: str = ""
    workload_text: str = ""
    history: History | None = None
    """What really happened on these days, where that is known: ``asked`` and ``cards`` are its."""

    @property
    def documents(self) -> tuple[NamedDocument, ...]:
        """The one document, or both."""
        return (self.first,) if self.second is None else (self.first, self.second)

    @property
    def runs(self) -> tuple[str, ...]:
        """The names of all runs, in their order."""
        return (
            *(each.name for each in self.documents),
            *(policy.name for policy in self.beside),
        )


@dataclass(frozen=True, slots=True)
class RunAnswer:
    """What one run comes to: all that a report needs of it."""

    outcome: Outcome
    standing: Standing | None = None
    """What each person had, where two documents are compared."""
    truth: Truth | None = None
    limits: tuple[TightLimit, ...] = ()
    in_all: GroupWaits | None = None
    """The waits of all groups together, where two documents are compared. So of the next."""
    refused: Mapping[GroupName | None, tuple[RefusalInfo, ...]] = field(default_factory=dict)
    """Why each group's servers were refused."""


def answer(question: Question, passed: Passed = lambda *_: None) -> Report:
    """Return the report on all runs. ``passed`` is told now and then how far each is."""
    runs = range(len(question.runs))
    return report_of(question, [run_answer(question, place, passed) for place in runs])


def run_answer(question: Question, place: int, passed: Passed = lambda *_: None) -> RunAnswer:
    """Return what the run at this place among ``Question.runs`` comes to; none needs another."""
    documents = question.documents
    if place >= len(documents):
        return _beside(question, question.beside[place - len(documents)], passed)
    named = documents[place]
    scenario = _scenario(question, named)
    record = run_to_the_end(ours(scenario), partial(passed, named.name))
    outcome = outcome_of(_ran(question, named), record, _unmet(question, named))
    found = RunAnswer(outcome)
    if question.second is not None:
        names = AskedNames(question.asked, named.document)
        waits = server_waits(record, names)
        found = RunAnswer(
            outcome,
            standing_of(record, names),
            in_all=waits_in_all(record, waits),
            refused=refused_servers(waits),
        )
    if question.history is None or place:
        return found
    truth = truth_of(question.history, as_happened(scenario, record))
    return replace(found, truth=truth, limits=tight_limits(record.held_slices, question.begins))


def _beside(question: Question, policy: Policy, passed: Passed) -> RunAnswer:
    simulated = policy.begin(_scenario(question, question.first))
    record = run_to_the_end(simulated, partial(passed, policy.name))
    return RunAnswer(outcome_of(_ran(question, question.first, policy), record))


def report_of(question: Question, answers: Sequence[RunAnswer]) -> Report:
    """Return the report on all runs, which are told in their order."""
    groups = first_groups(AskedNames(question.asked, question.first.document))
    standings = [each.standing for each in answers if each.standing is not None]
    comparison = None
    if question.second is not None:
        before, after = standings
        comparison = compared(before, after, groups)
    return Report(
        begins=question.begins,
        days=(question.ends - question.begins) / timedelta(days=1),
        seed=question.seed,
        cards=question.cards_text,
        workload=question.workload_text,
        people=len(groups),
        notes=tuple(_notes(question)),
        outcomes=tuple(each.outcome for each in answers),
        comparison=comparison,
        truth=answers[0].truth,
        limits=answers[0].limits,
    )


def _scenario(question: Question, named: NamedDocument) -> Scenario:
    return Scenario(
        document=named.document,
        cards=question.cards,
        asked=question.asked,
        begins=question.begins,
        ends=question.ends,
        manner=question.manner,
        card_changes=question.card_changes,
    )


def _ran(question: Question, named: NamedDocument, policy: Policy | None = None) -> Ran:
    types = Counter(counted_type(named.document, card.kind.type) for card in question.cards)
    return Ran(
        name=named.name if policy is None else policy.name,
        document_name=named.name,
        document=named.document,
        asked=question.asked,
        cards=types,
        more_cards=_more_cards(question, named),
        about="" if policy is None else policy.about,
        watts=question.watts,
        has_guarantees=policy is None,
    )


def _more_cards(question: Question, named: NamedDocument) -> Mapping[str, timedelta]:
    """Return for how long there are more cards of each type, or fewer, as they come and go."""
    found: defaultdict[str, timedelta] = defaultdict(timedelta)
    for change in question.card_changes:
        if change.verb not in {CardVerb.ADD, CardVerb.TAKE}:
            continue
        left = max(timedelta(), question.ends - change.at)
        for card in change.cards:
            gpu_type = counted_type(named.document, card.kind.type)
            found[gpu_type] += left if change.verb is CardVerb.ADD else -left
    return dict(found)


def _unmet(question: Question, named: NamedDocument) -> tuple[UnmetGuarantee, ...]:
    """Return which guarantees the cards cannot keep, whoever asks for what, and from when on."""
    found: dict[tuple[object, str], UnmetGuarantee] = {}
    cards = question.cards
    for at, change in ((question.begins, None), *((c.at, c) for c in question.card_changes)):
        if at >= question.ends:
            break
        cards = cards if change is None else cards_after(cards, change)
        holdings = Holdings(named.document.at(at), cards)
        short = [each for each in holdings.warnings() if each.there < each.told]
        for each in short:
            unmet = UnmetGuarantee(at=at, group=each.group, what="cards", why=each.words)
            found.setdefault((each.group, each.words), unmet)
    return tuple(found.values())


def _notes(question: Question) -> Iterator[str]:
    """Yield what should be known of a report, for it may not be meant."""
    for change in question.card_changes:
        late = ", which is after the end" if change.at >= question.ends else ""
        yield f"{change.words}{late}."
    asking = Counter(group for each in question.asked for group in each.groups)
    for named in question.documents:
        document = named.document
        unknown = sorted(name for name in asking if not document.groups_of((name,)))
        if unknown:
            more = ", ..." if len(unknown) > _MOST_NAMED else ""
            told = ", ".join(unknown[:_MOST_NAMED])
            yield f"{named.name} has no group for: {told}{more}. They count as in no group."
        changes = document.changes_after(question.begins)
        if changes is not None and changes < question.ends:
            yield f"{named.name} says something else from {changes:%Y-%m-%d %H:%M} UTC on."
            if question.beside:
                yield "The other policies keep the limits of the beginning."
        holdings = Holdings(document.at(question.begins), question.cards)
        out = [each for each in question.cards if holdings.pool_of(each.gpu_id) is None]
        if out:
            yield f"{len(out)} of {len(question.cards)} cards are in no pool of {named.name}."
