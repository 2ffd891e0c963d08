"""How cards did when they were tried, over the agent's restarts and no boot."""

from sublet_agent.state_files.canary_verdicts import CanaryVerdicts
from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.fitness import Unfit, UnfitReason

GPU, OTHER = GpuId("GPU-1"), GpuId("GPU-2")
CHANGED = UnfitReason(Unfit.CANARY_CHANGED, "a byte")


def test_a_card_that_has_passed_has_for_the_next_agent_too(tmp_path):
    CanaryVerdicts(tmp_path / "v.json", "boot").keep(GPU, "580.1", None)
    after = CanaryVerdicts(tmp_path / "v.json", "boot")
    assert after.passed(GPU, "580.1")
    assert not after.passed(OTHER, "580.1")
    assert after.failed(GPU, "580.1") is None


def test_another_driver_or_boot_is_tried_anew(tmp_path):
    CanaryVerdicts(tmp_path / "v.json", "boot").keep(GPU, "580.1", None)
    assert not CanaryVerdicts(tmp_path / "v.json", "boot").passed(GPU, "580.2")
    assert not CanaryVerdicts(tmp_path / "v.json", "later").passed(GPU, "580.1")


def test_a_failure_is_kept_with_what_was_seen(tmp_path):
    CanaryVerdicts(tmp_path / "v.json", "boot").keep(GPU, "580.1", CHANGED)
    after = CanaryVerdicts(tmp_path / "v.json", "boot")
    assert after.failed(GPU, "580.1") == CHANGED
    assert not after.passed(GPU, "580.1")
    assert after.failed(GPU, "580.2") is None


def test_a_file_that_cannot_be_read_or_is_of_another_version_is_none(tmp_path, caplog):
    for text in (b"{", b'{"boot": "boot", "gpus": {"GPU-1": {"verdict": "odd"}}}', b"[]"):
        (tmp_path / "v.json").write_bytes(text)
        assert not CanaryVerdicts(tmp_path / "v.json", "boot").passed(GPU, "580.1")
    assert caplog.text.count("cannot be read") == 3


def test_a_file_that_cannot_be_written_costs_another_trial_and_no_more(tmp_path, caplog):
    verdicts = CanaryVerdicts(tmp_path / "none" / "v.json", "boot")
    verdicts.keep(GPU, "580.1", None)
    assert verdicts.passed(GPU, "580.1")
    assert "cannot keep" in caplog.text
