"""The console's view *Use*: admins look at a month of hours and send it on; users at theirs."""

import csv
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Download, Page, expect
from sublet_hub.ledger.database import Database

from tests.support.browser import Visitor
from tests.support.browser_console import (
    NARROW,
    SERVICE,
    faults_found_by_axe,
    fits_in_width,
    open_console,
)
from tests.support.browser_panel import mark
from tests.support.past_use import store_past

pytestmark = [
    pytest.mark.end_to_end,
]

TALL = {"width": 1280, "height": 1500}
VIEW = "view/use"
DAYS = 28
PEOPLE = {
    "ada": "vision",
    "bea": "vision",
    "cleo": "speech",
    "eva": None,
    **{f"student-{number}": "teaching" for number in range(120)},
}


@pytest.fixture(scope="module")
def past(hub):
    """Four weeks lie behind this hub."""
    with hub.without_service():
        ledger = hub.places.folder / "service" / "ledger.sqlite"
        database = Database(f"sqlite:///{ledger}")
        store_past(database, PEOPLE, DAYS, datetime.now(UTC))
        database.close()
    return hub


@pytest.fixture
def admin(visit, past):
    visitor = visit("admin", viewport=TALL)
    open_console(visitor, past.settings.admin_password, VIEW)
    expect_refused_for_a_while(visitor)
    return visitor


def expect_refused_for_a_while(visitor: Visitor) -> None:
    """Six long tables at once cost much where a machine is busy: then the page asks once more.

    What it shows in the end is looked at; that the browser tells of the answer before is no fault.
    """
    visitor.expect_complaint(r"429 .*/api/(use|refusals)\b")


def rows_of(download: Download) -> list[dict[str, str]]:
    with Path(download.path()).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table(page: Page) -> dict[str, list[str]]:
    """The totals as they are shown, by name."""
    rows = mark(page, "use-table").locator("tbody tr:not(.room)")
    cells = [row.locator("th, td").all_inner_texts() for row in rows.all()]
    return {name: figures for name, *figures in cells}


def test_an_admin_looks_at_a_month_by_group_at_one_of_them_and_sends_it_on(admin):
    page = admin.page
    page.get_by_role("combobox", name="Time", exact=True).select_option("30")
    told = mark(page, "use-told")
    expect(told).to_contain_text(re.compile(r"In all: held \d+ h"))
    expect(mark(page, "use-times")).to_contain_text("time zone of this browser")
    expect(mark(page, "use-course").locator("path.use-area")).to_have_count(4)
    everything = told.inner_text()
    assert set(table(page)) == {"vision", "speech", "teaching", "no group"}
    expect(mark(page, "use-waits-table")).to_contain_text("notebooks in line")
    expect(mark(page, "use-refusals-table")).to_contain_text("no room")
    expect(mark(page, "use-energy")).to_contain_text("kWh")
    expect(mark(page, "use-no-carbon")).to_contain_text("carbon_g_per_kwh")
    expect(mark(page, "use-limits-table")).to_contain_text("each member")
    admin.photograph("console-use")

    mark(page, "use-table").get_by_role("button", name="vision").click()
    expect(mark(page, "use-course").get_by_role("heading")).to_contain_text("group vision")
    expect(told).not_to_have_text(everything)
    of_vision = told.inner_text()
    assert "of=vision" in page.url
    page.reload()
    expect(told).to_have_text(of_vision)
    expect(page.get_by_role("combobox", name="Time", exact=True)).to_have_value("30")


def test_a_step_is_looked_at_by_pointer_by_keys_and_in_a_table(admin):
    page = admin.page
    told = mark(page, "use-told")
    expect(told).to_contain_text("In all")
    chart = mark(page, "use-course").get_by_role("img")
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(told).not_to_contain_text("In all")
    page.mouse.move(0, 0)
    expect(told).to_contain_text("In all")
    slider = page.get_by_role("slider", name="Look at one step")
    slider.press("Home")
    expect(told).not_to_contain_text("In all")
    assert slider.get_attribute("aria-valuetext") == told.inner_text()
    mark(page, "use-course-table").locator("summary").click()
    expect(mark(page, "use-steps").locator("tbody tr")).to_have_count(7)


def test_what_is_shown_is_had_as_csv_and_a_long_table_is_searched(admin):
    page = admin.page
    page.get_by_role("combobox", name="Time", exact=True).select_option("30")
    page.get_by_role("combobox", name="By", exact=True).select_option("owner")
    expect(mark(page, "use-found")).to_have_text(f"{len(PEOPLE)} of {len(PEOPLE)}")
    # Of more than a hundred only those in sight are drawn.
    assert mark(page, "use-table").locator("tbody tr").count() < len(PEOPLE)
    with page.expect_download() as downloading:
        mark(page, "use-totals").get_by_role("link", name="Download CSV").click()
    rows = rows_of(downloading.value)
    assert {row["owner"] for row in rows} == set(PEOPLE)
    mark(page, "use-search").fill("ada")
    expect(mark(page, "use-found")).to_have_text(f"1 of {len(PEOPLE)}")
    (ada,) = (row for row in rows if row["owner"] == "ada")
    assert float(table(page)["ada"][0]) == pytest.approx(float(ada["held"]), abs=0.1)
    mark(page, "use-table").get_by_role("button", name="ada").click()
    expect(mark(page, "use-told")).to_contain_text(f"held {float(ada['held']):.1f} h")


def test_a_user_sees_their_own_hours_alone(visit, past):
    eva = visit("eva", viewport=TALL)
    page = open_console(eva, past.settings.password, VIEW)
    page.get_by_role("combobox", name="Time", exact=True).select_option("30")
    expect(mark(page, "use-told")).to_contain_text(re.compile("In all: held [1-9]"))
    assert set(table(page)) == {"no group"}
    expect(mark(page, "use-limits")).to_have_count(0)
    expect(page.get_by_role("combobox", name="By", exact=True).locator("option")).to_have_text(
        ["group", "type"]
    )
    with page.expect_download() as downloading:
        mark(page, "use-totals").get_by_role("link", name="Download CSV").click()
    assert len(rows_of(downloading.value)) == 1
    page.goto(f"{SERVICE}{VIEW}?by=owner&of=ada")
    # What is asked of another is refused by the service; here it is not even asked.
    expect(mark(page, "use-told")).to_contain_text("In all")


def test_an_admin_reads_prints_and_takes_along_a_week_by_group(admin):
    page = admin.page
    mark(page, "use-report").click()
    expect(mark(page, "report-title")).to_contain_text(re.compile(r"Week \d{4}-W\d\d, by group"))
    groups = mark(page, "report-group")
    expect(groups).to_have_count(4)
    for words in ("hours used", "kWh", "most idle"):
        expect(groups.first).to_contain_text(words)
    # Of slices that are gone it is not known who paid for their turns in line.
    expect(groups.last).to_contain_text("notebooks in line")
    assert faults_found_by_axe(page) == []
    admin.photograph("console-report")
    for link, opening in (("Download HTML", "<!DOCTYPE html>"), ("Download text", "GPUs in week")):
        with page.expect_download() as downloading:
            page.get_by_role("link", name=link).click()
        written = Path(downloading.value.path()).read_text(encoding="utf-8")
        assert written.startswith(opening)
        assert "Group vision" in written
    page.get_by_role("combobox", name="Group", exact=True).select_option("vision")
    expect(groups).to_have_count(1)
    assert "group=vision" in page.url
    # No way out is set on this machine, and it says so.
    admin.expect_complaint("400")
    mark(page, "mail-report").click()
    expect(mark(page, "mailed")).to_contain_text("set are none")
    page.emulate_media(media="print")
    expect(mark(page, "mail-report")).to_be_hidden()
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    expect(groups.first).to_be_visible()
    admin.photograph("console-report-print")
    page.emulate_media(media="screen")
    page.set_viewport_size(NARROW)
    for theme in ("light", "dark"):
        page.get_by_label("Colours").select_option(theme)
        assert faults_found_by_axe(page) == []
        assert fits_in_width(page)
        admin.photograph(f"console-report-narrow-{theme}")
    page.get_by_label("Colours").select_option("auto")
    page.set_viewport_size(TALL)


def test_refusals_and_energy_are_told_by_group(admin):
    page = admin.page
    page.get_by_role("combobox", name="Time", exact=True).select_option("30")
    refusals = mark(page, "use-refusals-table")
    # The document has no group "teaching": who was in it then is in none now.
    for group in ("vision", "speech", "no group"):
        expect(refusals).to_contain_text(group)
    everything = mark(page, "use-energy").inner_text()
    mark(page, "use-table").get_by_role("button", name="vision").click()
    expect(mark(page, "use-course").get_by_role("heading")).to_contain_text("group vision")
    expect(refusals).not_to_contain_text("speech")
    expect(refusals).to_contain_text("vision")
    expect(mark(page, "use-energy")).to_contain_text("kWh")
    expect(mark(page, "use-energy")).not_to_have_text(everything)
    with page.expect_download() as downloading:
        mark(page, "use-refusals").get_by_role("link", name="Download CSV").click()
    rows = rows_of(downloading.value)
    assert {row["group"] for row in rows} == {"vision", "speech", ""}
    admin.photograph("console-use-refusals")


def test_it_is_legible_in_light_and_dark_by_ear_and_on_a_phone(visit, past):
    admin = visit("admin", viewport=NARROW)
    page = open_console(admin, past.settings.admin_password, VIEW)
    expect_refused_for_a_while(admin)
    for theme in ("light", "dark"):
        page.get_by_label("Colours").select_option(theme)
        expect(mark(page, "use-told")).to_contain_text("In all")
        expect(mark(page, "use-limits-table")).to_be_visible()
        assert faults_found_by_axe(page) == []
        assert fits_in_width(page)
        admin.photograph(f"console-use-narrow-{theme}")
        page.set_viewport_size(TALL)
        assert faults_found_by_axe(page) == []
        admin.photograph(f"console-use-{theme}")
        page.set_viewport_size(NARROW)
    page.get_by_label("Colours").select_option("auto")
