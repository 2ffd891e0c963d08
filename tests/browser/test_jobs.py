"""Training jobs as their owner follows them: in the panel, among Lab's running things, by log."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.browser_lab import enter_lab, open_notebook, put_notebook
from tests.support.browser_panel import (
    job_named,
    mark,
    open_panel,
    photograph_light_and_dark,
    when_steady,
)

pytestmark = [
    pytest.mark.end_to_end,
]

UNTIL_TOLD = """\
import pathlib
import sublet_agent.simulated.client as gpu
held = gpu.allocate(gib=2)
while not pathlib.Path("go-on").exists():
    gpu.compute(seconds=0.1)
    print("tick", flush=True)"""
OWN_WORK = """\
import pathlib
import sublet_agent.simulated.client as gpu
held = gpu.allocate(gib=6)
while not pathlib.Path("enough").exists():
    gpu.compute(seconds=0.1)"""
TALL = {"width": 1280, "height": 1400}


@pytest.fixture
def finn(in_lab):
    """His page goes on from test to test: each has notebooks of its own."""
    return in_lab("finn", viewport=TALL)


def test_jobs_are_followed_from_the_queue_to_their_end(finn, hub):
    page, home = finn.page, hub.home("finn")
    put_notebook(home / "long.ipynb", "print('began')", UNTIL_TOLD, "1", "print('<b>the end</b>')")
    put_notebook(home / "work.ipynb", OWN_WORK)
    notebook = open_notebook(finn, "work.ipynb")
    panel = open_panel(finn)
    hub.submit("finn", notebook="long.ipynb", name="the-long-one")
    long = job_named(panel, "the-long-one")
    expect(mark(long, "job-line")).to_have_text("Cell 2 of 4.")
    expect(long).to_have_attribute("data-sublet-state", "running")
    expect(long.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "25")
    hub.submit("finn", notebook="long.ipynb", name="the-next-one")
    following = job_named(panel, "the-next-one")
    expect(following).to_have_attribute("data-sublet-state", "waiting")
    expect(mark(following, "job-line")).to_have_text(
        re.compile(r"Place 1 in the queue\. .*Needs a whole GPU .* is kept for it until the jobs")
    )
    page.get_by_role("tab", name=re.compile("Running")).click()
    running = page.locator("#jp-running-sessions")
    expect(running).to_contain_text("the-long-one · running 25 %")
    expect(running).to_contain_text("the-next-one · waiting")

    mark(long, "job-log").click()
    log = mark(page, "log")
    expect(log.get_by_role("log")).to_contain_text("tick\ntick\n")
    expect(log.get_by_role("status")).to_have_text("the-long-one: following.")
    finn.photograph("log")
    page.get_by_role("tab", name="work.ipynb").click()
    notebook.start_cell(0)
    expect(mark(long, "job-line")).to_contain_text(
        "Suspended for your own cell; it goes on by itself."
    )
    expect(long).to_contain_text("suspended")
    expect(mark(panel, "slice")).to_contain_text("6.5 of 10 GiB")
    expect(mark(panel, "kernels")).to_contain_text("6.5 GiB")
    expect(mark(panel, "history").get_by_role("img")).to_be_visible()
    # The README shows this one, as it was when it was last taken over.
    finn.photograph_part("share-panel", panel, down_to=long)
    photograph_light_and_dark(finn, "jobs")
    when_steady(mark(following, "job-cancel")).click()
    expect(following).to_have_attribute("data-sublet-state", "cancelled")

    (home / "go-on").touch()
    (home / "enough").touch()
    expect(long).to_have_attribute("data-sublet-state", "done")
    expect(mark(long, "job-line")).to_have_text(re.compile(r"It took \d+ (s|min)\."))
    page.get_by_role("tab", name="Log: the-long-one").click()
    expect(log.get_by_role("status")).to_have_text("the-long-one has ended.")
    expect(log.get_by_role("log")).to_contain_text("<b>the end</b>")
    expect(running).to_contain_text("the-long-one · done")


def test_a_failed_job_shows_its_cell_and_traceback_and_is_run_again(finn, hub):
    home = hub.home("finn")
    put_notebook(home / "fail.ipynb", "found = {}", "found['<i>missing</i>']")
    enter_lab(finn)
    panel = open_panel(finn)
    hub.submit("finn", notebook="fail.ipynb", name="fails", memory_mib=1024)
    failed = job_named(panel, "fails", "failed")
    expect(mark(failed, "job-line")).to_have_text("Cell 2: KeyError: '<i>missing</i>'")
    failed.get_by_text("Traceback", exact=True).click()
    expect(mark(failed, "traceback")).to_contain_text("found['<i>missing</i>']")
    finn.photograph("job-failed")
    put_notebook(home / "fail.ipynb", "print('mended')")
    when_steady(mark(failed, "job-again")).click()
    expect(mark(failed, "said")).to_have_text("It is in the queue once more, as a new job.")
    again = job_named(panel, "fails", "done")
    mark(again, "job-open").click()
    expect(finn.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")).to_contain_text("mended")
