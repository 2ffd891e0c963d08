"""What users may choose for a server, by form and API, and what is refused before a start."""

import psutil
import pytest
from sublet_quota.wire.api import Problem
from tornado.web import HTTPError

from tests.spawner.spawners import (
    WORDS,
    a_service_and_spawner,
    refusal_of,
    said,
    server_of_same_user,
)
from tests.support.fake_service import a_wait, an_offer, some_offers

pytestmark = pytest.mark.asyncio


async def test_no_choice_is_the_services_default_size(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        await spawner.start()
        assert service.requests[0].size is None
        assert [lease.size for lease in service.slices.values()] == ["small"]


async def test_amounts_reach_the_service_as_they_are(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.user_options = {"memory_mib": 2048, "compute_milli": 100, "gpu_type": "H100"}
        await spawner.start()
        (request,) = service.requests
        assert (request.size, request.memory_mib, request.compute_milli) == (None, 2048, 100)
        assert request.gpu_type == "H100"


async def test_the_group_that_pays_is_passed_on_as_the_user_wrote_it(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.user_options = {"size": "small", "group": "no group of theirs"}
        await spawner.start()
        assert service.requests[0].group == "no group of theirs"


async def test_the_form_compares_the_groups_that_may_pay(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        groups = ("arts", "science")
        service.offers = some_offers(groups=groups)
        service.offers_of_group["arts"] = some_offers(
            an_offer(allowed=False, why_not="arts may have nothing."), groups=groups
        )
        spawner.user_options = {"group": "science"}
        form = await spawner.get_options_form()
        assert "If arts pays: arts may have nothing." in form
        assert '<option value="science" selected>' in form


async def test_a_form_that_is_refused_to_a_named_server_is_shown_again_for_that_server(tmp_path):
    """JupyterHub asks the default server for the form then, whichever was asked to start."""
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.user_options = {"size": "small"}
        service.in_line = [a_wait()]
        named = server_of_same_user(spawner, "two")
        named.user_options = named.run_options_from_form({"size": ["large"]})
        form = await spawner.get_options_form()
        assert 'value="large" checked' in form
        assert "In line for" not in form
        assert "In line for" in await spawner.get_options_form(), "it is shown once"


async def test_who_sends_the_form_of_the_default_server_is_shown_that_again(tmp_path):
    async with a_service_and_spawner(tmp_path) as (_, spawner):
        named = server_of_same_user(spawner, "two")
        named.user_options = named.run_options_from_form({"size": ["large"]})
        spawner.user_options = spawner.run_options_from_form({"size": ["small"]})
        assert 'value="small" checked' in await spawner.get_options_form()


@pytest.mark.parametrize(
    ("options", "status", "part"),
    [
        ({"size": 5}, 400, "size is 5"),
        ({"size": ""}, 400, "size is ''"),
        ({"size": ["large"]}, 400, "size is ['large']"),
        ({"size": "x" * 300}, 400, "1 to 255"),
        ({"size": "a\nb"}, 400, "size is 'a\\nb'"),
        ({"size": {"$ne": None}}, 400, "size is {"),
        ({"group": 5}, 400, "group is 5"),
        ({"group": ["science"]}, 400, "group is ['science']"),
        ({"group": ""}, 400, "group is ''"),
        ({"sudo": True}, 400, "'sudo'"),
        ({"owner": "bob"}, 400, "'owner'"),
        ({"account": {"uid": 0}}, 400, "'account'"),
        ({"memory_mib": "1"}, 400, "memory_mib is '1'"),
        ({"memory_mib": 1.5}, 400, "memory_mib is 1.5"),
        ({"memory_mib": 10**400}, 400, "a whole number, 1099511627776 at most"),
        ({"memory_mib": 1, "compute_milli": 2**31}, 400, "a whole number, 1073741824 at most"),
        ({"memory_mib": True}, 400, "memory_mib is True"),
        ({"memory_mib": 1, "compute_milli": []}, 400, "compute_milli is []"),
        ({"size": "none"}, 403, "without a GPU are not offered"),
    ],
)
async def test_options_that_are_no_choice_are_refused_before_anything_is_asked(
    tmp_path, options, status, part
):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.user_options = options
        error = await refusal_of(spawner)
        assert error.status_code == status
        assert part in error.jupyterhub_message
        assert service.calls == []
        assert spawner.pid == 0


async def test_an_amount_that_cannot_be_meant_is_refused_in_the_services_words(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.user_options = {"memory_mib": -5, "compute_milli": 100}
        assert said(await refusal_of(spawner)) == (403, "memory is -5: ask for 1 MiB or more.")
        assert service.slices == {}


async def test_a_refusal_is_said_in_the_services_words_and_escaped_for_pages(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.problem = Problem(reason="no-room", message=WORDS)
        error = await refusal_of(spawner)
        assert said(error) == (403, WORDS)
        assert "<b>" not in error.jupyterhub_html_message
        assert "&lt;b&gt;asked" in error.jupyterhub_html_message
        assert getattr(error, "message_html", error.jupyterhub_html_message).count("<") == 0
        assert getattr(error, "reason", None) in {"no-room", None}
        assert spawner.pid == 0
        assert await spawner.poll() == 0
        assert service.released == []


@pytest.mark.parametrize("status", [403, 409])
async def test_a_refused_choice_does_not_become_the_next_default(tmp_path, status):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.problem = Problem(reason="no-room", message=WORDS)
        service.problem_status = status
        spawner.user_options = spawner.orm_spawner.user_options = {"size": "large"}
        assert said(await refusal_of(spawner)) == (403, WORDS)
        assert spawner.orm_spawner.user_options == {}


async def test_a_server_without_gpu_starts_without_asking_where_it_is_allowed(tmp_path):
    async with a_service_and_spawner(tmp_path, allow_no_gpu=True) as (service, spawner):
        spawner.user_options = {"size": "none"}
        await spawner.start()
        environment = psutil.Process(spawner.pid).environ()
        assert environment["CUDA_VISIBLE_DEVICES"] == ""
        assert "SUBLET_SLICE_ID" not in environment
        await spawner.stop()
        assert service.calls == []


async def test_keys_of_other_parts_of_the_configuration_pass(tmp_path):
    settings = {"other_user_options": {"image"}}
    async with a_service_and_spawner(tmp_path, **settings) as (service, spawner):
        spawner.user_options = {"size": "small", "image": "any"}
        await spawner.start()
        assert len(service.slices) == 1


async def test_a_refusal_is_a_refusal_also_where_the_service_is_not_required(tmp_path):
    async with a_service_and_spawner(tmp_path, service_required=False) as (service, spawner):
        service.problem = Problem(reason="no-room", message=WORDS)
        assert said(await refusal_of(spawner)) == (403, WORDS)


async def test_the_form_reads_as_the_rest_api_does(tmp_path):
    async with a_service_and_spawner(tmp_path) as (_service, spawner):
        assert spawner.run_options_from_form({"size": ["large"], "_xsrf": ["x"]}) == {
            "size": "large"
        }
        assert spawner.run_options_from_form({"group": ["science"]}) == {"group": "science"}
        assert spawner.run_options_from_form({"size": ["large"], "group": [""]}) == {
            "size": "large"
        }
        assert spawner.run_options_from_form({"memory_mib": ["-3"]}) == {"memory_mib": -3}
        for form in (
            {"size": ["a", "b"]},
            {"memory_mib": ["x"]},
            {"a": [""]},
        ):
            with pytest.raises(HTTPError):
                spawner.run_options_from_form(form)


async def test_the_hubs_own_hook_refuses_the_same_options(tmp_path):
    async with a_service_and_spawner(tmp_path) as (_service, spawner):
        with pytest.raises(HTTPError) as raised:
            await spawner._run_apply_user_options({"size": 5})
        assert raised.value.status_code == 400


async def test_the_form_says_when_the_service_is_away(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.away = True
        with pytest.raises(HTTPError) as raised:
            await spawner.get_options_form()
        assert raised.value.status_code == 503
        spawner.allow_no_gpu = True
        form = await spawner.get_options_form()
        assert "would start without a GPU" in form
        assert 'value="none"' in form


async def test_the_admins_own_form_follows_the_sizes(tmp_path):
    async with a_service_and_spawner(tmp_path) as (_service, spawner):
        spawner.options_form = '<input name="image">'
        assert (await spawner.get_options_form()).endswith('<input name="image">')


async def test_a_name_that_the_service_would_not_take_is_refused_and_no_failure(tmp_path):
    """A hub ends itself after some starts in a row that fail: nobody may bring that about."""
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        spawner.orm_spawner.name = "n" * 300
        error = await refusal_of(spawner)
        assert error.status_code == 400
        assert "server: String should have at most 255 characters" in error.jupyterhub_message
        assert service.calls == []


def _nested(depth):
    return {"": _nested(depth - 1)} if depth else {}


@pytest.mark.parametrize("image", ["\ud800", _nested(400)], ids=["half a letter", "deep"])
async def test_options_that_cannot_be_sent_are_left_to_the_hub_that_keeps_them(tmp_path, image):
    settings = {"other_user_options": {"image"}}
    async with a_service_and_spawner(tmp_path, **settings) as (service, spawner):
        spawner.user_options = {"size": "small", "image": image}
        await spawner.start()
        (request,) = service.requests
        assert (request.size, request.start_options) == ("small", None)
