"""`make card` runs its parts within their time, once each, into one report."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.gpu.card.__main__ import main
from tests.gpu.card.machine import describe_machine, why_no_card
from tests.gpu.card.page import make_page
from tests.gpu.card.parts import MOST_S, PARTS, Context, Part
from tests.gpu.card.progress import shown
from tests.gpu.card.running import Run, run_within
from tests.support.nvidia_stand_in.stand_in import NvidiaStandIn

COUNTS = "import sys, pathlib; p = pathlib.Path(sys.argv[1]) / 'runs'; p.open('a').write('x')"
FIGURES = (
    "import json, sys; open(sys.argv[1] + '/figures.json', 'w').write(json.dumps({'figures': "
    "[{'name': 'resume <b>', 'value': 2.5, 'unit': 'GiB/s', 'how': 'once'}]}))"
)
LIMITS_S = (1.0, 8.0, 60.0)
"""On a busy machine a program may not even have begun by the first."""
STAYS = (
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; "
    "time.sleep(600)'], start_new_session=True); print('begun', flush=True); time.sleep(600)"
)


def part(name: str, program: str, limit_s: float = MOST_S, *, simulated: bool = True) -> Part:
    def command(_: Context, folder: Path) -> list[str]:
        return [sys.executable, "-c", program, str(folder)]

    return Part(name, f"the part {name}", command, simulated, limit_s)


def make_card(report: Path, parts: list[Part], *options: str) -> int:
    return main(["--device", "simulated", "--report", str(report), *options], parts)


def told(report: Path) -> dict[str, dict[str, object]]:
    return {p["part"]: p for p in json.loads((report / "report.json").read_text())["parts"]}


def run_begun(program: str, output: Path, **options: Any) -> Run:
    """Run a program beyond a limit that is long enough for it to say that it has begun."""
    for limit_s in LIMITS_S:
        run = run_within([sys.executable, "-c", program], output, limit_s, {}, **options)
        assert run.took_s < limit_s + 10
        if output.read_text().startswith("begun"):
            break
    return run


def test_each_part_writes_its_piece_of_one_report(tmp_path: Path) -> None:
    assert make_card(tmp_path, [part("one", FIGURES), part("two", COUNTS)]) == 0
    pieces = told(tmp_path)
    assert [p["status"] for p in pieces.values()] == ["passed", "passed"]
    assert pieces["one"]["figures"][0]["value"] == 2.5
    page = (tmp_path / "report.html").read_text()
    assert "resume &lt;b&gt;" in page
    assert "SIMULATED" in page


def test_a_part_that_has_its_result_is_not_run_again(tmp_path: Path) -> None:
    parts = [part("one", COUNTS)]
    for _ in range(2):
        assert make_card(tmp_path, parts) == 0
    assert (tmp_path / "one" / "runs").read_text() == "x"
    assert make_card(tmp_path, parts, "--again") == 0
    assert (tmp_path / "one" / "runs").read_text() == "x"
    assert told(tmp_path)["one"]["status"] == "passed"


def test_a_part_that_runs_beyond_its_limit_is_stopped_with_all_it_started_and_run_again(
    tmp_path: Path,
) -> None:
    for limit_s in LIMITS_S:
        parts = [part("long", STAYS, limit_s), part("next", COUNTS)]
        assert make_card(tmp_path, parts) == 1
        pieces = told(tmp_path)
        if pieces["long"]["output"].startswith("begun"):
            break
    assert (pieces["long"]["status"], pieces["next"]["status"]) == ("stopped", "passed")
    assert pieces["long"]["output"].startswith("begun")
    assert pieces["long"]["processes_left"] == 1
    assert make_card(tmp_path, [part("long", COUNTS), parts[1]]) == 0
    assert told(tmp_path)["long"]["status"] == "passed"
    assert (tmp_path / "next" / "runs").read_text() == "x"


def test_a_part_can_be_asked_to_end_also_where_make_card_runs_in_the_background(
    tmp_path: Path,
) -> None:
    asked = (
        "import time\ntry:\n print('begun', flush=True); time.sleep(600)\n"
        "except KeyboardInterrupt: print('asked')"
    )
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run = run_begun(asked, tmp_path / "out")
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert (run.stopped, run.exit_code, run.left) == (True, 0, 0)
    assert (tmp_path / "out").read_text() == "begun\nasked\n"


def test_a_part_that_does_not_end_when_asked_is_killed(tmp_path: Path) -> None:
    deaf = (
        "import signal, time; signal.signal(2, signal.SIG_IGN); "
        "print('begun', flush=True); time.sleep(600)"
    )
    run = run_begun(deaf, tmp_path / "out", grace_s=0.2)
    assert run.stopped
    assert run.exit_code == -9


def test_a_part_that_fails_says_so_and_the_next_is_run(tmp_path: Path, capsys) -> None:
    parts = [part("bad", "print('why'); raise SystemExit(3)"), part("good", COUNTS)]
    assert make_card(tmp_path, parts) == 1
    assert "FAILED with exit code 3" in capsys.readouterr().out
    assert told(tmp_path)["good"]["status"] == "passed"


def test_it_says_at_the_start_of_a_part_where_to_watch_it(tmp_path: Path, capsys) -> None:
    assert make_card(tmp_path, [part("one", "print('said')")]) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    watched = Path(first.partition("tail -f ")[2].removesuffix(")"))
    assert watched.read_text() == "said\n"


def test_what_is_watched_is_there_as_soon_as_it_is_said(tmp_path: Path) -> None:
    says = "print('begun'); import os; os._exit(0)"
    assert make_card(tmp_path, [part("one", says)]) == 0
    assert told(tmp_path)["one"]["output"] == "begun\n"


def test_a_part_that_tells_its_steps_is_heard_while_it_runs(tmp_path: Path, capsys) -> None:
    goes_on = tmp_path / "heard"
    says = (
        "import pathlib, time\nprint('first')\n"
        f"while not pathlib.Path({str(goes_on)!r}).exists(): time.sleep(0.01)\n"
        "print('last', end='')"
    )
    heard = []

    def hear(line: str) -> None:
        heard.append(line)
        goes_on.touch()

    with shown(tmp_path / "out", hear):
        command = [sys.executable, "-u", "-c", says]
        assert run_within(command, tmp_path / "out", 60.0, {}).exit_code == 0
    assert heard == ["first", "last"]
    shows, hides = replace(part("one", "print('step')"), shown=True), part("two", "print('step')")
    assert make_card(tmp_path, [shows, hides]) == 0
    assert capsys.readouterr().out.count("  step\n") == 1


def test_parts_are_chosen_by_name_and_an_unknown_one_is_refused(tmp_path: Path, capsys) -> None:
    parts = [part("one", COUNTS), part("two", COUNTS)]
    assert make_card(tmp_path, parts, "--parts", "two") == 0
    assert list(told(tmp_path)) == ["two"]
    assert make_card(tmp_path, parts, "--parts", "three") == 2
    assert "there are: one, two" in capsys.readouterr().err


def test_what_only_a_card_can_tell_is_left_out_on_a_simulated_one(tmp_path: Path) -> None:
    parts = [part("one", COUNTS), part("real", COUNTS, simulated=False)]
    assert make_card(tmp_path, parts) == 0
    assert list(told(tmp_path)) == ["one"]


def test_without_a_card_it_says_so(tmp_path: Path, capsys) -> None:
    if why_no_card() is None:
        pytest.skip("this machine has a card")
    assert main(["--report", str(tmp_path / "report")], [part("one", COUNTS)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("No card: ")
    assert "DEVICE=simulated" in said
    assert not (tmp_path / "report").exists()


def test_no_part_may_take_longer_than_nine_minutes() -> None:
    assert all(each.limit_s <= 540 for each in PARTS)
    assert len({each.name for each in PARTS}) == len(PARTS)


def test_a_real_part_leaves_its_tests_and_answers_in_the_report(tmp_path: Path) -> None:
    answered = tmp_path / "probe"
    answered.mkdir()
    names = ["exclusive-mode", "two-cards"]
    context = Context("simulated", tmp_path)
    (probe,) = (each for each in PARTS if each.name == "probe")

    def two_questions(_: Context, folder: Path) -> list[str]:
        return [*probe.command(context, folder), *(w for n in names for w in ("--only", n))]

    assert make_card(tmp_path, [Part("probe", "the probe", two_questions)]) == 0
    answers = told(tmp_path)["probe"]["answers"]
    assert [(a["question"], a["verdict"]) for a in answers] == [(n, "not-here") for n in names]


def test_the_report_says_on_what_it_was_made() -> None:
    machine = describe_machine("simulated")
    assert machine["cpus"] == os.cpu_count()
    assert machine["packages"]["sublet"]
    page = make_page({"machine": machine, "parts": []})
    assert machine["date"] in page
    assert "http" not in page.split("<body>")[0]


def test_it_has_nvml_open_only_while_it_asks(tmp_path: Path) -> None:
    with NvidiaStandIn.running(tmp_path) as stand_in, stand_in.in_this_process():
        assert why_no_card() is None
        assert describe_machine("nvidia")["cards"]["cards"]
        opened = stand_in.calls("nvmlInit", pid=os.getpid())
        closed = stand_in.calls("nvmlShutdown", pid=os.getpid())
    assert len(opened) == len(closed) == 2
