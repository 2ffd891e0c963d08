"""What users may choose for a server on Kubernetes: sizes beside profiles, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from sublet_quota.wire.api import Problem
from tornado.web import HTTPError

from tests.spawner.kube_world import POD, a_world
from tests.spawner.spawners import WORDS, refusal_of
from tests.support.kube_spawner import environment_in

pytestmark = pytest.mark.asyncio
PROFILES = [
    {"display_name": "Usual", "slug": "usual"},
    {
        "display_name": "Large",
        "slug": "large",
        "kubespawner_override": {"slice_size": "large", "image": "large:1"},
    },
    {"display_name": "CPU only", "slug": "cpu", "kubespawner_override": {"slice_size": "none"}},
    {
        "display_name": "Choose",
        "slug": "choose",
        "profile_options": {
            "image": {
                "display_name": "Image",
                "choices": {
                    "old": {"display_name": "Old", "kubespawner_override": {"image": "old:1"}},
                    "new": {"display_name": "New", "kubespawner_override": {"image": "new:1"}},
                },
            }
        },
    },
]


async def test_a_refusal_is_said_in_the_services_words_and_no_pod_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.service.problem = Problem(reason="no-room", message=WORDS)
        error = await refusal_of(world.spawner)
        assert (error.status_code, error.jupyterhub_message) == (403, WORDS)
        assert "&lt;b&gt;asked" in error.jupyterhub_html_message
        assert world.cluster.created == []
        assert await world.spawner.poll() == 1
        assert world.service.released == []


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"size": 5}, "size is 5"),
        ({"sudo": True}, "'sudo'"),
        ({"image": "mine:1"}, "'image'"),
        ({"profile": "nobodys"}, "No such profile: nobodys"),
        ({"profile": "choose", "image": "newest"}, "newest"),
        ({"profile": "choose", "image--unlisted-choice": "x"}, "without being enabled"),
        ({"profile": ["choose"]}, "No such profile"),
        ({"profile": "choose", "image": ["new"]}, "unhashable"),
    ],
)
async def test_options_that_are_no_choice_are_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], part: str
) -> None:
    profiles = [] if options.get("image") == "mine:1" else PROFILES
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.profile_list = profiles
        world.spawner.user_options = options
        error = await refusal_of(world.spawner)
        assert error.status_code == 400
        assert part in error.jupyterhub_message
        assert world.service.calls == []
        assert world.cluster.created == []


async def test_a_slice_that_the_backend_cannot_express_is_refused_and_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"slice_backend": "mig", "slice_backend_settings": {"mig": {"profiles": ["1g.5gb"]}}}
    async with a_world(tmp_path, monkeypatch) as world:
        for name, value in settings.items():
            world.spawner._as_configured[name] = value
        world.service.lease_changes = {"simulated": False}
        error = await refusal_of(world.spawner)
        assert error.status_code == 403
        assert "1g.5gb" in error.jupyterhub_message
        assert world.service.slices == {}
        assert len(world.service.released) == 1


@pytest.mark.parametrize(
    ("options", "size", "image"),
    [
        ({}, None, "usual:1"),
        ({"profile": "usual", "size": "small"}, "small", "usual:1"),
        ({"profile": "large"}, "large", "large:1"),
        ({"profile": "large", "size": "small"}, "large", "large:1"),
        ({"profile": "large", "memory_mib": 5, "compute_milli": 5}, "large", "large:1"),
        ({"profile": "choose", "image": "new", "size": "large"}, "large", "new:1"),
        ({"profile": "usual", "size": "small", "group": "science"}, "small", "usual:1"),
        ({"profile": "large", "group": "science"}, "large", "large:1"),
    ],
)
async def test_profiles_and_sizes_are_chosen_together(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    size: str | None,
    image: str,
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.profile_list = lambda _spawner: PROFILES
        world.spawner.user_options = options
        await world.started()
        (request,) = world.service.requests
        assert (request.size, request.memory_mib) == (size, None)
        assert request.group == options.get("group")
        assert world.pod["spec"]["containers"][0]["image"] == image
        told = [event["message"] for event in world.spawner._start_log._events]
        overruled = "small" in str(options) * (size == "large") or "memory_mib" in options
        assert any("was not used" in message for message in told) is overruled


async def test_a_profile_may_come_without_a_gpu_where_users_may_not_ask_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.profile_list = PROFILES
        world.spawner.user_options = {"profile": "cpu"}
        task = await world.starting()
        world.cluster.run(POD)
        await task
        assert world.service.slices == {}
        assert environment_in(world.pod)["NVIDIA_VISIBLE_DEVICES"] == "void"
        assert "sublet.dev/slice" not in world.pod["metadata"]["labels"]


async def test_what_one_profile_set_does_not_stay_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.profile_list = PROFILES
        world.service.problem = Problem(reason="no-room", message=WORDS)
        world.spawner.user_options = {"profile": "large"}
        await refusal_of(world.spawner)
        world.service.problem = None
        world.spawner.user_options = {"profile": "usual", "size": "small"}
        await world.started()
        assert [request.size for request in world.service.requests] == ["large", "small"]


async def test_a_profile_may_bring_settings_of_its_backend_and_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = {"slice_backend": "kai", "slice_backend_settings": {"kai": {"queue": "large"}}}
    wrong = {"slice_backend_settings": {"time-slicing": {"resurce": "x"}}}
    async with a_world(tmp_path, monkeypatch) as world:
        world.service.lease_changes = {"simulated": False}
        world.spawner.profile_list = [
            {"display_name": "Usual"},
            {"display_name": "Large", "kubespawner_override": backend},
            {"display_name": "Wrong", "kubespawner_override": wrong},
        ]
        world.spawner.user_options = {"profile": "wrong"}
        error = await refusal_of(world.spawner)
        assert error.status_code == 400
        assert "did you mean 'resource'" in error.jupyterhub_message
        world.spawner.user_options = {"profile": "large"}
        await world.started()
        assert world.pod["metadata"]["labels"]["kai.scheduler/queue"] == "large"
        await world.spawner.stop()
        world.spawner.user_options = {}
        await world.started()
        assert "kai.scheduler/queue" not in world.pod["metadata"]["labels"]


async def test_a_profiles_option_named_like_one_of_sublets_is_an_error_for_the_admin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        options = {"size": {"choices": {"a": {"display_name": "A"}}}}
        world.spawner.profile_list = [{"display_name": "X", "profile_options": options}]
        world.spawner.user_options = {"profile": "x", "size": "a"}
        error = await refusal_of(world.spawner)
        assert error.status_code == 500
        assert "named 'size'" in error.jupyterhub_message


async def test_the_form_has_sizes_guarantees_and_profiles_and_reads_them_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.profile_list = PROFILES
        form = await world.spawner.get_options_form()
        assert 'name="size"' in form
        assert "While it is idle its room is lent" in form
        assert "comes with a slice of its own (large)" in form
        assert 'name="profile"' in form
        assert world.spawner.run_options_from_form(
            {
                "size": ["large"],
                "profile": ["choose"],
                "profile-option-choose--image": ["new"],
                "profile-option-other--image": ["old"],
                "_xsrf": ["x"],
            }
        ) == {"size": "large", "profile": "choose", "image": "new"}
        with pytest.raises(HTTPError):
            world.spawner.run_options_from_form({"sudo": ["1"]})


async def test_the_hubs_own_hook_knows_the_keys_of_profiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(tmp_path, monkeypatch) as world:
        world.spawner.profile_list = PROFILES
        world.spawner.user_options = {"profile": "choose", "image": "new"}
        await world.spawner._run_apply_user_options(world.spawner.user_options)
        world.spawner.user_options = {"images": "new"}
        with pytest.raises(HTTPError) as raised:
            await world.spawner._run_apply_user_options(world.spawner.user_options)
        assert raised.value.status_code == 400
