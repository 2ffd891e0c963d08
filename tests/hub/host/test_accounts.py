"""Under which accounts the service starts nothing."""

import os

import pytest
from sublet_hub.errors import AccountError
from sublet_hub.host import accounts
from sublet_quota.wire.api import AccountTemplate


def account(uid: int, gid: int = 1000) -> AccountTemplate:
    return AccountTemplate(uid=uid, gid=gid, home="/", notebook_dir="/", python="/bin/true")


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 997)
    monkeypatch.setattr(accounts, "may_change_accounts", lambda: True)


@pytest.mark.parametrize("uid", [1, 996, 999])
def test_jobs_of_the_systems_accounts_are_not_run(uid: int) -> None:
    with pytest.raises(AccountError, match=f"jobs of uid {uid} are not run: uids below"):
        accounts.run_as(account(uid))


def test_jobs_of_people_and_of_the_services_own_account_are() -> None:
    assert accounts.run_as(account(65530))["user"] == 65530
    assert "user" not in accounts.run_as(account(997))


@pytest.mark.parametrize(("uid", "gid"), [(0, 0), (0, 65530), (65530, 0)])
def test_nobody_runs_as_root_for_somebody_else(uid: int, gid: int) -> None:
    with pytest.raises(AccountError, match="that is root"):
        accounts.run_as(account(uid, gid))
