"""The quota document: what an empty one means, how values are written, what is in it."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
import yaml
from pydantic import ValidationError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.document.sections import Pool, SliceSize
from sublet_quota.document.values import UNLIMITED, GpuShare

from tests.support.quota_cases import document

FULL = """
    pools:
      - name: interactive
        gpus: {types: ['*H100*', '*A100*'], nodes: [gpu-*]}
        memory_overcommit: 1.5
        compute_overcommit: 4
        idle_after: 10m
        lend: yes
        give_back_within: 30 s
        turn_s: 90
        lend_at_least: 2m
      - {name: training, lend: true}
    sizes:
      notebook: {title: Notebook, memory: 1/4, compute: 250m}
      half: {memory: 40 GiB, compute: 0.5, groups: [staff], users: [zoe]}
    default_size: notebook
    everyone: {most_slices: 2, limit: {memory: 80 GiB}, keep_a_day: 1h}
    groups:
      staff:
        guaranteed: {memory: 80 GiB, compute: 1, pool: interactive}
        limit: {memory: unlimited, compute: 8}
        weight: 3
        each_member: {most_slices: 4, most_jobs: unlimited}
      123: {sizes: [notebook]}
    users:
      no: {own_amounts: false}
    fair_share: {half_life: 3d}
"""


def test_an_empty_document_has_one_pool_with_every_gpu_and_four_sizes() -> None:
    empty = read_quota_document("")
    assert list(empty.pools) == ["interactive"]
    assert empty.pools["interactive"] == Pool()
    assert {name: str(size.memory) for name, size in empty.sizes.items()} == {
        "small": "1/8",
        "medium": "1/4",
        "large": "1/2",
        "whole": "1/1",
    }
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
        "sizes:\nusers:\ngroups:\neveryone:\nfair_share:\n",
        "pools: {interactive: }\n",
    ],
)
def test_what_says_nothing_is_the_empty_document(text: str | bytes) -> None:
    assert read_quota_document(text) == QuotaDocument()


def test_every_key_is_read() -> None:
    full = document(FULL)
    pool = full.pools["interactive"]
    assert pool.gpus.types == ("*H100*", "*A100*")
    assert (pool.memory_overcommit, pool.compute_overcommit) == (Decimal("1.5"), Decimal(4))
    assert pool.idle_after == timedelta(minutes=10)
    assert (pool.lend, pool.turn) == (True, timedelta(seconds=90))
    assert pool.give_back_within == timedelta(seconds=30)
    assert full.sizes["notebook"].memory == GpuShare(Fraction(1, 4))
    assert full.sizes["half"].compute == 500
    staff = full.groups["staff"]
    assert staff.guaranteed is not None
    assert (staff.guaranteed.memory, staff.guaranteed.compute) == (81920, 1000)
    assert (staff.limit.memory, staff.limit.compute) == (UNLIMITED, 8000)
    assert staff.each_member.most_jobs is UNLIMITED
    assert full.fair_share.half_life == timedelta(days=3)


def test_names_of_groups_and_users_are_text_whatever_yaml_would_make_of_them() -> None:
    full = document(FULL)
    assert "123" in full.groups
    assert "no" in full.users


def test_a_document_that_is_written_out_reads_the_same() -> None:
    full = document(FULL)
    written = yaml.safe_dump(full.model_dump(mode="json", by_alias=True), sort_keys=False)
    assert read_quota_document(written) == full
    short = full.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert read_quota_document(yaml.safe_dump(short, sort_keys=False)) == full


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
        ("100%", 80896),
        ("1/1", 80896),
        ("20 GiB", 20480),
        ("1/3", 26965),
        ("5000", 5000),
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
    ("written", "milli"), [("0.25", 250), ("250m", 250), ("1/4", 250), ("25%", 250), ("1", 1000)]
)
def test_a_sizes_compute_is_a_part_of_one_gpu(written: str, milli: int) -> None:
    size = document(f"sizes: {{s: {{memory: 1/4, compute: {written}}}}}").sizes["s"]
    assert size.compute == milli


def test_a_document_made_in_code_is_valid_or_not_made() -> None:
    with pytest.raises(ValidationError, match="did you mean 'interactive'"):
        QuotaDocument.model_validate(
            {"sizes": {"s": {"memory": "1/4", "compute": 1, "pool": "interactiv"}}}
        )


def test_a_document_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        document().default_size = "whole"


def test_sizes_lie_in_the_first_pool_unless_they_say_another() -> None:
    two = document(
        """
        pools: [{name: fast}, {name: slow}]
        sizes: {a: {memory: 1/2, compute: 1}, b: {memory: 1/2, compute: 1, pool: slow}}
        """
    )
    assert (two.pool_of_size("a"), two.pool_of_size("b")) == ("fast", "slow")
