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
    answer = find_account("nobody-has-this-name")
    assert isinstance(answer, Refusal)
    assert answer.reason is RefusalReason.NO_ACCOUNT
    assert "nobody-has-this-name" in answer.message


def test_a_user_is_found_by_name():
    me = pwd.getpwuid(os.getuid())
    assert find_account(me.pw_name) == Account(me.pw_uid, me.pw_gid, me.pw_dir)


def test_the_shared_account_is_the_hubs_own_with_another_home():
    assert shared_account("/homes/ada") == Account(os.getuid(), os.getgid(), "/homes/ada")
