"""The quota document: what an empty one means, how values are written, what is in it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
import yaml
from pydantic import ValidationError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.document.sections import Pool, SliceSize
from sublet_quota.document.value_kinds.sizes import GpuShare
from sublet_quota.document.values import UNLIMITED, WhenFull

from tests.support.quota_documents import EXAMPLE, document, problems_of


def test_an_empty_document_has_one_pool_with_every_gpu_and_four_sizes() -> None:
    empty = read_quota_document("")
    assert list(empty.pools) == ["interactive"]
    assert empty.pools["interactive"] == Pool()
    assert {name: str(size.memory) for name, size in empty.sizes.items()} == {
        "small": "1/8",
        "medium": "1/4",
        "large": "1/2",
        "whole": "1",
    }
    assert (empty.default_pool, empty.default_size) == ("interactive", None)
    assert empty.pool_for("NVIDIA L4", "node", "GPU-1") == "interactive"
    assert empty == QuotaDocument()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "---\n",
        "{}",
        "null",
        "~",
        b"",
        b"\xef\xbb\xbf{}",
        "pools:\n",
        "gpu_types:\nsizes:\ngroups:\neveryone:\nexceptions:\nclosed:\nshrink:\nnotebooks:\n",
        "fair_share:\n",
        "pools: {interactive: }\n",
        "everyone: {jobs: }\n",
    ],
)
def test_what_says_nothing_is_the_empty_document(text: str | bytes) -> None:
    assert read_quota_document(text) == QuotaDocument()


def test_pools_and_sizes_are_read() -> None:
    full = document(EXAMPLE)
    pool = full.pools["interactive"]
    assert pool.types == ("L4", "A100")
    assert (pool.memory_overcommit, pool.compute_overcommit) == (Decimal("1.5"), Decimal(4))
    assert pool.idle_after == timedelta(minutes=10)
    assert (pool.lend, pool.turn) == (True, timedelta(seconds=90))
    assert pool.give_back_within == timedelta(seconds=30)
    assert full.pools["training"].lends == {"interactive": Fraction(1, 4)}
    assert full.sizes["small"].memory == GpuShare(Fraction(1, 4))
    assert full.sizes["whole"].for_ == ("science",)
    assert (full.default_pool, full.default_size) == ("interactive", "small")
    assert full.pool_of_size("small") == "interactive"
    assert full.pool_of_size("half") == "training"
    assert full.gpu_types["L4"].rate == Fraction(1, 2)
    assert full.gpu_types["A100"].match == ("*A100*", "NVIDIA A800")


@pytest.mark.parametrize(
    ("written", "milli"),
    [("0.25", 250), ("1/8", 125), ("500m", 500), ("10%", 100), ("1", 1000), (None, None)],
)
def test_a_cap_of_compute_is_read_in_each_spelling(written: str | None, milli: int | None) -> None:
    pool = "{}" if written is None else f"{{max_compute: {written}}}"
    assert document(f"pools: {{interactive: {pool}}}\n").pools["interactive"].max_compute == milli


def test_groups_are_read_as_a_tree() -> None:
    full = document(EXAMPLE)
    science, nlp = full.groups["science"], full.all_groups["nlp"]
    assert science.guaranteed == {"H100": 6, "A100": 8}
    assert nlp.guaranteed == {"H100": Fraction(9, 2)}
    assert science.limit.types == {"H100": Fraction(8)}
    assert (science.limit.cards, science.limit.memory) == (Fraction(20), UNLIMITED)
    assert science.limit.slices is None
    assert nlp.each.jobs.most is UNLIMITED
    assert full.all_groups["ml-101"].jobs.types == ()
    assert full.path_of("nlp") == ("science", "nlp")
    assert set(full.all_groups) == {"science", "nlp", "bio", "ml-101", "123"}
    with pytest.raises(KeyError):
        full.path_of("nobody")


def test_members_are_groups_of_the_hub_by_default_that_of_the_same_name() -> None:
    full = document(EXAMPLE)
    assert full.groups_of(["hub-nlp", "science", "strangers"]) == ("nlp", "science")
    assert full.groups_of(["nlp"]) == ()
    assert full.groups_of(["hub-bio", "hub-chem"]) == ("bio",)
    assert document("groups: {closed: {members: []}}").groups_of(["closed"]) == ()


def test_exceptions_closings_and_what_holds_over_time_are_read() -> None:
    full = document(EXAMPLE)
    exception = full.exceptions[0]
    assert exception.who == ("user-17",)
    assert exception.set_.limit.types == {"H100": 4}
    assert full.closed[0].gpus == (3,)
    assert full.closed[0].until == datetime(2026, 12, 3, tzinfo=UTC)
    assert full.shrink.grace == timedelta(hours=12)
    assert full.fair_share.half_life == timedelta(days=2)


def test_notebooks_without_room_wait_in_line_where_the_document_says_so() -> None:
    assert document(EXAMPLE).notebooks.when_full is WhenFull.QUEUE
    assert document(EXAMPLE).notebooks.wait_most == timedelta(hours=3)
    assert document().notebooks.when_full is WhenFull.REFUSE
    assert document("notebooks: {when_full: queue}").notebooks.wait_most == timedelta(hours=2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("notebooks: {when_full: wait}", "when_full: 'wait' is not known: write 'refuse', or"),
        ("notebooks: {when_full: 1}", "notebooks.when_full: 1 is not known"),
        ("notebooks: {when_full: [queue]}", "is not known: write 'refuse'"),
        ("notebooks: {wait_most: 0}", "notebooks.wait_most: 0 is zero"),
        ("notebooks: {wait_most: long}", "notebooks.wait_most: 'long' is no duration"),
    ],
)
def test_what_is_no_rule_of_the_line_is_told(text: str, expected: str) -> None:
    (problem,) = problems_of(text)
    assert expected in problem


def test_names_of_groups_are_text_whatever_yaml_would_make_of_them() -> None:
    named = document("groups: {123: {}, no: {}, '1:30': {}}")
    assert sorted(named.all_groups) == ["123", "1:30", "no"]


def test_a_document_that_is_written_out_reads_the_same() -> None:
    full = document(EXAMPLE)
    written = yaml.safe_dump(full.model_dump(mode="json", by_alias=True), sort_keys=False)
    assert read_quota_document(written) == full
    empty = yaml.safe_dump(QuotaDocument().model_dump(mode="json", by_alias=True))
    assert read_quota_document(empty) == QuotaDocument()


def test_it_is_known_in_which_line_something_was_read() -> None:
    full = document(EXAMPLE)
    lines = EXAMPLE.splitlines()

    def line(*path: str | int) -> str:
        found = full.line_of(path)
        assert found is not None
        return lines[found - 1]

    assert "6, A100: 8" in line("groups", "science", "guaranteed", "H100")
    assert "name: training" in line("pools", "training", "lends", "interactive")
    assert "user-17" in line("exceptions", 0, "set", "limit", "cards")
    # What is not there is where it would be.
    assert "hub-nlp" in line("groups", "science", "groups", "nlp", "limit", "H100")
    assert QuotaDocument().line_of(("pools", "interactive")) is None


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("'10m'", 600),
        ("30 s", 30),
        ("90", 90),
        ("1.5", 1.5),
        ("2h", 7200),
        ("1 day", 86400),
        ("10 min", 600),
        ("0.5 s", 0.5),
        ("'60'", 60),
    ],
)
def test_durations_are_numbers_of_seconds_or_have_a_unit(written: str, seconds: float) -> None:
    pool = document(f"pools: {{p: {{idle_after: {written}}}}}").pools["p"]
    assert pool.idle_after == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("written", "mib_of_79_gib"),
    [
        ("1/4", 20224),
        ("25%", 20224),
        ("0.25", 20224),
        ("100%", 80896),
        ("1/1", 80896),
        ("1", 80896),
        ("'1'", 80896),
        ("20 GiB", 20480),
        ("5000 MiB", 5000),
        ("1/3", 26965),
    ],
)
def test_a_size_is_an_amount_or_a_part_of_what_a_gpu_gives(
    written: str, mib_of_79_gib: int
) -> None:
    size = document(f"sizes: {{s: {{memory: {written}, compute: 1}}}}").sizes["s"]
    assert size.memory_on(79 * 1024) == mib_of_79_gib


@pytest.mark.parametrize("parts", [2, 3, 4, 7, 8, 100])
def test_parts_of_a_gpu_always_fit_on_it_together(parts: int) -> None:
    size = SliceSize.model_validate({"memory": f"1/{parts}", "compute": 0.01})
    assert size.memory_on(80896) * parts <= 80896


@pytest.mark.parametrize(
    ("written", "milli"),
    [("0.25", 250), ("250m", 250), ("1/4", 250), ("25%", 250), ("1", 1000), ("1/3", 333)],
)
def test_a_sizes_compute_is_a_part_of_one_gpu(written: str, milli: int) -> None:
    size = document(f"sizes: {{s: {{memory: 1/4, compute: {written}}}}}").sizes["s"]
    assert size.compute == milli


@pytest.mark.parametrize(
    ("written", "cards"),
    [
        ("6", 6),
        ("0.5", Fraction(1, 2)),
        ("1/3", Fraction(1, 3)),
        ("0.1", Fraction(1, 10)),
        ("0", 0),
    ],
)
def test_cards_are_exact(written: str, cards: Fraction) -> None:
    read = document(f"groups: {{g: {{guaranteed: {{L4: {written}}}}}}}")
    assert read.groups["g"].guaranteed["L4"] == cards


@pytest.mark.parametrize(
    ("written", "end"),
    [
        ("2026-12-14", datetime(2026, 12, 15, tzinfo=UTC)),
        ("2026-12-14T18:00Z", datetime(2026, 12, 14, 18, tzinfo=UTC)),
        ("2026-12-14 18:00+01:00", datetime(2026, 12, 14, 17, tzinfo=UTC)),
        ("2026-12-14 18:00:30 -05:00", datetime(2026, 12, 14, 23, 0, 30, tzinfo=UTC)),
    ],
)
def test_a_day_is_included_and_a_moment_has_its_zone(written: str, end: datetime) -> None:
    closed = document(f"closed: [{{node: n, why: fan, until: '{written}'}}]").closed
    assert closed[0].until == end


def test_a_document_made_in_code_is_valid_or_not_made() -> None:
    with pytest.raises(ValidationError, match="did you mean 'interactive'"):
        QuotaDocument.model_validate(
            {"sizes": {"s": {"memory": "1/4", "compute": 1, "pool": "interactiv"}}}
        )


def test_a_document_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        document().groups = {}


def test_the_order_of_sizes_is_part_of_what_a_document_says() -> None:
    a, b = "{name: a, memory: 1/2, compute: 1}", "{name: b, memory: 1/2, compute: 1}"
    assert document(f"sizes: [{a}, {b}]") != document(f"sizes: [{b}, {a}]")
