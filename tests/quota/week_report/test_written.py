"""A week's report as it is sent: what stands in it, and that no name is more than text."""

from html.parser import HTMLParser

from sublet_quota.week_report.written import as_html, as_text, written_report
from sublet_quota.wire.week import WeekReport

from tests.support.week_bodies import week_report


def lines_of(report: WeekReport) -> list[list[str]]:
    return [line.split() for line in as_text(report).splitlines()]


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_each_number_stands_beside_that_of_the_week_before() -> None:
    lines = lines_of(week_report())
    assert ["hours", "used", "1,234.5", "823.0", "+50", "%"] in lines
    assert ["hours", "idle", "10.0", "0.0", "-"] in lines
    assert ["hours", "borrowed", "1.0", "1.0", "0", "%"] in lines
    assert ["kWh", "2.5", "-", "-"] in lines
    assert ["kg", "CO2", "1.5", "-", "-"] in lines
    assert ["jobs,", "to", "begin", "4", "2", "min", "2.0", "h", "0", "-", "-"] in lines
    assert ["no-room", "7", "3", "0"] in lines
    assert ["</table>eve", "9.5", "12.0"] in lines


def test_the_days_are_those_of_the_zone_and_a_week_under_way_says_so() -> None:
    text = as_text(week_report())
    assert text.startswith("GPUs in week 2026-W48, by group\nMon 2026-11-23 to Sun 2026-11-29")
    assert "not over" not in text
    assert "the week is not over" in as_text(week_report(is_over=False))


def test_what_was_refused_or_waited_for_last_week_alone_is_told_too() -> None:
    lines = lines_of(week_report())
    at = lines.index(["No", "group"])
    assert ["jobs,", "to", "begin", "0", "-", "-", "4", "2", "min", "2.0", "h"] in lines[at:]
    assert ["no-room", "0", "0", "7"] in lines[at:]


def test_without_factors_no_carbon_is_told() -> None:
    assert "CO2" not in as_text(week_report(carbon=None))
    assert "by <b>the grid</b>, 2026-01-31" in as_text(week_report())


def test_no_name_breaks_a_line_or_moves_a_terminal() -> None:
    text = as_text(week_report())
    assert not {each for each in text if ord(each) < 32 and each != "\n"}
    assert "Group <img src=x>??[2J&\n" in text


def test_no_name_is_a_tag_and_nothing_is_fetched_by_the_page() -> None:
    page = Tags(as_html(week_report()))
    assert page.tags == {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "section"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert page.attributes == {"lang", "charset"}
    assert "</table>eve" in page.words
    assert not [each for each in ("http", "url(", "@import") if each in as_html(week_report())]


def test_all_forms_tell_the_same_report() -> None:
    report = week_report()
    written = written_report(report)
    assert written.subject == "GPUs in week 2026-W48, by group"
    assert WeekReport.model_validate_json(written.json) == report
    assert (written.text, written.html) == (as_text(report), as_html(report))


def test_a_week_in_which_nothing_was_says_so() -> None:
    nothing = week_report().model_copy(update={"groups": ()})
    assert "Nothing was held, waited for or refused." in as_text(nothing)
