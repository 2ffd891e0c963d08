"""An owner's slice is lent while they think, and comes back when they run a cell.

What the status bar and the panel show of it on the way.
"""

import re
from itertools import groupby

import pytest
from playwright.sync_api import expect

from tests.support.browser_lab import open_notebook, put_notebook
from tests.support.browser_machine import returns_of, until
from tests.support.browser_panel import (
    job_named,
    mark,
    open_panel,
    standings_seen,
    status,
    texts_seen,
    until_standing,
    when_steady,
)

pytestmark = [
    pytest.mark.end_to_end,
]

FILL = """\
import sublet_agent.simulated.client as gpu
held = gpu.allocate(gib=30)
held.fill(seed=3)
mark = held.sha256()
print("filled")"""
LOOK = 'print("intact" if held.sha256() == mark else "LOST")'
BUSY = """\
import pathlib
while not pathlib.Path("enough").exists():
    gpu.compute(seconds=0.2)
assert held.sha256() == mark
print("enough")"""
BORROW = """\
import sublet_agent.simulated.client as gpu
held = gpu.allocate(gib=55)
held.fill(seed=5)
mark = held.sha256()"""
WAIT = 'import sublet_agent.simulated.client as gpu; gpu.allocate(gib=1); print("had it")'


@pytest.fixture
def ada(in_lab, hub):
    put_notebook(hub.home("ada") / "think.ipynb", FILL, LOOK, BUSY)
    (hub.home("ada") / "enough").unlink(missing_ok=True)
    return in_lab("ada", "large", a_page_of_its_own=True)


def test_a_button_and_a_cell_bring_back_what_was_lent_with_every_byte(ada, hub):
    """The button is for who waits without a cell: a widget, a script, a thread."""
    hub.start_server("eva", "large")
    put_notebook(hub.home("eva") / "borrow.ipynb", BORROW, BUSY)
    (hub.home("eva") / "enough").unlink(missing_ok=True)
    notebook = open_notebook(ada, "think.ipynb")
    panel = open_panel(ada)
    notebook.run_cell(0)
    expect(notebook.output(0)).to_have_text("filled")
    expect(status(ada)).to_contain_text("GPU 30.5 of 40 GiB")
    until_standing(ada, "idle")
    job = hub.submit("eva", notebook="borrow.ipynb", memory_mib=60 * 1024)
    until(lambda: hub.job(job)["cells_done"], "the job to run on what is lent")
    until_standing(ada, "lent")
    expect(mark(panel, "kernels")).to_contain_text("memory moved out")
    before = returns_of(hub, "ada")
    when_steady(mark(panel, "wake")).click()
    until(lambda: returns_of(hub, "ada") > before, "what was lent to come back")
    # Else it would be lent again as soon as she is idle, perhaps before the page has shown this.
    with hub.lending_off():
        expect(mark(panel, "kernels")).not_to_contain_text("memory moved out")
        expect(mark(panel, "wake")).to_have_count(0)

    progress = texts_seen(ada.page.locator("#jp-main-statusbar"), "[data-sublet='status-progress']")
    output = texts_seen(notebook.cell(1), ".jp-OutputArea-output")
    with standings_seen(ada) as seen, progress as how_far, output as said:
        until_standing(ada, "lent")
        expect(mark(panel, "standing")).to_have_text("lent")
        # Eva is not in Ada's group: Ada learns that it is lent, and not to whom.
        expect(mark(ada.page, "status-lent")).to_have_text(re.compile("^Lent to a job since "))
        expect(mark(panel, "kernels")).to_contain_text("memory moved out")
        ada.photograph("lent")
        notebook.start_cell(1)
        # Ada is at work from then on, so that all of it can be looked at before it is lent again.
        notebook.start_cell(2)
        ada.photograph("coming-back")
        until(lambda: "cell" in (hub.job(job)["suspended_for"] or ""), "the job to make room")
        expect(notebook.output(1)).to_have_text("intact")
        until_standing(ada, "active")
    told = (each for each in seen if each in ("lent", "coming-back", "active"))
    # Between her cells she may be idle for a moment.
    steps = [each for each, _ in groupby(told)]
    assert steps[-3:] == ["lent", "coming-back", "active"]
    # It takes a few seconds: who looks now and then may miss it.
    assert any("GiB" in each for each in how_far), how_far
    assert any("Sublet: " in each for each in said), said
    expect(status(ada)).to_contain_text("GPU 30.5 of 40 GiB · active")
    assert "eva" not in panel.inner_text()
    expect(mark(panel, "lent")).to_have_text(
        re.compile(r"^It was lent to a job for \d+ (s|min), until ")
    )
    expect(mark(panel, "history").get_by_role("img")).to_have_accessible_name(
        re.compile(r"It held up to 30\.5 GiB of 40 GiB\. It was lent for \d+ (s|min)\.")
    )
    expect(mark(panel, "lent-span")).not_to_have_count(0)
    ada.photograph("came-back")
    for owner in ("eva", "ada"):
        (hub.home(owner) / "enough").touch()
    expect(notebook.output(2)).to_have_text("enough")
    until(lambda: hub.job(job)["state"] == "done", "the job to go on to its end")


def test_owners_who_do_not_fit_take_turns_and_see_nothing_of_each_other(ada, in_lab, hub):
    for owner in ("ada", "eva"):
        put_notebook(hub.home(owner) / "private.ipynb", WAIT)
    eva = in_lab("eva", "large", a_page_of_its_own=True)
    busy = open_notebook(ada, "think.ipynb")
    busy.run_cell(0)
    busy.start_cell(2)
    until_standing(ada, "active")

    notebook = open_notebook(eva, "private.ipynb")
    panel = open_panel(eva)
    notebook.start_cell(0)
    until_standing(eva, "waiting")
    expect(notebook.output(0)).to_contain_text("Sublet: ")
    expect(mark(panel, "wait")).to_be_visible()
    eva.photograph("waiting")
    mark(panel, "interrupt").click()
    expect(mark(panel, "said").first).to_contain_text("Interrupted")
    expect(notebook.output(0).last).to_contain_text("KeyboardInterrupt")
    expect(mark(panel, "interrupt")).to_have_count(0)
    expect(mark(panel, "kernel").filter(has_text="private.ipynb")).to_be_focused()

    notebook.start_cell(0)
    (hub.home("ada") / "enough").touch()
    expect(notebook.output(0).last).to_have_text("had it")
    for owner, its_panel in (("ada", open_panel(ada)), ("eva", panel)):
        hub.submit(owner, notebook="private.ipynb", name=f"of-{owner}")
        expect(job_named(its_panel, f"of-{owner}")).to_be_visible()
        other = "eva" if owner == "ada" else "ada"
        expect(its_panel).not_to_contain_text(other, ignore_case=True)
    eva.photograph("side-by-side")
    eva.expect_complaint("403|404")
    assert eva.page.goto("/user/ada/lab").status in (403, 404)
