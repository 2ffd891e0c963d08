"""What the service's defaults may take of the chart's volume is less than the volume."""

import yaml
from sublet_hub.app.application import SubletHub
from sublet_hub.kubernetes_api.quantities import parse_quantity
from sublet_hub.settings import OwnerLimits, VolumeBudget

from tests.support.helm_documents import CHART

MIB = 2**20
EVENT_BYTES = 1024
"""What an event takes of the disk with its place in the indices: twice the usual."""


def _defaults() -> dict[str, int]:
    names = ("job_log_mib", "owner_logs_mib", "logs_mib", "keep_free_mib", "events_kept")
    return {name: SubletHub.class_traits()[name].default_value for name in names}


def test_the_default_budgets_add_up_to_less_than_the_charts_volume() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    volume = parse_quantity(values["service"]["persistence"]["size"])
    known = _defaults()
    logs, free = known["logs_mib"] * MIB, known["keep_free_mib"] * MIB
    events = known["events_kept"] * EVENT_BYTES
    # Others' logs grow for a quarter more while one owner's running jobs have too much already.
    logs += logs // 4
    # Jobs, slices and use are in what is left: a GiB of it, and they are never the largest.
    assert logs + free + events + 1024 * MIB < volume


def test_one_job_and_one_owner_take_a_part_of_all_logs_alone() -> None:
    known = _defaults()
    assert known["job_log_mib"] < known["owner_logs_mib"]
    assert known["owner_logs_mib"] * 4 <= known["logs_mib"]


def test_the_options_and_the_settings_have_the_same_defaults() -> None:
    known, limits, volume = _defaults(), OwnerLimits(), VolumeBudget()
    assert limits.log_bytes == known["job_log_mib"] * MIB
    assert limits.owner_logs_bytes == known["owner_logs_mib"] * MIB
    assert volume.logs_bytes == known["logs_mib"] * MIB
    assert volume.keep_free_bytes == known["keep_free_mib"] * MIB
    assert volume.events_kept == known["events_kept"]
