"""What tests of control groups share: both of the kernel's versions, an account, a login."""

import os

import pytest

from tests.support.accounts import an_account
from tests.support.control_groups import a_group, control_groups, needs_freezer


@pytest.fixture(params=[1, 2], ids=["version 1", "version 2"])
def groups(request, tmp_path):
    with control_groups(needs_freezer(tmp_path, request.param), tmp_path) as made:
        yield made


@pytest.fixture
def cleo():
    return an_account()


@pytest.fixture
def session(groups):
    """A group as a login makes it."""
    with a_group(groups, f"/session-{os.getpid()}") as place:
        yield place
