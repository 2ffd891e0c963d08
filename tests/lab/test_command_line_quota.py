"""``sublet quota``: a document is checked without a service, and shown and compared with one."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from sublet_quota.document.json_schema import quota_schema
from sublet_quota.document.reading import read_quota_document
from sublet_quota.wire.quota import MOST_DOCUMENT, QuotaInForce, QuotaRights
from sublet_quota.wire.share import RightLine

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import NOW, sublet

GOOD = """\
gpu_types:
  H100: {match: "*H100*", expect: 4}
everyone: {limit: {cards: 2}}
groups:
  science:
    guaranteed: {H100: 4}
    groups:
      nlp: {members: [hub-nlp], guaranteed: {H100: 2}}
"""
BAD = "sizes:\n  - {name: half, memory: much, compute: 0.5}\npolls: {}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "quota.yaml"
    path.write_text(GOOD)
    return path


def in_force(text: str, **values: Any) -> QuotaInForce:
    document = read_quota_document(text).model_dump(mode="json", by_alias=True)
    facts = {"document": document, "text": text, "path": "/etc/quota.yaml", "loaded_at": NOW}
    return QuotaInForce(**{**facts, **values})


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No service and no token: whoever asks one fails."""
    for name in ("SUBLET_SERVICE_URL", "JUPYTERHUB_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nowhere")
def test_validate_warns_of_what_is_over(tmp_path: Path):
    over = "exceptions: [{who: [a], set: {limit: {cards: 4}}, until: 2020-12-14, why: x}]\n"
    file = tmp_path / "quota.yaml"
    file.write_text(over)
    shown = sublet("quota", "validate", str(file))
    assert shown.exit_code == 0
    assert "exceptions[0]: is over since 2020-12-15 00:00 UTC: it does nothing" in shown.output


def test_a_right_document_is_told_to_be_right_without_a_service(file: Path) -> None:
    shown = sublet("quota", "validate", str(file))
    assert (shown.exit_code, shown.output) == (0, f"{file} is valid: 2 groups, 1 pool, 4 sizes\n")


@pytest.mark.usefixtures("nowhere")
def test_all_that_is_wrong_is_told_with_its_lines(file: Path) -> None:
    file.write_text(BAD)
    shown = sublet("quota", "validate", str(file))
    assert shown.exit_code == 1
    size, section = shown.output.splitlines()
    assert size.startswith(f"{file}: line 2: sizes.half.memory: 'much' is no amount of memory")
    assert section.startswith(f"{file}: line 3: polls: is no known key")
    told = sublet("quota", "validate", str(file), "--json")
    problems = json.loads(told.output)["problems"]
    assert told.exit_code == 1
    assert [(each["line"], each["key"]) for each in problems] == [
        (2, "sizes.half.memory"),
        (3, "polls"),
    ]


@pytest.mark.usefixtures("nowhere")
def test_more_guaranteed_than_there_should_be_is_a_warning_with_numbers(file: Path) -> None:
    file.write_text(GOOD.replace("expect: 4", "expect: 3"))
    shown = sublet("quota", "validate", str(file))
    assert shown.exit_code == 0
    warning, right = shown.output.splitlines()
    expected = f"{file}: warning: line 2: gpu_types.H100.expect: expects 3 cards, and 4 are"
    assert warning.startswith(expected)
    assert " is valid: " in right
    told = json.loads(sublet("quota", "validate", str(file), "--json").output)
    assert (told["problems"], [each["line"] for each in told["warnings"]]) == ([], [2])


@pytest.mark.usefixtures("nowhere")
def test_standard_input_is_checked_and_a_file_that_is_too_large_is_not(file: Path) -> None:
    assert sublet("quota", "validate", "-", stdin=GOOD).exit_code == 0
    assert sublet("quota", "validate", "-", stdin=BAD).exit_code == 1
    file.write_bytes(b"#" * (MOST_DOCUMENT + 1))
    shown = sublet("quota", "validate", str(file))
    assert (shown.exit_code, "is larger than" in shown.output) == (1, True)
    assert sublet("quota", "validate", str(file.with_name("none"))).exit_code == 2


@pytest.mark.usefixtures("nowhere")
def test_the_schema_is_the_published_one() -> None:
    assert json.loads(sublet("quota", "schema").output) == quota_schema()


def test_the_document_in_force_is_shown_with_where_and_when_it_was_read(
    service: FakeHubService,
) -> None:
    told = in_force("everyone:\n  types: [a]\n", warnings=("few cards",))
    service.answer("GET quota", told)
    shown = sublet("quota", "show").output
    assert "/etc/quota.yaml" in shown
    assert "Warning: few cards" in shown
    assert shown.splitlines()[-2:] == ["everyone:", "  types: [a]"]
    service.answer("GET quota", in_force("", path=None, errors=("line 3: oh\x1b",)))
    shown = sublet("quota", "show").output
    assert "none: what holds when nobody says" in shown
    assert "not in force: line 3: oh\\x1b" in shown
    assert json.loads(sublet("quota", "show", "--json").output)["errors"] == ["line 3: oh\x1b"]


RIGHTS = QuotaRights(
    owner="ada",
    groups=("nlp",),
    rights=(
        RightLine(
            right="limit of cards",
            value="2 cards",
            source="everyone.limit.cards",
            line=3,
            group=None,
        ),
        RightLine(right="sizes", value="all", source="when nobody says", line=None, group="nlp"),
    ),
)


def test_rights_are_told_with_the_lines_that_say_so(service: FakeHubService) -> None:
    service.answer("GET quota/rights", RIGHTS)
    lines = sublet("quota", "rights").output.splitlines()
    assert service.asked[-1].path == "quota/rights"
    assert lines[:2] == ["Owner   ada", "Groups  nlp"]
    shown = [" ".join(line.split()) for line in lines[-2:]]
    assert shown == [
        "whoever limit of cards 2 cards everyone.limit.cards, line 3",
        "nlp sizes all when nobody says",
    ]
    assert sublet("quota", "rights", "cleo").exit_code == 0
    assert service.asked[-1].path == "quota/rights?owner=cleo"
    (row, _) = csv.DictReader(sublet("quota", "rights", "--csv").stdout.splitlines())
    assert (row["right"], row["line"]) == ("limit of cards", "3")
    assert json.loads(sublet("quota", "rights", "--json").output)["groups"] == ["nlp"]
    service.answer("GET quota/rights", RIGHTS.model_copy(update={"groups_known": False}))
    assert "not known" in sublet("quota", "rights", "cleo").output


def test_what_a_document_would_change_is_told_by_key_and_by_right(
    service: FakeHubService, file: Path
) -> None:
    service.answer("GET quota", in_force(GOOD))
    assert sublet("quota", "diff", str(file)).output == "Nothing would change.\n"
    other = GOOD.replace("cards: 2}", "cards: 3}").replace("guaranteed: {H100: 2}", "weight: 3")
    shown = sublet("quota", "diff", "-", stdin=other)
    assert shown.exit_code == 0, shown.output
    lines = [line.split() for line in shown.output.splitlines()]
    assert ["everyone.limit.cards", "2", "3"] in lines
    assert ["groups.science.groups.nlp.guaranteed.H100", "2", "-"] in lines
    assert ["groups.science.groups.nlp.weight", "1", "3"] in lines
    for who in ("in no group", "member of science", "member of nlp"):
        assert [*f"{who}: limit of cards".split(), *["2", "cards", "3", "cards"]] in lines
    told = json.loads(sublet("quota", "diff", "-", "--json", stdin=other).output)
    assert {"what": "everyone.limit.cards", "before": "2", "after": "3"} in told["keys"]
    assert {each["what"] for each in told["rights"]} == {
        "in no group: limit of cards",
        "member of science: limit of cards",
        "member of nlp: limit of cards",
        "member of nlp: nlp is guaranteed H100",
        "member of nlp: weight of nlp",
    }
    assert sublet("quota", "diff", "-", stdin=BAD).exit_code == 1
