"""For which slices the driver is asked for a limit, and when not."""

import pytest
from sublet_agent.residency.wanted_limits import wanted_limit
from sublet_quota.reasons.cap_keepers import DRIVER_IF_ABLE

from tests.support.agent_cases import START
from tests.support.fake_device import GPU
from tests.support.fake_service_link import slice_assignment
from tests.support.served_slices import activity_record

ASKED = ("watch", DRIVER_IF_ABLE)


@pytest.mark.parametrize(
    ("fields", "limit_mib"),
    [
        ({"cap_kept_by": ASKED}, 1000),
        ({"cap_kept_by": ()}, None),
        ({"cap_kept_by": None}, None),
        ({"cap_kept_by": ("driver",)}, None),
        ({"cap_kept_by": ASKED, "pod_uid": "some-pod"}, None),
    ],
    ids=["asked for", "the card tells", "not known", "an engine's", "a pod"],
)
def test_a_slice_has_its_cap_as_limit_where_its_spawner_asked_for_that(unserved, fields, limit_mib):
    unserved.assign(slice_assignment("s", GPU, 1000, **fields), START)
    assert wanted_limit(unserved).limit_mib == limit_mib


def test_a_slice_that_was_given_back_is_to_have_none(unserved):
    unserved.assign(slice_assignment("s", GPU, 1000, cap_kept_by=ASKED), START)
    unserved.release(activity_record())
    assert wanted_limit(unserved).limit_mib is None


def test_another_cap_is_another_limit(unserved):
    for mib in (1000, 2000):
        unserved.assign(slice_assignment("s", GPU, mib, cap_kept_by=ASKED), START)
    assert wanted_limit(unserved).limit_mib == 2000
