"""The share as a widget in a notebook cell, in a real browser."""

import pytest
from playwright.sync_api import expect

from tests.support.browser_lab import open_notebook, put_notebook

pytestmark = [
    pytest.mark.end_to_end,
]

WORK = """\
import pathlib, time
while not pathlib.Path("looked").exists():
    time.sleep(0.1)"""
HOLD = "import sublet_agent.simulated.client as gpu; data = gpu.allocate(gib=9.5)"
SHOW = "from sublet_lab import ShareWidget\nShareWidget()"


def test_the_widget_shows_the_share_live_and_warns_near_the_cap(in_lab, hub):
    put_notebook(hub.home("bea") / "share.ipynb", SHOW, WORK, HOLD, "%sublet")
    (hub.home("bea") / "looked").unlink(missing_ok=True)
    bea = in_lab("bea")
    notebook = open_notebook(bea, "share.ipynb")
    notebook.run_cell(0)
    widget = notebook.output(0).first
    # She works until that is seen: the page may take longer than it takes to be idle.
    notebook.start_cell(1)
    expect(widget).to_contain_text("of 10 GiB: active")
    expect(widget).to_contain_text("Memory")
    (hub.home("bea") / "looked").touch()
    notebook.run_cell(2)
    expect(widget).to_contain_text("almost all of its cap")
    expect(widget.locator(".progress-bar")).to_have_count(2)
    bea.photograph("share-widget")
    notebook.run_cell(3)
    # Before it, in the same cell, she is warned.
    expect(notebook.output(3).last).to_contain_text("of 10 GiB: active")
