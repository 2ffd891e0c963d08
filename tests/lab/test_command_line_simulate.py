"""``sublet simulate``: a report as a table and as JSON, of files, of the sample, and of draws."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import Result
from sublet_lab.command_line.simulation.sample import sample_lines
from sublet_quota.closed_loop.asks.card_text import read_cards
from sublet_quota.closed_loop.asks.trace_table import read_trace
from sublet_quota.closed_loop.cluster import Cluster, Scenario
from sublet_quota.closed_loop.history.history_table import written_history
from sublet_quota.closed_loop.outcome.as_happened import as_happened
from sublet_quota.document.reading import read_quota_document

from tests.support.lab_bodies import sublet

ONE = """\
gpu_types: {H100: {match: '*H100*'}}
everyone: {own_amounts: true, limit: {slices: 2}}
groups:
  science: {guaranteed: {H100: 1}}
  teaching: {}
"""
OTHER = ONE.replace("H100: 1", "H100: 2")
TABLE = """\
arrival,owner,group,duration,size,kind,cells
0,ada,science,,1,notebook,600+1200 3600+60
600,bob,teaching,,1/2,notebook,60+600 5400+600
1800,bob,teaching,7200,1,job,
3600,cleo,,3600,1/2,job,
"""


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No service and no token: whoever asks one fails."""
    for name in ("SUBLET_SERVICE_URL", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "one.yaml").write_text(ONE)
    (tmp_path / "other.yaml").write_text(OTHER)
    (tmp_path / "asked.csv").write_text(TABLE)
    return tmp_path


def simulated(folder: Path, *more: str, workload: str = "asked.csv") -> Result:
    source = workload if workload in {"sample", "synthetic"} else str(folder / workload)
    asked = ("--quota", str(folder / "one.yaml"), "--cards", "2xH100:80", "--workload", source)
    return sublet("simulate", *asked, *more)


def test_a_table_has_80_columns_and_a_column_a_run(folder: Path) -> None:
    shown = simulated(folder, "--against", str(folder / "other.yaml"))
    assert shown.exit_code == 0, shown.output
    assert max(map(len, shown.output.splitlines())) <= 80
    assert "one.yaml     other.yaml         static       cull 30m" in shown.output
    assert "Who gains and who loses, from one.yaml to other.yaml" in shown.output


def test_the_same_options_give_the_same_bytes(folder: Path) -> None:
    drawn = ("--days", "1", "--people", "science=2,teaching=2", "--seed", "3", "--json")
    one, again = (simulated(folder, *drawn, workload="synthetic") for _ in range(2))
    assert one.exit_code == 0, one.output
    assert one.stdout == again.stdout
    other = simulated(folder, *drawn[:4], "--seed", "4", "--json", workload="synthetic")
    assert other.stdout != one.stdout


def test_json_has_each_run(folder: Path) -> None:
    told = json.loads(simulated(folder, "--json", "--watts", "700:100").stdout)
    assert [each["name"] for each in told["outcomes"]] == ["one.yaml", "static", "cull 30m"]
    ours, static, cull = told["outcomes"]
    assert (ours["servers"], ours["jobs"], ours["jobs_done"]) == (2, 2, 2)
    assert static["lost"]["notebooks"] == 0 < cull["lost"]["notebooks"]
    assert ours["by_type"][0]["energy_kwh"] > 0
    assert told["comparison"] is None


def test_other_policies_may_be_left_out(folder: Path) -> None:
    told = json.loads(simulated(folder, "--beside", "none", "--json").stdout)
    assert [each["name"] for each in told["outcomes"]] == ["one.yaml"]


def test_what_was_asked_for_can_be_saved_and_gives_the_same(folder: Path) -> None:
    saved = folder / "saved.csv"
    drawn = ("--days", "1", "--people", "4", "--json", "--beside", "none")
    first = simulated(folder, *drawn, "--save-workload", str(saved), workload="synthetic")
    again = simulated(folder, *drawn, workload="saved.csv")
    assert first.exit_code == again.exit_code == 0, again.output
    assert json.loads(first.stdout)["outcomes"] == json.loads(again.stdout)["outcomes"]


def test_the_sample_that_ships_is_what_its_program_draws() -> None:
    package = files("sublet_lab.command_line.simulation")
    shipped = (package / "sample_week.csv").read_text("utf-8")
    assert shipped.splitlines() == list(sample_lines())


def test_the_sample_is_simulated_when_nothing_is_said(folder: Path) -> None:
    shown = sublet(
        "simulate",
        *("--quota", str(folder / "one.yaml"), "--cards", "4xH100:80"),
        *("--days", "1", "--beside", "none"),
    )
    assert shown.exit_code == 0, shown.output
    assert "What they ask for: the sample week" in shown.output


def test_no_other_command_loads_the_simulation() -> None:
    program = "import sys, sublet_lab.command_line; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert b"sublet_quota.closed_loop" not in loaded.stdout
    assert "simulate" in sublet("--help").output


def test_a_published_trace_is_told_by_its_heading(folder: Path) -> None:
    (folder / "bursts.csv").write_text("session_id,start_min,duration_min\n7,10,3\n7,30,10\n")
    options = ("--groups", "science,teaching", "--part", "1/2", "--days", "1", "--json")
    told = json.loads(simulated(folder, *options, workload="bursts.csv").stdout)
    assert told["workload"] == "bursts.csv: bursts of notebooks (NotebookOS), from day 0"
    assert told["outcomes"][0]["servers_granted"] == 1


def test_several_workloads_are_added_up(folder: Path) -> None:
    more = TABLE.splitlines()[0] + ",name\n9000,dora,,3600,1,job,,late\n"
    (folder / "more.csv").write_text(more)
    both = ("--workload", str(folder / "more.csv"), "--json", "--beside", "none")
    told = json.loads(simulated(folder, *both).stdout)
    assert (told["outcomes"][0]["jobs"], told["people"]) == (3, 4)
    assert told["workload"] == "asked.csv; more.csv"
    shown = simulated(folder, "--workload", str(folder / "asked.csv"))
    assert shown.exit_code == 1
    assert "'job/4/0' is asked for in two workloads" in shown.output


def test_groups_that_the_document_lacks_are_told(folder: Path) -> None:
    (folder / "asked.csv").write_text(TABLE.replace("teaching", "learning"))
    shown = simulated(folder)
    assert "Note: one.yaml has no group for: learning. They count as in no group." in shown.output


WRONG_FILES = {
    "a wrong number": (TABLE.replace("7200", "long"), "line 4, duration: 'long' is no number"),
    "no columns": ("a,b\n1,2\n", "line 1: columns missing"),
    "nothing": (TABLE.splitlines()[0] + "\n", "asks for nothing in the days"),
    "a trace of steps": ("T\tx\t-n\t1\t100\t0.0\t1\n", "a trace in Gavel's form"),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_what_is_wrong_with_a_file_is_told(folder: Path, name: str) -> None:
    text, words = WRONG_FILES[name]
    (folder / "asked.csv").write_text(text)
    shown = simulated(folder)
    assert shown.exit_code == 1
    assert words in shown.output
    assert "asked.csv" in shown.output


def test_what_is_wrong_with_a_document_is_told_with_its_line(folder: Path) -> None:
    (folder / "one.yaml").write_text(ONE + "polls: {}\n")
    shown = simulated(folder)
    assert shown.exit_code == 1
    assert "line 6: polls" in shown.output


def test_a_file_that_is_not_there_is_told(folder: Path) -> None:
    shown = simulated(folder, workload="none.csv")
    assert shown.exit_code == 1
    assert "cannot be read" in shown.output
    assert "`sample`" in shown.output


WRONG_OPTIONS = {
    "cards": (("--cards", "two"), "'two' names no cards"),
    "watts": (("--watts", "100:700"), "'100:700' names no watts"),
    "watts of no type": (("--watts", "A100=400:50"), "no card is of type 'A100'; there are H100"),
    "a policy": (("--beside", "best"), "'best' is no policy"),
    "a day": (("--begins", "monday"), "'monday' is no day"),
    "changes": (("--change", "day 2: move node-0-0"), "names no change of cards"),
    "speeds": (("--speeds", "fast"), "'fast' names no speeds"),
    "a part": (("--part", "2"), "'2' is no part of a card"),
    "a part of endless digits": (("--part", "1e-999999999"), "'1e-999999999' is no part"),
    "a day of no calendar": (("--begins", "9999-12-30"), "is not from 1970 to 2999"),
    "a first day of no calendar": (("--first-day", "99999999999"), "--first-day"),
    "habits": (("--habit", "works=soon"), "'works=soon': 'soon' is no"),
    "people": (("--workload", "synthetic", "--people", "many"), "'many' is no number of people"),
}


@pytest.mark.parametrize("name", WRONG_OPTIONS)
def test_an_option_that_cannot_be_meant_is_told(folder: Path, name: str) -> None:
    options, words = WRONG_OPTIONS[name]
    shown = simulated(folder, *options)
    assert shown.exit_code == 2
    assert words in " ".join(shown.output.split())


def test_cards_that_change_are_told_with_the_jobs_that_are_sent_back(folder: Path) -> None:
    drained = ("--change", "day 1 01:00: drain node-0-0", "--change", "day 1 03:00: open node-0-0")
    shown = simulated(folder, *drained)
    assert shown.exit_code == 0, shown.output
    assert "Note: day 1 01:00: drain node-0-0." in shown.output
    assert "jobs sent back" in shown.output
    told = json.loads(simulated(folder, *drained, "--json").stdout)
    assert any(each["sent_back"]["jobs"] for each in told["outcomes"])


def test_a_picture_is_drawn_and_is_the_same_each_time(folder: Path) -> None:
    pictures = [folder / f"{name}.svg" for name in ("one", "again")]
    for picture in pictures:
        shown = simulated(folder, "--plot", str(picture))
        assert shown.exit_code == 0, shown.output
    one, again = (picture.read_bytes() for picture in pictures)
    assert one == again
    assert one.startswith(b"<?xml")
    # All that is drawn: a group of bars for each run, and the runs by their names.
    assert b"cull 30m" in one


def test_a_picture_in_a_form_that_is_not_known_is_refused_before_anything_is_simulated(
    folder: Path,
) -> None:
    shown = simulated(folder, "--plot", str(folder / "picture.txt"))
    assert shown.exit_code == 2
    assert "ends in none of .svg, .pdf, .png" in " ".join(shown.output.split())


def test_a_picture_without_its_library_is_told_with_the_extra(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "sublet_lab.command_line.simulation.plots", raising=False)
    shown = simulated(folder, "--plot", str(folder / "picture.svg"))
    assert shown.exit_code == 2
    assert "sublet[plots]" in shown.output


def test_hours_by_day_add_up_to_what_was_held(folder: Path) -> None:
    told = json.loads(simulated(folder, "--json").stdout)
    for each in told["outcomes"]:
        by_day = sum(d["used_h"] + d["lent_h"] + d["idle_h"] for d in each["by_day"])
        # Alike where no card has more promised than a whole one.
        assert by_day == pytest.approx(each["hours"]["held_h"], rel=0.01)
        assert sum(d["lent_h"] for d in each["by_day"]) == pytest.approx(each["lent_h"])


@pytest.fixture
def recorded(folder: Path) -> Path:
    """What happened in the days of the table, as a history."""
    begins = datetime(2026, 11, 23, tzinfo=UTC)
    asked = read_trace(TABLE.splitlines(), begins)
    scenario = Scenario(
        read_quota_document(ONE), read_cards("2xH100:80"), asked, begins, begins + timedelta(days=1)
    )
    history = as_happened(scenario, Cluster(scenario).run())
    path = folder / "history.csv"
    path.write_text("\n".join(written_history(history)))
    return path


def of_history(folder: Path, *more: str) -> Result:
    said = ("--quota", str(folder / "one.yaml"), "--history", str(folder / "history.csv"))
    return sublet("simulate", *said, *more)


def test_it_is_told_first_how_true_it_is_of_what_happened(folder: Path, recorded: Path) -> None:
    shown = of_history(folder)
    assert shown.exit_code == 0, shown.output
    assert max(map(len, shown.output.splitlines())) <= 80
    assert "1 day from 2026-11-23, 2xH100:80, 3 people" in shown.output
    assert shown.output.index("How true this is") < shown.output.index("one.yaml  ")
    told = json.loads(of_history(folder, "--json", "--beside", "none").stdout)
    assert {line["error"] for line in told["truth"]["lines"]} == {0.0}
    assert recorded.name in told["workload"]


def test_another_document_is_tried_on_what_happened(folder: Path, recorded: Path) -> None:
    assert recorded.exists()
    shown = of_history(folder, "--against", str(folder / "other.yaml"), "--beside", "none")
    assert "Who gains and who loses, from one.yaml to other.yaml" in shown.output


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--cards", "1xH100:80"), "--history has its own"),
        (("--workload", "synthetic"), "--history has its own"),
        (("--change", "day 1: drain node-0-0"), "--history has its own"),
    ],
)
def test_a_history_has_its_own_cards(
    folder: Path, recorded: Path, more: tuple[str, ...], said: str
) -> None:
    assert recorded.exists()
    shown = of_history(folder, *more)
    assert (shown.exit_code, said in shown.output) == (2, True)


def test_without_history_cards_must_be_said(folder: Path) -> None:
    shown = sublet("simulate", "--quota", str(folder / "one.yaml"))
    assert (shown.exit_code, "--cards is missing" in shown.output) == (2, True)


def test_no_character_of_a_name_but_a_lines_end_ends_a_line(folder: Path, recorded: Path) -> None:
    lines = recorded.read_text("utf-8").split("\n")
    name = next(line for line in lines if ",card," in line).split(",")[7]
    hostile = [line.replace(name, f"{name}\u2028\x0b\x85\x1b[31m") for line in lines]
    recorded.write_text("\n".join(hostile), "utf-8")
    done = of_history(folder, "--beside", "none")
    assert (done.exit_code, "\x1b" in done.output) == (0, False), done.output


def test_what_is_no_history_is_told(folder: Path) -> None:
    (folder / "history.csv").write_text(TABLE)
    shown = of_history(folder)
    assert shown.exit_code == 1
    assert "history.csv: line 2: a history's first row is of kind" in shown.output
