"""Hours that are spent, and a server that is idle for too long, as their owner is told of them."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.support.browser import OUTPUT
from tests.support.browser_lab import open_notebook, put_notebook
from tests.support.browser_machine import BrowserMachine, browser_machine
from tests.support.browser_panel import (
    mark,
    open_panel,
    photograph_light_and_dark,
    when_steady,
)

pytestmark = [
    pytest.mark.end_to_end,
]

QUOTA = """\
gpu_types:
  H100: {match: "*H100*", rate: 60}
pools:
  - {name: interactive, idle_after: 2s}
sizes:
  - {name: quarter, title: A quarter of a card, memory: 1/4, compute: 1/4}
everyone: {max_idle: 3m}
groups:
  institute:
    guaranteed: {H100: 1}
    budget: {hours: 2000, per: month}
    groups:
      speech: {guaranteed: {H100: 1/4}, budget: {hours: 0.2, per: day, each: {hours: 40}}}
"""
GROUPS = {"speech": ("cleo",)}
TALL = {"width": 1280, "height": 1400}


@pytest.fixture(scope="module")
def hub() -> Iterator[BrowserMachine]:
    """A machine of this module's own, whose document has budgets and an end of being idle."""
    with browser_machine(QUOTA, GROUPS, speed=40) as running:
        yield running
        running.keep_logs(OUTPUT / "logs-budgets")


def test_hours_that_are_spent_and_an_idle_server_are_told_and_its_end_is_put_off(in_lab, hub):
    put_notebook(hub.home("cleo") / "work.ipynb", "print('here')")
    cleo = in_lab("cleo", "quarter", viewport=TALL)
    notebook = open_notebook(cleo, "work.ipynb")
    panel = open_panel(cleo)
    # From now on it is idle: all that follows is open already.
    notebook.run_cell(0)
    expect(mark(panel, "idle-end")).to_contain_text("If it stays idle, your server is ended at")
    photograph_light_and_dark(cleo, "budgets-before")

    budgets = mark(panel, "budget")
    spent = budgets.filter(has_text="Budget of speech")
    # A quarter of a card at this rate is a quarter of an hour each minute, when it is added up.
    expect(spent).to_contain_text("spent")
    expect(spent).to_have_attribute("data-sublet-over", "true")
    expect(spent).to_contain_text("What runs counts as borrowed and makes way for others")
    expect(spent).to_contain_text("There are hours again at")
    for calm in ("Budget of institute", "Your budget in speech"):
        one = budgets.filter(has_text=calm)
        expect(one).to_have_attribute("data-sublet-over", "false")
        expect(one.get_by_role("meter")).to_have_accessible_name(calm)
    photograph_light_and_dark(cleo, "budgets-spent")

    warned = panel.locator("[data-sublet='idle-end'][data-sublet-warned]")
    expect(warned).to_contain_text("with all variables of its kernels: run a cell, or extend it.")
    cleo.photograph("idle-warned")
    when_steady(mark(panel, "extend")).click()
    expect(mark(panel, "said").first).to_have_text(re.compile("^Your server may stay idle until"))
    expect(warned).to_have_count(0)
    expect(mark(panel, "idle-end")).to_contain_text("If it stays idle, your server is ended at")
    cleo.photograph("idle-extended")
    assert "ready" in hub.call("GET", "/hub/api/users/cleo").json()["servers"][""]
