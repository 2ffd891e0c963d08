"""The sums of the demo: who had the GPU, or that it is not told."""

from rich.console import Console
from sublet_hub.one_machine.demo.record import Record
from sublet_hub.one_machine.demo.report import print_report
from sublet_hub.one_machine.demo.sampling import gpu_seconds


def record_of(*samples: tuple[float, int, int]) -> Record:
    """A record of samples: when, and the GPU time of an owner and of the training by then."""
    record = Record(lambda _: None)
    for at_s, owner_ms, training_ms in samples:
        slices = [
            {"slice_id": holder, "holder": holder, "gpu_busy_ms": busy_ms}
            for holder, busy_ms in (("notebook", owner_ms), ("job", training_ms))
        ]
        record.samples.append({"at_s": at_s, "slices": slices})
    return record


def test_gpu_time_is_summed_by_who_had_it():
    sums = gpu_seconds(record_of((1, 0, 0), (5, 1500, 0), (11, 2000, 4000)))
    assert sums == {"owners": 2, "training": 4, "idle": 4, "whole": 10}


def test_where_no_use_is_told_the_report_says_so_and_not_that_the_gpu_was_idle():
    record = record_of((1, 0, 0), (11, 0, 0))
    record.facts["gpu_seconds"] = gpu_seconds(record)
    console = Console(record=True, width=120)
    print_report(record, console)
    told = console.export_text()
    assert "GPU time: not told" in told
    assert "idle" not in told
