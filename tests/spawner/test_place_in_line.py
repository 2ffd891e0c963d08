"""The place of a server in the service's line, as its spawner and the spawn page know of it."""

import asyncio

import pytest
from sublet_spawner.errors import SubletSpawnerError
from tornado.web import HTTPError

from tests.spawner.real_hub import until
from tests.spawner.spawners import (
    a_service_and_spawner,
    after_a_restart,
    refusal_of,
    said,
)
from tests.support.fake_service import FakeService, a_wait

pytestmark = pytest.mark.asyncio


async def test_a_server_in_line_is_not_started_and_its_choice_is_kept_for_its_turn(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.wait = a_wait()
        spawner.user_options = {"size": "large"}
        assert said(await refusal_of(spawner)) == (409, service.wait.message)
        (asked,) = service.requests
        assert asked.start_options == {"size": "large"}
        assert spawner.user_options == {"size": "large"}
        assert not service.slices
        service.wait = None
        await spawner.start()
        assert [lease.size for lease in service.slices.values()] == ["large"]


async def test_a_start_without_a_gpu_takes_the_server_out_of_the_line(tmp_path):
    async with a_service_and_spawner(tmp_path, allow_no_gpu=True) as (service, spawner):
        service.wait = a_wait()
        spawner.user_options = {"size": "large"}
        await refusal_of(spawner)
        spawner.user_options = {"size": "none"}
        await spawner.start()
        assert service.left_line == [(spawner.user.name, spawner.name)]


async def test_that_a_server_is_in_line_outlives_the_hub(tmp_path):
    async with a_service_and_spawner(tmp_path, allow_no_gpu=True) as (service, spawner):
        service.wait = a_wait()
        await refusal_of(spawner)
        spawner.clear_state()
        again = after_a_restart(spawner)
        for _ in range(2):
            again.user_options = {"size": "none"}
            await again.start()
            await again.stop()
            assert service.left_line == [("ada", "")], "it leaves, and once"


async def asked_and_given_up(service: FakeService, spawner) -> None:
    """Begin a start, and give it up while the service decides, as the hub does at its time-out."""
    service.granting.clear()
    starting = asyncio.create_task(spawner.start())
    await service.asked.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert await spawner.poll() == 0


async def left(service: FakeService) -> list[tuple[str, str]]:
    """The servers that have left the line, as soon as one has."""

    async def somebody_left() -> bool:
        return bool(service.left_line)

    await until(somebody_left, 60, "a server to leave the line")
    return service.left_line


async def test_a_start_that_the_hub_gives_up_and_that_then_joins_the_line_leaves_it(tmp_path):
    """The hub looks at a server no more whose start it gave up."""
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.wait = a_wait()
        await asked_and_given_up(service, spawner)
        service.granting.set()
        assert await left(service) == [("ada", "")]


async def test_a_start_that_its_owner_gives_up_and_that_then_joins_the_line_leaves_it(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.wait = a_wait()
        service.granting.clear()
        starting = asyncio.create_task(spawner.start())
        await service.asked.wait()
        await spawner.stop()
        with pytest.raises(SubletSpawnerError):
            await starting
        service.granting.set()
        assert await left(service) == [("ada", "")]


async def test_who_was_to_leave_while_the_service_was_away_leaves_when_it_is_back(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.wait = a_wait()
        await refusal_of(spawner)
        service.away = True
        await spawner.delete_forever()
        assert service.left_line == []
        service.away = False
        assert await left(service) == [("ada", "")]


async def test_who_gets_no_answer_is_not_in_line_as_nobody_told_them(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.failures = [502]
        assert said(await refusal_of(spawner))[0] == 503
        assert await left(service) == [("ada", "")]


async def test_who_was_in_line_and_gets_no_answer_stays_there(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.wait = a_wait()
        await refusal_of(spawner)
        service.failures = [502]
        assert said(await refusal_of(spawner))[0] == 503
        assert spawner._line.trying._later is None
        assert service.left_line == []


async def test_who_starts_without_gpu_as_nobody_answers_is_not_in_line(tmp_path):
    async with a_service_and_spawner(tmp_path, service_required=False) as (service, spawner):
        service.wait = a_wait()
        await refusal_of(spawner)
        service.failures = [502]
        await spawner.start()
        assert await left(service) == [("ada", "")]


async def test_who_starts_anew_after_a_start_that_was_given_up_stays_in_line(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.wait, service.away = a_wait(), True
        spawner._line.given_up()
        service.away = False
        await refusal_of(spawner)
        await spawner._line.trying.now()
        assert service.left_line == []


async def test_the_late_answer_of_a_start_given_up_takes_no_place_from_the_start_after_it(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.wait = a_wait()
        await asked_and_given_up(service, spawner)
        first = spawner._asking
        again = asyncio.create_task(spawner.start())

        async def has_asked_again() -> bool:
            return len(service.requests) > 1

        await until(has_asked_again, 60, "the second start to ask")
        service.granting.set()
        with pytest.raises(HTTPError):
            await again
        await first
        await spawner._line.trying.now()
        assert service.left_line == []


@pytest.mark.parametrize("how", ["removed", "renamed"])
async def test_a_server_that_is_removed_or_renamed_leaves_the_line(tmp_path, how):
    """At its turn the hub would make it anew, by its old name."""
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        await spawner.delete_forever()
        assert service.left_line == []
        service.wait = a_wait()
        await refusal_of(spawner)
        spawner.clear_state()
        again = after_a_restart(spawner)
        await (again.delete_forever() if how == "removed" else again.rename("", "other"))
        assert service.left_line == [("ada", "")]


async def test_the_page_of_a_server_in_line_shows_its_place_and_how_to_leave(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        assert "Leave the line" not in await spawner.get_options_form()
        shown = a_wait(message="<b>You are third.</b>", title="Small <i>one</i>")
        service.in_line = [a_wait(server="other"), shown]
        form = await spawner.get_options_form()
        assert "&lt;b&gt;You are third." in form
        assert "In line for Small &lt;i&gt;one&lt;/i&gt;, at place 3</strong>" in form
        assert "1 before it asks for the same GPUs. When there will be room is not known." in form
        assert "In the way are slices of lab." in form
        assert "or leaves the line at 2026-11-30 12:00 UTC." in form
        assert form.count('name="leave_line" value="1" formnovalidate') == 1


async def test_the_page_of_a_place_in_line_has_no_choice_to_lose_and_asks_for_no_offers(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.in_line = [a_wait()]
        form = await spawner.get_options_form()
        assert 'type="radio"' not in form
        assert 'href="/spawn/ada?next=%2Fspawn%2Fada">Ask for something else</a>' in form
        assert service.offers_asked == 0


async def test_a_size_that_is_refused_to_a_server_in_line_is_shown_on_the_page_of_sizes(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.in_line = [a_wait()]
        spawner.user_options = spawner.run_options_from_form({"size": ["large"]})
        form = await spawner.get_options_form()
        assert "Back to your place in line" in form
        assert 'value="large" checked' in form
        assert 'type="radio"' not in await spawner.get_options_form()


async def test_what_is_sent_from_that_page_without_leaving_changes_nothing(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.in_line = [a_wait()]
        form = await spawner.get_options_form()
        assert '<input type="hidden" name="stay_in_line" value="1">' in form
        with pytest.raises(HTTPError) as sent:
            await spawner.run_options_from_form({"stay_in_line": ["1"]})
        assert (sent.value.status_code, sent.value.headers) == (303, {"Location": "/spawn/ada"})
        assert not service.left_line


async def test_the_button_leaves_the_line_and_leads_back_to_the_page(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.in_line = [a_wait()]
        with pytest.raises(HTTPError) as sent:
            await spawner.run_options_from_form({"leave_line": ["1"], "size": ["large"]})
        assert sent.value.status_code == 303
        assert sent.value.headers == {"Location": "/spawn/ada"}
        assert service.left_line == [("ada", "")]


async def test_no_link_leaves_the_line(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        options = spawner.options_from_query({"leave_line": ["1"], "size": ["large"]})
        assert options == {"size": "large"}
        assert not service.left_line


async def test_where_the_service_is_away_nobody_is_told_that_they_left(tmp_path):
    async with a_service_and_spawner(tmp_path) as (service, spawner):
        service.away = True
        with pytest.raises(HTTPError) as told:
            await spawner.run_options_from_form({"leave_line": ["1"]})
        assert told.value.status_code == 503
        assert "still in line" in told.value.jupyterhub_message
