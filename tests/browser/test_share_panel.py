"""The share panel: what it tells of a slice and a quota, and what its buttons do."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.support.browser_lab import open_notebook, put_notebook
from tests.support.browser_machine import until
from tests.support.browser_panel import (
    mark,
    open_panel,
    photograph_light_and_dark,
    status,
    until_standing,
    when_steady,
)

pytestmark = [
    pytest.mark.end_to_end,
]

HOLD = "import sublet_agent.simulated.client as gpu; held = gpu.allocate(gib=4)"
FILL_UP = "more = gpu.allocate(gib=5)"
FREE = "more.free()"
SHARED = "handle = held.share()"
WORK = """\
import pathlib
while not pathlib.Path("worked").exists():
    gpu.compute(seconds=0.2)"""
SEE = "import os; print(os.environ['SUBLET_MEMORY_MIB'])"
TALL = {"width": 1280, "height": 1250}


@pytest.fixture
def bea(in_lab, hub):
    put_notebook(hub.home("bea") / "hold.ipynb", HOLD, FILL_UP, FREE, SHARED, WORK)
    put_notebook(hub.home("bea") / "later.ipynb", SEE)
    (hub.home("bea") / "worked").unlink(missing_ok=True)
    return in_lab("bea", a_page_of_its_own=True, viewport=TALL)


def press(button: Locator) -> None:
    """As who uses no mouse does, on the button that the keyboard is at."""
    expect(button).to_be_focused()
    when_steady(button).page.keyboard.press("Enter")


def line_count(text: Locator) -> int:
    """Return how many lines a text takes."""
    tops = text.evaluate(
        "each => { const all = document.createRange(); all.selectNodeContents(each);"
        " return [...all.getClientRects()].map(line => Math.round(line.top)); }"
    )
    return len(set(tops))


def test_the_panel_tells_all_of_ones_share(bea):
    notebook = open_notebook(bea, "hold.ipynb")
    panel = open_panel(bea)
    notebook.run_cell(0)
    expect(mark(panel, "slice")).to_contain_text("4.5 of 10 GiB")
    until_standing(bea, "idle")
    expect(mark(panel, "standing")).to_have_text("idle")
    for fact in ("simulated", "Simulated H100 80GB", "Compute share25 %", "Busy now0 %"):
        expect(mark(panel, "slice")).to_contain_text(fact)
    expect(mark(panel, "compute-kept")).to_have_text("not needed now")
    expect(mark(panel, "cap-kept-by")).to_have_text("the simulated card, the watch")
    # A line for what it is, and one for who keeps it.
    assert line_count(mark(panel, "cap-kept-by")) == 1
    expect(mark(panel, "kernel")).to_contain_text(re.compile(r"hold\.ipynb.*ready.*4\.5 GiB"))
    # The service tells of them, perhaps later than the agent of the slice.
    expect(mark(panel, "account")).to_have_count(2)
    you, group = mark(panel, "account").all()
    expect(you).to_contain_text("You10 GiB of at most 60 GiB")
    expect(group).to_contain_text("Group vision10 GiB of at most 45 GiB")
    expect(group).to_contain_text("H1000.25 cards held, 0.25 guaranteed")
    memory, cards = group.get_by_role("meter").all()
    expect(memory).to_have_attribute("aria-valuenow", str(10 * 1024))
    expect(cards).to_have_attribute("aria-valuetext", "0.25 cards held, 0.25 guaranteed")
    expect(mark(panel, "paid-by")).to_have_text("vision")
    expect(mark(panel, "slice").locator("[data-sublet='rank']")).to_contain_text(
        "Guaranteed to vision"
    )
    offers = mark(panel, "offer")
    expect(offers.filter(has_text=re.compile("^Small"))).to_have_attribute(
        "data-sublet-allowed", "true"
    )
    expect(offers.filter(has_text=re.compile("^Large"))).to_contain_text(
        re.compile(r"may have 45 GiB \(groups\.vision\..*\): 40 GiB more is too")
    )
    expect(offers.filter(has_text=re.compile("^Night"))).to_contain_text("not now")
    expect(mark(panel, "week")).to_contain_text(re.compile(r"GPU-hours used.*k?Wh.*energy.*lent"))
    expect(mark(panel, "history").get_by_role("img")).to_have_accessible_name(
        re.compile(r"It held up to 4\.5 GiB of 10 GiB\. It was not lent\.")
    )
    photograph_light_and_dark(bea, "panel")

    notebook.run_cell(1)
    expect(status(bea)).to_contain_text("near its cap")
    expect(mark(panel, "near-cap")).to_contain_text("almost all of its cap of 10 GiB")
    notebook.run_cell(2)
    expect(mark(panel, "near-cap")).to_have_count(0)
    notebook.run_cell(3)
    expect(mark(panel, "unsuspendable")).to_contain_text(
        re.compile("cannot be moved out and back:.*keep GPU memory within one process")
    )
    bea.photograph("panel-unsuspendable")


def test_its_buttons_keep_give_up_and_resize_by_keyboard(bea, hub):
    notebook = open_notebook(bea, "hold.ipynb")
    panel = open_panel(bea)
    notebook.run_cell(0)
    mark(panel, "keep-minutes").focus()
    mark(panel, "keep-minutes").select_option("15 min")
    bea.page.keyboard.press("Shift+Tab")
    press(mark(panel, "keep"))
    expect(mark(panel, "said").first).to_have_text("Kept: nobody else uses your slice for 15 min.")
    expect(mark(panel, "kept-until")).to_be_visible()
    press(mark(panel, "keep-end"))
    expect(mark(panel, "said").first).to_have_text("Your slice may be lent again while it is idle.")
    expect(mark(panel, "kept-until")).to_have_count(0)
    expect(mark(panel, "keep")).to_be_focused()

    notebook.start_cell(4)
    # It works until that is seen: the page looks only now and then, and the service is told later.
    until_standing(bea, "active")
    until(lambda: hub.slice_of("bea")["report"]["running_cell"], "the cell's begin to be known")
    (hub.home("bea") / "worked").touch()
    notebook.until_run(4)
    # The page has it from the agent, perhaps earlier than the service, which would refuse.
    until(lambda: not hub.slice_of("bea")["report"]["running_cell"], "the cell's end to be known")
    mark(panel, "give-up").focus()
    press(mark(panel, "give-up"))
    expect(mark(panel, "said").first).to_contain_text("Given up for now")
    until_standing(bea, "idle")

    expect(mark(panel, "give-up")).to_be_focused()
    bea.page.keyboard.press("Tab")
    press(mark(panel, "resize"))
    form = mark(panel, "resize-form")
    for memory, complaint in (("2", "You hold 4.5 GiB"), ("90", "whole GPU has 80 GiB")):
        mark(form, "resize-memory").fill(memory)
        expect(form.get_by_role("alert")).to_contain_text(complaint)
    bea.expect_complaint("403")
    mark(form, "resize-memory").fill("46")
    mark(form, "resize-memory").press("Enter")
    expect(mark(form, "said")).to_contain_text("the largest size to pick in pool")
    bea.photograph("resize-refused")
    mark(form, "resize-memory").fill("12")
    mark(form, "resize-memory").press("Enter")
    expect(mark(form, "said")).to_contain_text("restart a kernel to have it see the new size")
    expect(status(bea)).to_contain_text("of 12 GiB")
    expect(mark(panel, "account").last).to_contain_text("12 GiB of at most 45 GiB")
    bea.photograph("resized")
    later = open_notebook(bea, "later.ipynb")
    later.run_cell(0)
    expect(later.output(0)).to_have_text(str(12 * 1024))
