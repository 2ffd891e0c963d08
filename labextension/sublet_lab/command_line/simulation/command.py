"""The command itself: options in, a report as a table or as JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
from sublet_quota.closed_loop.asks.asked import CardChange, CardSpeeds, Manner
from sublet_quota.closed_loop.asks.change_text import read_changes
from sublet_quota.closed_loop.baselines.policies import Policy
from sublet_quota.closed_loop.outcome.outcome import Watts
from sublet_quota.closed_loop.outcome.question import (
    NamedDocument,
    Question,
    report_of,
    run_answer,
)
from sublet_quota.closed_loop.outcome.report import Report
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.reading import read_quota_document
from sublet_quota.errors import SubletQuotaError
from sublet_quota.holdings.card_policy import counted_type
from sublet_quota.holdings.gpu_load import GpuFacts

from sublet_lab.command_line.quota_text import name_of, read_text
from sublet_lab.command_line.simulation.at_once import EndedWithoutResultError, at_once
from sublet_lab.command_line.simulation.figures_table import print_report
from sublet_lab.command_line.simulation.history_file import SimulatedDays, days_of_history
from sublet_lab.command_line.simulation.options import (
    ALL_TYPES,
    CARDS,
    MOMENT,
    PART,
    POLICY,
    SPEEDS,
    WATTS,
)
from sublet_lab.command_line.simulation.progress import told_progress
from sublet_lab.command_line.simulation.workload import SAMPLE, Wanted, save, workload_of
from sublet_lab.command_line.tables import json_option, plain, print_json, wants_json
from sublet_lab.command_line.typed import WholeNumber

PLOT_SUFFIXES: Final = (".svg", ".pdf", ".png")
_MONDAY: Final = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was given."""

    quota: BinaryIO
    against: BinaryIO | None
    cards: tuple[str, tuple[GpuFacts, ...]] | None
    history: Path | None
    workloads: tuple[str, ...]
    days: int | None
    seed: int
    begins: datetime
    people: str
    habits: tuple[str, ...]
    groups: str
    part: Fraction | None
    first_day: int
    beside: tuple[Policy | None, ...]
    speeds: CardSpeeds | None
    watts: Mapping[str, Watts] | None
    changes: tuple[str, ...]
    save_workload: Path | None
    plot: Path | None

    @property
    def wanted(self) -> Wanted:
        """What people are to ask for."""
        groups = (each.strip() for each in self.groups.split(","))
        return Wanted(
            self.workloads,
            self.begins,
            self.days,
            self.seed,
            self.people,
            self.habits,
            tuple(each for each in groups if each),
            self.part,
            self.first_day,
        )


@click.command()
@click.option(
    "--quota", type=click.File("rb", lazy=True), required=True, help="The quota document."
)
@click.option("--against", type=click.File("rb", lazy=True), help="Another one, on the same days.")
@click.option(
    "--cards",
    type=CARDS,
    help="The cards, as NUMBERxMODEL:GIB, such as 2xH100:80,4xL4:24. Needed without --history.",
)
@click.option(
    "--history",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What really happened on a hub (`sublet history export`), in place of cards and workload: "
    "first it is told how true the simulation is of that.",
)
@click.option(
    "--change",
    "changes",
    multiple=True,
    metavar="WHEN: VERB CARDS",
    help="What becomes of cards meanwhile, such as 'day 2 09:00: add 2xH100:80'. Verbs: add, "
    "close, drain, open, fail, take. CARDS: new ones; or a node (node-0-0), a card of it "
    "(node-0-0:3), the last ones of a model (2xH100). May be repeated.",
)
@click.option(
    "--workload",
    "workloads",
    multiple=True,
    default=(SAMPLE,),
    show_default=True,
    help="What people ask for: a file (the manual says which), `synthetic`: drawn by --people and "
    "--habit, or `sample`: a week that comes with Sublet; several are added up.",
)
@click.option(
    "--days",
    type=WholeNumber(1, 3660),
    help="How long. Default: 7, of a table as long as there is something in it.",
)
@click.option("--seed", type=WholeNumber(0), default=1, show_default=True, help="For draws.")
@click.option(
    "--begins",
    type=MOMENT,
    default=_MONDAY.date().isoformat(),
    show_default=True,
    help="The first day, in UTC: what the document says of times is meant by it.",
)
@click.option(
    "--people",
    default="30",
    show_default=True,
    help="How many are drawn: a number for all groups, or science=14,guests=8.",
)
@click.option(
    "--habit",
    "habits",
    multiple=True,
    metavar="NAME=VALUE",
    help="How they work, such as works=3m, thinks=18m, jobs_a_day=2; may be repeated.",
)
@click.option(
    "--groups", default="", help="Into which groups the people of a published trace are put."
)
@click.option(
    "--part", type=PART, help="The part of a card that each notebook of such a trace asks for."
)
@click.option(
    "--first-day",
    type=WholeNumber(0, 36_600),
    default=0,
    help="The first day taken of such a trace.",
)
@click.option(
    "--beside",
    type=POLICY,
    multiple=True,
    default=("static", "cull:30m"),
    show_default=True,
    help="Other policies of the same days: static, fcfs, notebookos, cull:TIME, replay:TIME; none.",
)
@click.option(
    "--speeds",
    type=SPEEDS,
    help="How fast memory moves, OUT:BACK in GiB a second. Default: 5.9:7.8.",
)
@click.option(
    "--watts",
    type=WATTS,
    help="What a card takes, COMPUTING:RESTING, or by type H100=700:120,L4=72:16; for energy.",
)
@click.option(
    "--save-workload",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what people ask for into this file, too, as a table.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw waits by group and hours by day into this file, too: .svg, .pdf or .png.",
)
@json_option
def simulate(**said: Any) -> None:
    """Simulate what a quota document comes to, by the code that decides. Needs no hub.

    Waits, refusals, hours, moves and unmet guarantees, beside what other policies come to on the
    same days; with --against, who gains and who loses. The same options give the same figures.
    """
    options = Options(**said)
    draw = None if options.plot is None else _drawing(options.plot)
    first = _document(options.quota)
    second = None if options.against is None else _other(first, _document(options.against))
    found = _days(options, first)
    if options.save_workload is not None:
        save(found.workload, found.begins, options.save_workload)
    question = Question(
        first=first,
        second=second,
        cards=found.cards,
        asked=found.workload.asked,
        begins=found.begins,
        ends=found.workload.ends,
        beside=tuple(dict.fromkeys(policy for policy in options.beside if policy is not None)),
        manner=Manner(speeds=options.speeds or found.speeds),
        card_changes=found.changes,
        watts=_by_type(options.watts or {}, first, _all_cards(found.cards, found.changes)),
        seed=options.seed,
        cards_text=found.cards_text,
        workload_text=found.workload.words,
        history=found.history,
    )
    try:
        with told_progress(question) as passed:
            runs = [partial(run_answer, question, place) for place in range(len(question.runs))]
            report = report_of(question, list(at_once(runs, passed)))
    except (SubletQuotaError, EndedWithoutResultError) as error:
        raise click.ClickException(plain(str(error))) from error
    report = report.model_copy(update={"notes": (*found.workload.notes, *report.notes)})
    if draw is not None and options.plot is not None:
        try:
            draw(report, options.plot)
        except OSError as error:
            message = f"{plain(str(options.plot))} cannot be written: {error.strerror}"
            raise click.ClickException(message) from error
    if wants_json():
        print_json(report)
    else:
        print_report(report)


def _days(options: Options, first: NamedDocument) -> SimulatedDays:
    """Return the days that are simulated: as they were, or as the options say."""
    if options.history is not None:
        if options.cards is not None or options.changes or options.workloads != (SAMPLE,):
            message = "--history has its own cards and workload: leave out the options for these"
            raise click.UsageError(message)
        return days_of_history(options.history)
    if options.cards is None:
        message = "--cards is missing: say which there are, or give a --history"
        raise click.UsageError(message)
    text, facts = options.cards
    return SimulatedDays(
        workload_of(options.wanted, first.document),
        options.begins,
        facts,
        text,
        _changes(options, facts),
    )


def _drawing(path: Path) -> Callable[[Report, Path], None]:
    """Return what draws a report; ``click.UsageError`` where nothing can, before days pass."""
    if path.suffix.lower() not in PLOT_SUFFIXES:
        message = f"--plot: {plain(path.name)!r} ends in none of {', '.join(PLOT_SUFFIXES)}"
        raise click.UsageError(message)
    try:
        from sublet_lab.command_line.simulation.plots import draw  # noqa: PLC0415 - an extra's
    except ImportError as error:
        message = (
            "--plot needs matplotlib, which is not installed: pip install 'sublet[plots]'. The "
            "table and --json need it not."
        )
        raise click.UsageError(message) from error
    return draw


def _changes(options: Options, facts: tuple[GpuFacts, ...]) -> tuple[CardChange, ...]:
    try:
        return read_changes(options.changes, facts, options.begins)
    except SubletQuotaError as error:
        message = f"--change: {plain(str(error))}"
        raise click.UsageError(message) from error


def _all_cards(
    facts: tuple[GpuFacts, ...], changes: tuple[CardChange, ...]
) -> tuple[GpuFacts, ...]:
    """Return the cards that there are at any time."""
    return (*facts, *(card for change in changes for card in change.cards))


def _document(file: BinaryIO) -> NamedDocument:
    name = name_of(file)
    try:
        document = read_quota_document(read_text(file))
    except QuotaDocumentError as error:
        problems = "\n".join(plain(f"{name}: {each}") for each in error.problems)
        raise click.ClickException(problems) from error
    return NamedDocument(Path(name).name, document)


def _other(first: NamedDocument, second: NamedDocument) -> NamedDocument:
    """Return the second document, by another name than the first."""
    return replace(second, name=f"{second.name} (2)") if second.name == first.name else second


def _by_type(
    watts: Mapping[str, Watts], named: NamedDocument, cards: tuple[GpuFacts, ...]
) -> Mapping[str, Watts]:
    types = {counted_type(named.document, card.kind.type) for card in cards}
    unknown = sorted(set(watts) - types - {ALL_TYPES})
    if unknown:
        message = (
            f"--watts: no card is of type {unknown[0]!r}; there are {', '.join(sorted(types))}"
        )
        raise click.UsageError(message)
    of_all = watts.get(ALL_TYPES)
    return {name: found for name in types if (found := watts.get(name, of_all)) is not None}
