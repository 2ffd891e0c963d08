"""From an open notebook to a training job and its result, and what stands in the way."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.support.browser_lab import NotebookPage, open_lab, open_notebook, put_notebook
from tests.support.browser_panel import (
    START_JOB,
    choose,
    field,
    job_named,
    mark,
    open_panel,
    promote,
    promote_dialog,
    start_job,
)

pytestmark = [
    pytest.mark.end_to_end,
]

PARAMETERS = """\
rate = 0.1  # how fast it learns
steps: int = 3
label = "plain"
shuffle = True"""
NEVER_IN_A_JOB = 'raise RuntimeError("this cell is for people")'
READ = "import os, pathlib; place = os.environ.get('DATA_PLACE'); here = sorted(os.listdir())"
TELL = "print(f'{rate=} {steps=} {label=} {shuffle=} {place=} {here=}')"
CELLS = (PARAMETERS, NEVER_IN_A_JOB, READ, TELL)
TAGS = {0: ["parameters"], 1: ["skip"]}
RECKONED = """\
colour = "#ff0000"  # of the curve
shape = (28, 28)
seed = 12345678901234567891
verbose: bool = not shuffle"""
ENDLESS = "import sublet_agent.simulated.client as gpu\nwhile True: gpu.compute(seconds=0.5)"
INSPECT = re.compile("/sublet/api/notebooks/inspect")
SUBMIT = re.compile(r"/sublet/api/jobs$")
LARGER_THAN_ALLOWED = 3 * 1024**3
TALL = {"width": 1280, "height": 1100}
HOSTILE = """<img src=x onerror="window.hurt=1"> 'it' & "s" 🚀 """


@pytest.fixture
def dora(in_lab):
    """Her page goes on from test to test: each has notebooks of its own."""
    return in_lab("dora", viewport=TALL)


@contextmanager
def held_back(page: Page, url: re.Pattern[str]) -> Iterator[None]:
    """Keep the page's requests to ``url`` waiting meanwhile."""
    held: list[Route] = []
    is_over = False

    def keep(route: Route) -> None:
        # One may come while the others are let go: nobody would come back to it.
        if is_over:
            route.continue_()
        else:
            held.append(route)

    page.route(url, keep)
    yield
    is_over = True
    for route in held:
        route.continue_()
    page.unroute(url)


def open_result(panel: Locator, job: Locator) -> NotebookPage:
    """Wait for the end, and open the notebook that was run."""
    expect(job).to_have_attribute("data-sublet-state", "done")
    mark(job, "job-open").click()
    notebook = NotebookPage(panel.page)
    expect(notebook.panel).to_have_count(1)
    return notebook


def test_two_clicks_run_the_notebook_as_it_is_on_the_screen_once_however_long_they_take(dora, hub):
    put_notebook(hub.home("dora") / "train.ipynb", *CELLS, tags=TAGS)
    notebook = open_notebook(dora, "train.ipynb")
    notebook.write(3, f"{TELL}\nprint('not saved before')")
    button = notebook.toolbar.get_by_role("button", name="Promote")
    with held_back(dora.page, INSPECT):
        button.click()
        expect(button).to_be_disabled()
        dora.photograph("promote-busy")
    dialog = promote_dialog(dora.page)
    expect(field(dialog, "name")).to_have_value("train")
    expect(mark(dialog, "promote-cells")).to_have_text(
        "train.ipynb · 3 cells run. 1 cell tagged skip or interactive is left out."
    )
    expect(dialog.get_by_role("radio", name="whole GPUs")).to_be_checked()
    for name, value in (("rate", "0.1"), ("steps", "3"), ("label", "plain"), ("shuffle", "True")):
        expect(field(dialog, name)).to_have_value(value)
    expect(dialog.locator('[data-sublet-field="rate"]')).to_contain_text("how fast it learns")
    expect(mark(dialog, "promote-as-now")).to_contain_text("later edits do not change it")
    expect(mark(dialog, "forecast")).to_contain_text("it starts at once")
    dora.photograph("promote")
    with held_back(dora.page, SUBMIT):
        dialog.get_by_role("button", name=START_JOB).click()
        expect(mark(dialog, "submitting")).to_contain_text("Submitting…")
        expect(dialog.get_by_role("button", name="Cancel")).to_be_disabled()
        expect(field(dialog, "name")).to_be_disabled()
        dora.page.keyboard.press("Escape")
        dora.page.mouse.click(3, 3)
        expect(mark(dialog, "submitting")).to_be_visible()
        dora.photograph("promote-submitting")
    told = dora.page.locator(
        ".Toastify__toast", has_text="train is in the queue as a training job."
    )
    # It goes after a few seconds, unless the mouse is over it.
    told.hover()
    expect(dialog).to_have_count(0)
    expect(button).to_be_enabled()
    told.get_by_role("button", name="Show my jobs").click()
    panel = mark(dora.page, "panel")
    result = open_result(panel, job_named(panel, "train"))
    once = mark(panel, "job").filter(has=dora.page.get_by_text("train", exact=True))
    expect(once).to_have_count(1)
    expect(result.panel).to_contain_text("rate=0.1 steps=3 label='plain' shuffle=True place=None")
    expect(result.panel).to_contain_text("not saved before")
    dora.photograph("result")


def test_a_changed_parameter_is_checked_taken_along_and_seen_in_the_result(dora, hub):
    folder = hub.home("dora") / "large"
    put_notebook(folder / "tuned.ipynb", *CELLS, tags=TAGS)
    (folder / "rows.csv").write_text("1,2,3")
    with (folder / "video.bin").open("wb") as video:
        video.truncate(LARGER_THAN_ALLOWED)
    open_notebook(dora, "large/tuned.ipynb")
    panel = open_panel(dora)
    choose(dora.page, "Run", "Promote to Training…")
    dialog = promote_dialog(dora.page)

    everything = dialog.get_by_role("radio", name=re.compile("copy of the folder"))
    expect(everything).to_be_disabled()
    expect(dialog).to_contain_text("too large, at most 1.1 GB")
    dialog.get_by_role("radio", name=re.compile("copy of some files")).check()
    files = mark(dialog, "take-files")
    expect(dialog.get_by_text("Choose at least one file, or take nothing along.")).to_be_visible()
    files.get_by_role("checkbox", name=re.compile("video.bin")).check()
    expect(dialog.get_by_text(re.compile("at most 1.1 GB can be taken along"))).to_be_visible()
    files.get_by_role("checkbox", name=re.compile("video.bin")).uncheck()
    files.get_by_role("checkbox", name=re.compile("rows.csv")).check()

    field(dialog, "rate").fill("fast")
    field(dialog, "steps").fill("2.5")
    expect(dialog.get_by_text("rate must be a number, such as 0.001.")).to_be_visible()
    expect(dialog.get_by_text("steps must be a whole number, such as 10.")).to_be_visible()
    dialog.get_by_role("button", name=START_JOB).click()
    expect(mark(dialog, "promote-refusal")).to_have_text(
        "Correct what is marked below, and start it again."
    )
    dora.photograph("promote-wrong-types")
    field(dialog, "rate").fill("0.5")
    field(dialog, "steps").fill("0x7")  # as Python writes it, too
    field(dialog, "label").fill(HOSTILE)
    field(dialog, "shuffle").select_option("False")
    more = mark(dialog, "promote-more").locator("summary")
    expect(mark(dialog, "forecast")).to_contain_text("It stops after 24 h at the latest")
    more.press("Enter")
    field(dialog, "environment:DATA_PLACE").fill("/data")
    field(dialog, "hours").fill("0.5")
    field(dialog, "retries").select_option("1")
    expect(more).to_contain_text("stops after 30 min, pauses not counted")
    expect(mark(dialog, "forecast")).to_contain_text("It stops after 30 min at the latest")
    expect(mark(dialog, "forecast")).to_contain_text("it starts at once")
    dora.photograph("promote-changed")
    start_job(dialog)
    result = open_result(panel, job_named(panel, "tuned"))
    told = f"rate=0.5 steps=7 label={HOSTILE!r} shuffle=False place='/data'"
    expect(result.panel).to_contain_text(told)
    expect(result.panel).to_contain_text(re.compile(r"here=\[.*'rows\.csv'.*\]"))
    expect(result.panel).not_to_contain_text("video.bin")
    assert dora.page.evaluate("() => window.hurt") is None


def test_what_a_job_cannot_be_given_is_refused_and_stays_as_in_the_notebook(dora, hub):
    folder = hub.home("dora") / "crumbs"
    cells = ("shuffle = True", RECKONED, "print(f'{colour=} {shape=} {seed=} {verbose=}')")
    put_notebook(folder / "exact.ipynb", *cells, tags={1: ["parameters"]})
    for number in range(207):
        (folder / f"part-{number:03}.csv").write_text("1")
    dialog = promote(open_notebook(dora, "crumbs/exact.ipynb"))
    expect(field(dialog, "colour")).to_have_value("#ff0000")
    expect(dialog.locator('[data-sublet-field="colour"]')).to_contain_text("of the curve")
    expect(field(dialog, "verbose").locator("option:checked")).to_have_text("as in the notebook")
    for name, value, complaint in (
        ("shape", "(32, 32)", "shape: a tuple would arrive in the job as a list."),
        ("seed", "12345678901234567892", "seed: an integer beyond 9007199254740991 would lose"),
    ):
        before = field(dialog, name).input_value()
        field(dialog, name).fill(value)
        expect(dialog.locator(f'[data-sublet-field="{name}"]')).to_contain_text(complaint)
        dora.photograph(f"promote-not-sent-{name}")
        field(dialog, name).fill(before)
    dialog.get_by_role("radio", name=re.compile("copy of some files")).check()
    expect(mark(dialog, "take-more")).to_contain_text("and 7 more: put them into a folder")
    mark(dialog, "take-more").scroll_into_view_if_needed()
    dora.photograph("promote-more-files")
    dialog.get_by_role("radio", name="run in the notebook").check()
    field(dialog, "colour").fill("#00ff00")
    start_job(dialog)
    result = open_result(open_panel(dora), job_named(mark(dora.page, "panel"), "exact"))
    told = "colour='#00ff00' shape=(28, 28) seed=12345678901234567891 verbose=False"
    expect(result.panel).to_contain_text(told)


def test_one_job_too_many_is_refused_in_the_dialog_with_what_to_do(dora, hub):
    put_notebook(hub.home("dora") / "endless.ipynb", ENDLESS)
    jobs = [hub.submit("dora", notebook="endless.ipynb", memory_mib=60 * 1024) for _ in range(2)]
    put_notebook(hub.home("dora") / "third.ipynb", "1")
    dialog = promote(open_notebook(dora, "third.ipynb"))
    words = "'dora' has 2 jobs waiting or running and may have 2. Cancel one, or wait until"
    expect(mark(dialog, "forecast")).to_have_attribute("data-sublet-allowed", "false")
    expect(mark(dialog, "forecast")).to_contain_text(words)
    dora.expect_complaint("409")
    dialog.get_by_role("button", name=START_JOB).click()
    expect(mark(dialog, "promote-refusal")).to_contain_text(words)
    dora.photograph("promote-refused")
    for job in jobs:
        hub.call("POST", f"/services/sublet/api/jobs/{job}/cancel", {})
    dora.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_whatever_a_notebook_is_called_its_name_is_text(dora, hub):
    name = HOSTILE + "n" * (200 - len(HOSTILE) - len(".ipynb"))
    put_notebook(hub.home("dora") / f"{name}.ipynb", "print('it ran')")
    notebook = open_notebook(dora, f"{name}.ipynb")
    panel = open_panel(dora)
    expect(mark(panel, "kernels")).to_contain_text(name)
    dialog = promote(notebook)
    # Jobs' folders and commands bear their names: they are plain, and not too long.
    expect(field(dialog, "name")).to_have_value(re.compile("^img-src-x-onerror-[a-z0-9.-]*n+$"))
    expect(mark(dialog, "promote-cells")).to_contain_text(name)
    field(dialog, "name").fill("n" * 101)
    expect(dialog.get_by_text("Give it a name of at most 100 characters.")).to_be_visible()
    field(dialog, "name").fill(HOSTILE)
    expect(dialog.get_by_text("anything else becomes “-”.")).to_be_visible()
    dora.photograph("promote-hostile-name")
    start_job(dialog)
    job = job_named(panel, "img-src-x-onerror-window.hurt-1-it-s")
    result = open_result(panel, job)
    expect(result.panel).to_contain_text("it ran")
    dora.photograph("hostile-name")
    assert dora.page.evaluate("() => window.hurt") is None
    assert dora.page.locator('img[src="x"]').count() == 0


def test_a_new_notebook_is_saved_first_and_one_that_cannot_be_read_says_what_to_do(dora, hub):
    (hub.home("dora") / "broken.ipynb").write_text("{")
    # The list of files is read anew.
    open_lab(dora)
    choose(dora.page, "File", "New", "Notebook")
    dora.page.get_by_role("button", name=re.compile("^Select")).click()
    notebook = NotebookPage(dora.page)
    expect(notebook.panel).to_be_visible()
    dialog = promote(notebook)
    expect(mark(dialog, "promote-problem")).to_contain_text("no cell with code that would run")
    dialog.get_by_role("button", name="Cancel").click()
    notebook.write(0, "print('a new one')")
    dialog = promote(notebook)
    expect(field(dialog, "name")).to_have_value("Untitled")
    start_job(dialog)
    panel = open_panel(dora)
    expect(job_named(panel, "Untitled", "done")).to_be_visible()

    dora.expect_complaint("400")
    item = dora.page.locator(".jp-DirListing-item", has_text="broken.ipynb")
    item.click(button="right")
    dora.page.locator(".lm-Menu-itemLabel").get_by_text("Promote to Training…").click()
    error = dora.page.get_by_role("dialog")
    expect(error).to_contain_text("This notebook cannot be promoted")
    expect(error).to_contain_text("Open it with the text editor to mend it")
    dora.photograph("promote-broken")
    error.get_by_role("button", name=re.compile("Dismiss|Close|OK")).click()
