"""Past days are simulated in a process of its own, which takes so much and no more."""

import json
from datetime import UTC, datetime, timedelta

import click
import pytest
from sublet_lab.command_line.simulation.past_preview import Bounds, PastQuestion, show_past
from sublet_quota.closed_loop.asks.card_text import read_cards
from sublet_quota.closed_loop.asks.trace_table import read_trace
from sublet_quota.closed_loop.cluster import Cluster, Scenario
from sublet_quota.closed_loop.history.history_table import written_history
from sublet_quota.closed_loop.outcome.as_happened import as_happened
from sublet_quota.document.reading import read_quota_document

from tests.support.lab_bodies import sublet

QUOTA = "gpu_types: {H100: {match: '*H100*'}}\neveryone: {own_amounts: true}\n"
TABLE = """\
arrival,owner,group,duration,size,kind,cells
0,ada,science,,1,notebook,600+1200 3600+60
600,bob,teaching,,1/2,notebook,60+600 5400+600
"""
BEGINS = datetime(2026, 11, 23, tzinfo=UTC)
ENOUGH = Bounds(within_s=300, memory_mib=4096)


@pytest.fixture(scope="module")
def lines() -> tuple[str, ...]:
    asked = read_trace(TABLE.splitlines(), BEGINS)
    ends = BEGINS + timedelta(days=1)
    scenario = Scenario(read_quota_document(QUOTA), read_cards("2xH100:80"), asked, BEGINS, ends)
    return tuple(written_history(as_happened(scenario, Cluster(scenario).run())))


def test_past_days_are_told_with_how_true_that_is(
    lines: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    other = ("other.yaml", QUOTA + "groups: {science: {limit: {H100: 1}}}\n")
    with click.Context(click.Command("preview")):
        show_past(PastQuestion(lines, QUOTA, other), ENOUGH)
    shown = capsys.readouterr().out
    assert "How true this is" in shown
    assert "from in force to other.yaml" in shown


def test_what_takes_longer_is_ended_and_told(lines: tuple[str, ...]) -> None:
    short = Bounds(within_s=0, memory_mib=4096)
    with click.Context(click.Command("preview")), pytest.raises(click.ClickException) as error:
        show_past(PastQuestion(lines, QUOTA, None), short)
    assert "took longer than 0 minutes" in error.value.message


def test_what_takes_more_memory_is_ended_and_told(lines: tuple[str, ...]) -> None:
    many = (*lines, *(f"{n},p{n},,60,1,job,,j{n}" for n in range(30_000)))
    small = Bounds(within_s=300, memory_mib=1)
    with click.Context(click.Command("preview")), pytest.raises(click.ClickException) as error:
        show_past(PastQuestion(many, QUOTA, None), small)
    assert "may take 1 MiB of memory" in error.value.message


def test_what_is_wrong_with_a_document_is_told_before_anything_is_simulated(
    lines: tuple[str, ...],
) -> None:
    with click.Context(click.Command("preview")), pytest.raises(click.ClickException) as error:
        show_past(PastQuestion(lines, QUOTA, ("other.yaml", "sizes: 3")), ENOUGH)
    assert error.value.message.startswith("other.yaml: ")


@pytest.mark.parametrize("typed", ["0d", "30", "401d", "d", "-3d", "3w"])
def test_days_that_cannot_be_are_told(typed: str) -> None:
    shown = sublet("quota", "preview", f"--history={typed}")
    assert (shown.exit_code, "write 30d or 12h" in shown.output) == (2, True)


def test_without_history_there_must_be_a_document() -> None:
    shown = sublet("quota", "preview")
    assert (shown.exit_code, "Which document?" in shown.output) == (2, True)
    assert json.dumps(shown.output).count("Traceback") == 0
