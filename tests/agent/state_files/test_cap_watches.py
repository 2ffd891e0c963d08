"""How slices stand to their caps is kept over deaths of the agent, whichever GPU speaks first."""

from datetime import timedelta

import pytest
from sublet_agent.state_files.cap_watches import CapWatchesFile
from sublet_quota.residency.cap_watch import CapWatch, watch_cap

from tests.support.agent_cases import START

OVER, _ = watch_cap(CapWatch(), 11, 10, START)
NEAR, _ = watch_cap(CapWatch(), 9, 10, START)


def test_what_was_kept_is_loaded_for_the_slices_that_are_still_there(tmp_path):
    before = CapWatchesFile(tmp_path / "watches.json")
    before.keep("g1", {"a": OVER, "gone": OVER})
    before.keep("g2", {"b": NEAR, "c": CapWatch()})
    kept = CapWatchesFile(tmp_path / "watches.json").load({"a", "b", "c"})
    assert kept == {"a": OVER, "b": NEAR}


def test_the_first_gpu_that_speaks_leaves_what_is_kept_of_others(tmp_path):
    CapWatchesFile(tmp_path / "watches.json").keep("g1", {"a": OVER, "b": NEAR})
    after = CapWatchesFile(tmp_path / "watches.json")
    after.load({"a", "b"})
    after.keep("g2", {"b": OVER})
    assert CapWatchesFile(tmp_path / "watches.json").load({"a", "b"}) == {"a": OVER, "b": OVER}


def test_a_slice_that_has_come_from_another_card_is_kept_as_it_is_on_this(tmp_path):
    file = CapWatchesFile(tmp_path / "watches.json")
    file.keep("g1", {"a": NEAR})
    file.keep("g2", {"a": OVER})
    file.keep("g1", {})
    file.keep("g2", {"a": OVER})
    assert CapWatchesFile(tmp_path / "watches.json").load({"a"}) == {"a": OVER}


@pytest.mark.parametrize(
    "rubbish",
    ["[", "1", '{"a": 1}', '{"a": {"level": "HIGH"}}', "[1]", '{"a": {"level": "OVER"}}'],
)
def test_rubbish_is_nothing_and_owners_are_told_once_more(tmp_path, rubbish):
    path = tmp_path / "watches.json"
    path.write_text(rubbish)
    assert CapWatchesFile(path).load({"a"}) == {}


def test_a_moment_without_its_time_zone_is_rubbish(tmp_path):
    path = tmp_path / "watches.json"
    CapWatchesFile(path).keep("g1", {"a": OVER})
    path.write_text(path.read_text().replace("+00:00", ""))
    assert CapWatchesFile(path).load({"a"}) == {}


def test_what_cannot_be_written_ends_nothing(tmp_path):
    file = CapWatchesFile(tmp_path / "no-folder" / "watches.json")
    file.keep("g1", {"a": OVER})
    later, _ = watch_cap(OVER, 1, 10, START + timedelta(seconds=1))
    file.keep("g1", {"a": later})
