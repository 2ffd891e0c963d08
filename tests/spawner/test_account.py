import os
import pwd

import pytest
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_spawner.account import (
    DEFAULT_ENVIRONMENT_NAMES,
    Account,
    account_template,
    allowed_environment,
    find_account,
    shared_account,
)

ADA = Account(uid=1000, gid=1001, home="/home/ada")


def test_nothing_goes_that_is_not_listed():
    environment = {"PATH": "/bin", "HOME": "/home/ada", "EDITOR": "ed", "SUBLET_SLICE_ID": "s"}
    assert allowed_environment(environment, DEFAULT_ENVIRONMENT_NAMES) == {
        "PATH": "/bin",
        "HOME": "/home/ada",
    }


@pytest.mark.parametrize(
    "name",
    [
        "JUPYTERHUB_API_TOKEN",
        "JUPYTERHUB_USER",
        "jupyterhub_api_token",
        "JPY_API_TOKEN",
        "CONFIGPROXY_AUTH_TOKEN",
        "SUBLET_SLICE_ID",
        "HF_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "PGPASSWORD",
        "OPENAI_API_KEY",
    ],
)
def test_secrets_and_the_hubs_own_never_go_even_when_listed(name):
    assert allowed_environment({name: "canary"}, [name]) == {}


@pytest.mark.parametrize(
    ("notebook_dir", "folder"),
    [
        ("", "/home/ada"),
        ("~", "/home/ada"),
        ("~/work", "/home/ada/work"),
        ("/data/ada", "/data/ada"),
        ("work/../notes", "/home/ada/notes"),
    ],
)
def test_the_notebook_folder_is_absolute(notebook_dir, folder):
    template = account_template(ADA, notebook_dir, "/usr/bin/python3", {"PATH": "/bin"})
    assert template.notebook_dir == folder
    assert (template.uid, template.gid, template.home) == (1000, 1001, "/home/ada")


def test_a_user_without_a_system_account_is_refused():
    answer = find_account("nobody-has-this-name", 0)
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.NO_ACCOUNT
    assert "nobody-has-this-name" in answer.message


def test_a_user_is_found_by_name():
    me = pwd.getpwuid(os.getuid())
    assert find_account(me.pw_name, 0) == Account(me.pw_uid, me.pw_gid, me.pw_dir)


def an_account(monkeypatch, *, uid, hub):
    entry = pwd.struct_passwd(("sublet", "x", uid, 7, "", "/home/sublet", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", lambda _: entry)
    monkeypatch.setattr(os, "geteuid", lambda: hub)
    return find_account("sublet", 1000)


@pytest.mark.parametrize(("uid", "hub"), [(999, 0), (999, 998), (0, 0), (0, 998)])
def test_a_user_who_is_called_like_an_account_of_the_systems_is_refused(monkeypatch, uid, hub):
    answer = an_account(monkeypatch, uid=uid, hub=hub)
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.NO_ACCOUNT
    assert f"'sublet' has uid {uid}, and those below 1000" in answer.message


@pytest.mark.parametrize(("uid", "hub"), [(1000, 0), (998, 998)])
def test_accounts_of_people_and_that_of_a_hub_that_is_not_roots_are_not(monkeypatch, uid, hub):
    assert an_account(monkeypatch, uid=uid, hub=hub) == Account(uid, 7, "/home/sublet")


def test_the_shared_account_is_the_hubs_own_with_another_home():
    assert shared_account("/homes/ada") == Account(os.getuid(), os.getgid(), "/homes/ada")
