"""Served slices of an owner, of a job, of either, and one that nobody was given yet."""

import pytest
from sublet_agent.residency.served_slice import ServedSlice
from sublet_quota.names.ids import SliceId

from tests.support.agent_cases import START
from tests.support.fake_device import GPU
from tests.support.served_slices import activity_record, served_as


@pytest.fixture
def unserved():
    return ServedSlice(SliceId("s"), GPU, activity_record(), START)


@pytest.fixture
def owners():
    return served_as("notebook")


@pytest.fixture
def job():
    return served_as("job")


@pytest.fixture(params=["notebook", "job"])
def served(request):
    return served_as(request.param)
