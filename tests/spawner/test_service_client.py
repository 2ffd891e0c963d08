import asyncio
import contextlib
import logging
import secrets
import socket

import pytest
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.derivation import Derivation, DocumentLine, Rule, derivation_sentence
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.wire.api import AccountTemplate, Lease, Problem, SliceRequest, SliceStarted
from sublet_quota.wire.decision import tell_derivation
from sublet_spawner.errors import ServiceAnswerError, ServiceUnreachableError, TokenFileError
from sublet_spawner.refused import refused
from sublet_spawner.service_client import ServiceAccess, ServiceClient, read_token

from tests.support.fake_service import a_wait, fake_service
from tests.support.ports import free_ports

REQUEST = SliceRequest(
    owner="ada",
    groups=("a & b", "c"),
    size="small",
    account=AccountTemplate(
        uid=1, gid=1, home="/home/ada", notebook_dir="/home/ada", python="/usr/bin/python3"
    ),
)
STARTED = SliceStarted(root_pid=42, root_start_time=1.5)


@contextlib.asynccontextmanager
async def service_and_client(folder, **access):
    async with fake_service(folder) as service:
        settings = {"api_url": service.url, "token_file": service.token_file, "waits_s": (0, 0)}
        yield service, ServiceClient(ServiceAccess(**{**settings, **access}))


def counted(client):
    """Return the requests that a client will have sent, or tried to."""
    tries = []
    once = client._once

    async def count(*arguments):
        tries.append(arguments)
        return await once(*arguments)

    client._once = count
    return tries


@pytest.mark.asyncio
async def test_offers_are_asked_for_owner_and_groups(tmp_path):
    async with service_and_client(tmp_path) as (service, client):
        offers = await client.offers("ada lovelace & co", ("a & b", "c=d"))
        assert offers.owner == "ada lovelace & co"
        assert service.calls == ["GET /offers"]


@pytest.mark.asyncio
async def test_a_slice_lives_from_request_to_release(tmp_path):
    async with service_and_client(tmp_path) as (service, client):
        lease = await client.request_slice(REQUEST)
        assert isinstance(lease, Lease)
        assert await client.report_started(lease.slice_id, STARTED)
        assert service.started == {lease.slice_id: STARTED}
        assert (await client.slice_info(lease.slice_id)).lease == lease
        await client.release(lease.slice_id)
        await client.release(lease.slice_id)
        assert await client.slice_info(lease.slice_id) is None
        assert not await client.report_started(lease.slice_id, STARTED)


@pytest.mark.asyncio
async def test_a_refusal_is_a_value(tmp_path):
    async with service_and_client(tmp_path) as (service, client):
        service.problem = Problem(reason="user-limit", message="no more", numbers={"left_mib": 3})
        answer = await client.request_slice(REQUEST)
        assert answer == Refusal(RefusalReason.USER_LIMIT, "no more", {"left_mib": 3})


@pytest.mark.asyncio
async def test_a_place_in_line_is_a_value(tmp_path):
    async with service_and_client(tmp_path) as (service, client):
        service.wait = a_wait()
        assert await client.request_slice(REQUEST) == service.wait


@pytest.mark.asyncio
async def test_a_refusal_keeps_what_it_follows_from_and_the_hub_says_it(tmp_path):
    why = Derivation(Rule.LIMIT, GroupName("lab"), (DocumentLine("groups.lab.limit.H100", 12),))
    async with service_and_client(tmp_path) as (service, client):
        told = tell_derivation(why)
        service.problem = Problem(reason="group-limit", message="No <more>.", why=told)
        answer = await client.request_slice(REQUEST)
        assert answer == Refusal(RefusalReason.GROUP_LIMIT, "No <more>.", {}, why)
        error = refused(answer)
        assert error.jupyterhub_message == f"No <more>. {derivation_sentence(why)}"
        assert "<" not in error.jupyterhub_html_message
        bare = tell_derivation(Derivation(Rule.ROOM))
        service.problem = service.problem.model_copy(update={"why": bare})
        assert refused(await client.request_slice(REQUEST)).jupyterhub_message == "No <more>."
        told = told.model_copy(update={"rule": "of-a-newer-service"})
        service.problem = service.problem.model_copy(update={"why": told})
        assert refused(await client.request_slice(REQUEST)).jupyterhub_message == "No <more>."


@pytest.mark.asyncio
async def test_a_wrong_token_is_no_refusal_and_the_message_names_the_file(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    async with service_and_client(tmp_path) as (service, client):
        service.token_file.write_text("another-token")
        with pytest.raises(ServiceAnswerError) as raised:
            await client.request_slice(REQUEST)
        assert str(service.token_file) in str(raised.value)
        assert "another-token" not in str(raised.value) + caplog.text


@pytest.mark.asyncio
async def test_a_new_token_is_used_at_once(tmp_path):
    async with service_and_client(tmp_path) as (service, client):
        await client.offers("ada", ())
        service.token = secrets.token_hex(8)
        service.token_file.write_text(service.token)
        await client.offers("ada", ())


@pytest.mark.asyncio
async def test_calls_that_may_be_repeated_are(tmp_path):
    async with service_and_client(tmp_path) as (service, client):
        service.failures = [503, 502]
        await client.release("slice-1")
        assert service.released == ["slice-1"]
        service.failures = [503] * 3
        with pytest.raises(ServiceUnreachableError):
            await client.offers("ada", ())
        service.calls.clear()
        service.failures = [503]
        with pytest.raises(ServiceUnreachableError):
            await client.release("slice-1", patient=False)
        assert service.calls == ["DELETE /slices/slice-1"]


@pytest.mark.asyncio
async def test_a_request_that_may_have_arrived_is_not_repeated(tmp_path):
    async with service_and_client(tmp_path, request_timeout_s=1.0) as (service, client):
        service.granting.clear()
        with pytest.raises(ServiceUnreachableError):
            await client.request_slice(REQUEST)
        # The client's time can be up before the service has looked at what was sent.
        await asyncio.wait_for(service.asked.wait(), 60)
        assert service.calls == ["POST /slices"]


@pytest.mark.asyncio
async def test_a_service_that_is_not_there_is_unreachable(tmp_path):
    (port,) = free_ports(1)
    access = {"api_url": f"http://127.0.0.1:{port}/services/sublet/"}
    async with service_and_client(tmp_path, **access) as (_service, client):
        with pytest.raises(ServiceUnreachableError, match=f"127.0.0.1:{port}.*does not answer"):
            await client.request_slice(REQUEST)


@pytest.mark.asyncio
async def test_a_request_is_repeated_while_no_connection_can_be_made(tmp_path):
    (port,) = free_ports(1)
    access = {"api_url": f"http://127.0.0.1:{port}/services/sublet/", "waits_s": (0,) * 7}
    async with service_and_client(tmp_path, **access) as (_service, client):
        tries = counted(client)
        with pytest.raises(ServiceUnreachableError):
            await client.request_slice(REQUEST)
        assert len(tries) == 8


@pytest.mark.asyncio
async def test_a_request_is_repeated_where_the_time_to_connect_was_too_short(tmp_path):
    with socket.socket() as listening, contextlib.ExitStack() as queued:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        here = listening.getsockname()
        # The kernel lets no more in until one of these is accepted.
        full = False
        while not full:
            waiting = queued.enter_context(socket.socket())
            waiting.settimeout(0.2)
            full = waiting.connect_ex(here) != 0
        access = {"api_url": f"http://127.0.0.1:{here[1]}/", "waits_s": (0, 0)}
        async with service_and_client(tmp_path, **access, connect_timeout_s=0.1) as (_, client):
            tries = counted(client)
            with pytest.raises(ServiceUnreachableError, match="does not answer"):
                await client.request_slice(REQUEST)
            assert len(tries) == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"owner": 3}', b"\xff\xfe"])
async def test_an_answer_that_cannot_be_read_is_an_error_of_ours(tmp_path, body):
    async with service_and_client(tmp_path) as (service, client):
        service.body = body
        with pytest.raises(ServiceAnswerError, match="no Offers"):
            await client.offers("ada", ())


@pytest.mark.asyncio
async def test_ids_cannot_reach_other_routes(tmp_path):
    async with service_and_client(tmp_path) as (service, client):
        await client.release("../../jobs/1?x=")
        assert service.calls == ["DELETE /slices/..%2F..%2Fjobs%2F1%3Fx%3D"]


@pytest.mark.asyncio
async def test_a_connection_that_hangs_ends_with_the_time_out(tmp_path):
    async def swallow(_reader, writer) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    access = {
        "api_url": f"http://127.0.0.1:{port}/",
        "request_timeout_s": 0.2,
        "waits_s": (),
    }
    async with service_and_client(tmp_path, **access) as (_service, client):
        with pytest.raises(ServiceUnreachableError):
            await client.offers("ada", ())
    server.close()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666, 0o620])
def test_a_token_that_others_can_read_or_write_is_not_used(tmp_path, mode):
    path = tmp_path / "token"
    path.write_text("secret")
    path.chmod(mode)
    with pytest.raises(TokenFileError, match="chmod 600") as raised:
        read_token(path)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("content", ["", "\n", "two words", "a\nb", "naïve", "\x00"])
def test_a_token_is_one_word(tmp_path, content):
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(TokenFileError, match="one word"):
        read_token(path)


def test_a_missing_token_says_which_file(tmp_path):
    with pytest.raises(TokenFileError, match="no-such"):
        read_token(tmp_path / "no-such")
