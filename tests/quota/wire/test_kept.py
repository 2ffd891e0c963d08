"""What keeps a cap, as it goes over the wire: also what only a newer part knows."""

from pydantic import TypeAdapter
from sublet_quota.reasons.cap_keepers import DriverLimit
from sublet_quota.wire.kept import ToldDriverLimit, tell_cap_kept_with


def test_a_newer_agents_reason_is_no_word_that_the_driver_keeps_the_cap() -> None:
    read = TypeAdapter(ToldDriverLimit).validate_python
    assert read("some-new-reason") is DriverLimit.REFUSED
    assert read("kept") is DriverLimit.KEPT
    assert read(None) is None


def test_who_keeps_a_cap_comes_before_why_the_driver_does_not() -> None:
    told = tell_cap_kept_with(DriverLimit.OVER_CAP, simulated=False)
    assert (told.by, told.words) == (("watch",), "the watch")
    assert told.meaning.endswith("; not the driver, because the slice has more than its cap")
    kept = tell_cap_kept_with(DriverLimit.KEPT, simulated=False)
    assert kept.words == "the driver, the watch"
    assert "not the driver" not in kept.meaning
