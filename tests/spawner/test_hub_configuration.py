from dataclasses import replace

import pytest
from jupyterhub.scopes import scope_definitions
from sublet_quota.names import scopes
from sublet_spawner.errors import TokenFileError
from sublet_spawner.hub_configuration import (
    ONE_ORIGIN,
    SERVER_TOKEN_SCOPES,
    USER_SCOPES,
    SubletOnHub,
    configure,
    service_prefix,
)
from traitlets.config import Config


@pytest.fixture
def sublet(tmp_path) -> SubletOnHub:
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_text("service-token\n")
    return SubletOnHub(token_file=path, service_listens_at="http://127.0.0.1:8901")


def roles(c: Config) -> dict[str, dict]:
    return {role["name"]: role for role in c.JupyterHub.load_roles}


@pytest.mark.parametrize("hub_major", [5, 6])
def test_an_empty_configuration_gets_what_sublet_needs(sublet, hub_major):
    c = Config()
    configure(c, sublet, hub_major=hub_major)
    (service,) = c.JupyterHub.services
    assert service["name"] == "sublet"
    assert service["api_token"] == sublet.token_file.read_text().strip()
    assert "command" not in service
    assert c.JupyterHub.custom_scopes == scopes.DESCRIPTIONS
    assert c.Spawner.server_token_scopes == list(SERVER_TOKEN_SCOPES)
    assert c.SliceSpawnerMixin.service_api_url == "http://127.0.0.1:8901/services/sublet/"


def test_jupyterhub_6_adds_to_the_user_role(sublet):
    c = Config()
    c.JupyterHub.extra_user_scopes = {"read:hub"}
    configure(c, sublet, hub_major=6)
    assert c.JupyterHub.extra_user_scopes == {"read:hub", *USER_SCOPES}
    assert "user" not in roles(c)


def test_jupyterhub_5_defines_the_user_role_anew(sublet):
    c = Config()
    configure(c, sublet, hub_major=5)
    assert roles(c)["user"]["scopes"] == ["self", *USER_SCOPES]
    assert "extra_user_scopes" not in c.JupyterHub


@pytest.mark.parametrize("hub_major", [5, 6])
def test_a_user_role_of_the_admins_is_added_to(sublet, hub_major):
    c = Config()
    c.JupyterHub.load_roles = [{"name": "user", "scopes": ["self", "shares!user"]}]
    configure(c, sublet, hub_major=hub_major)
    assert roles(c)["user"]["scopes"] == ["self", "shares!user", *USER_SCOPES]


def test_the_service_may_read_groups_read_start_and_stop_servers_and_nothing_else(sublet):
    c = Config()
    configure(c, sublet)
    role = roles(c)["sublet-service"]
    assert role["services"] == ["sublet"]
    assert set(role["scopes"]) == {
        "list:users",
        "read:users:groups",
        "list:groups",
        "servers",
    }


def test_a_hub_of_this_version_knows_each_scope_and_gives_what_the_service_looks_for(sublet):
    """A role with a scope that a hub does not know keeps it from starting."""
    c = Config()
    configure(c, sublet)
    own = set(c.JupyterHub.custom_scopes)
    for role in roles(c).values():
        asked = {scope.partition("!")[0] for scope in role["scopes"]}
        assert asked - own <= scope_definitions.keys()
    assert {"read:servers", "delete:servers"} <= set(scope_definitions["servers"]["subscopes"])


def test_a_servers_token_may_do_no_more_than_this(sublet):
    """Kernels read it, so a cell may do what it may: of its own server, and of its owner's jobs."""
    c = Config()
    configure(c, sublet)
    assert set(c.Spawner.server_token_scopes) == {
        "users:activity!user",
        "access:servers!server",
        "access:services!service=sublet",
        "custom:sublet:read!user",
        "custom:sublet:activity!server",
        "custom:sublet:jobs!user",
    }
    assert set(USER_SCOPES) == {
        "access:services!service=sublet",
        "custom:sublet:read!user",
        "custom:sublet:activity!user",
        "custom:sublet:jobs!user",
        "custom:sublet:quota!user",
    }


def test_the_hubs_admins_and_the_named_ones_administer_sublet(sublet):
    c = Config()
    c.Authenticator.admin_users = {"grace"}
    named = replace(sublet, admin_users=("ada",), admin_groups=("staff",))
    configure(c, named)
    role = roles(c)["sublet-admin"]
    assert (role["users"], role["groups"]) == (["ada", "grace"], ["staff"])
    assert scopes.ADMIN in role["scopes"]


def test_who_is_named_sees_all_and_changes_nothing(sublet):
    c = Config()
    configure(c, replace(sublet, reader_users=("rita",), reader_groups=("auditors",)))
    role = roles(c)["sublet-reader"]
    assert (role["users"], role["groups"]) == (["rita"], ["auditors"])
    assert role["scopes"] == ["access:services!service=sublet", "custom:sublet:read"]


def test_nobody_but_admins_holds_the_admin_scope(sublet):
    c = Config()
    configure(c, sublet, hub_major=5)
    holders = [name for name, role in roles(c).items() if scopes.ADMIN in role["scopes"]]
    assert holders == ["sublet-admin"]
    assert scopes.ADMIN not in c.Spawner.server_token_scopes
    assert not any(scope.startswith(scopes.QUOTA) for scope in c.Spawner.server_token_scopes)


def test_what_the_admin_has_set_stays(sublet):
    c = Config()
    c.JupyterHub.services.append({"name": "culler"})
    c.JupyterHub.load_roles.append({"name": "culler", "scopes": ["list:users"]})
    c.JupyterHub.custom_scopes = {"custom:mine": {"description": "mine"}}
    c.Authenticator.admin_users.add("grace")
    c.Spawner.server_token_scopes = ["shares!user"]
    configure(c, sublet, hub_major=6)
    assert [service["name"] for service in c.JupyterHub.services] == ["culler", "sublet"]
    assert roles(c)["culler"]["scopes"] == ["list:users"]
    assert "custom:mine" in c.JupyterHub.custom_scopes
    assert roles(c)["sublet-admin"]["users"] == ["grace"]
    assert c.Spawner.server_token_scopes == ["shares!user", *SERVER_TOKEN_SCOPES]


def test_configuring_twice_is_configuring_once(sublet):
    once, twice = Config(), Config()
    configure(once, sublet, hub_major=6)
    configure(twice, sublet, hub_major=6)
    configure(twice, sublet, hub_major=6)
    assert once == twice


def test_a_function_for_the_tokens_scopes_is_not_replaced(sublet):
    c = Config()
    c.Spawner.server_token_scopes = lambda _spawner: []
    with pytest.raises(TypeError, match="SERVER_TOKEN_SCOPES"):
        configure(c, sublet)


def test_a_token_that_others_can_read_stops_the_hub(sublet):
    sublet.token_file.chmod(0o644)
    with pytest.raises(TokenFileError):
        configure(Config(), sublet)


@pytest.mark.parametrize(
    ("base_url", "prefix"),
    [
        (None, "/services/sublet/"),
        ("/", "/services/sublet/"),
        ("/jupyter", "/jupyter/services/sublet/"),
        ("/a/b/", "/a/b/services/sublet/"),
    ],
)
def test_the_service_lives_below_the_hubs_base_url(base_url, prefix):
    c = Config()
    if base_url is not None:
        c.JupyterHub.base_url = base_url
    assert service_prefix(c) == prefix


def test_servers_are_led_to_the_service_where_each_user_has_an_origin(sublet):
    c = Config()
    c.JupyterHub.subdomain_host = "https://hub.example.org"
    c.JupyterHub.base_url = "/jupyter/"
    c.Proxy.extra_routes = {"docs.example.org/": "http://docs"}
    configure(
        c, replace(sublet, service_url="http://proxy-public.jhub:8000/jupyter/services/sublet/")
    )
    assert c.Proxy.extra_routes == {
        "docs.example.org/": "http://docs",
        "proxy-public.jhub/jupyter/services/sublet/": "http://127.0.0.1:8901",
    }


def test_one_origin_for_all_needs_no_route_of_its_own(sublet):
    c = Config()
    configure(c, sublet)
    assert "extra_routes" not in c.Proxy


@pytest.mark.parametrize("host", ["", "https://hub.example.org"])
def test_the_hubs_log_recommends_an_origin_for_each_user_where_they_share_one(sublet, caplog, host):
    c = Config()
    if host:
        c.JupyterHub.subdomain_host = host
    with caplog.at_level("WARNING"):
        configure(c, sublet)
    assert (ONE_ORIGIN in caplog.messages) is not bool(host)
