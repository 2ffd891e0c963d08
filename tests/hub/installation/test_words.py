"""What who installs reads: the plan in columns, what starts again, what remains to be done."""

from pathlib import PurePosixPath

import pytest
from sublet_hub.installation.changes import Folder
from sublet_hub.installation.facts import HubKind
from sublet_hub.installation.manifest import Made
from sublet_hub.installation.plan import Step, Undo, Verdict, changes, restarted_units, tells_hub
from sublet_hub.installation.words import (
    in_the_way,
    introduction,
    restart_line,
    undo_lines,
    what_next,
)

from tests.support.installing import a_hub, chosen, facts

PATH = PurePosixPath("/etc/systemd/system/sublet-agent.service.d/override.conf")
HUBS = {HubKind.PLAIN: "JupyterHub 5.3.0 (", HubKind.TLJH: "The Littlest JupyterHub, JupyterHub 5."}


@pytest.mark.parametrize("kind", HUBS)
def test_a_hub_is_named_once(kind):
    first, *_ = introduction(facts(), chosen(a_hub(kind=kind)))
    assert first.startswith(f"Hub:      {HUBS[kind]}")


def test_what_the_admin_changes_of_units_is_named():
    assert any(str(PATH) in line for line in introduction(facts(drop_ins=(PATH,)), chosen()))


@pytest.mark.parametrize("verdict", [Verdict.GONE, Verdict.RESTORE, Verdict.ASK, Verdict.REMOVE])
def test_whatever_becomes_of_things_their_names_are_in_one_column(verdict):
    (line,) = undo_lines([Undo(Made("file", "/x", "a file"), verdict)], [], remove_data=False)
    assert line.index("/x") == len("  ") + 13 + len(" ")


def test_the_loss_of_what_is_on_simulated_gpus_is_told_before():
    planned = [
        Step(change, Verdict.UPDATE if "simulated" in str(change) else Verdict.PRESENT)
        for change in changes(chosen(device="simulated"))
    ]
    assert "sublet-simulated-gpus.service" in restarted_units(planned)
    assert "on the simulated GPUs is lost" in restart_line(restarted_units(planned), why="")
    assert "lost" not in restart_line(["sublet-hub.service"], why="")


def test_nothing_starts_again_by_what_is_made_anew():
    assert restarted_units([Step(change, Verdict.MAKE) for change in changes(chosen())]) == ()


def test_what_is_in_the_way_is_named_by_its_path():
    step = Step(Folder(PurePosixPath("/etc/sublet"), "Sublet's configuration"), Verdict.BLOCKED)
    (reason,) = in_the_way([step])
    assert reason.startswith("/etc/sublet (Sublet's configuration)")
    assert "move it away" in reason


@pytest.mark.parametrize("is_enabled", [True, False])
def test_of_an_image_it_is_said_what_starts_and_that_secrets_are_shared(is_enabled):
    said = "\n".join(what_next(chosen(a_hub(is_enabled=is_enabled)), in_image=True))
    assert ("systemctl enable jupyterhub.service" in said) is not is_enabled
    assert "same secrets (/etc/sublet/service-token, /etc/sublet/nodes)" in said


TOLD = {
    "a line that is there": ("line", "/etc/jupyterhub/config.py", Verdict.RESTORE, True),
    "a line that is gone": ("line", "/etc/jupyterhub/config.py", Verdict.GONE, False),
    "the littlest hub's part": ("file", "/opt/tljh/x/zz-sublet.py", Verdict.REMOVE, True),
    "a unit": ("file", "/etc/systemd/system/sublet-hub.service", Verdict.REMOVE, False),
}


@pytest.mark.parametrize("name", TOLD)
def test_the_hub_is_to_be_restarted_where_it_was_told_of_sublet(name):
    kind, path, verdict, is_told = TOLD[name]
    assert tells_hub(Undo(Made(kind, path, ""), verdict)) is is_told
