"""The agent is asked for a share by a server's loop, or by a kernel that waits: all the same."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sublet_lab.agent_share import NoShareError, ask_share, ask_share_blocking
from sublet_quota.wire.tenant_socket import MOST_ANSWER_BYTES, GateOpen, LocalShare, Unknown

from tests.support.fake_tenant_socket import fake_agent
from tests.support.lab_shares import a_share

Ask = Callable[[str], Awaitable[LocalShare]]


async def wait_for_it(socket_path: str) -> LocalShare:
    return await asyncio.to_thread(ask_share_blocking, socket_path, 10)


@pytest.fixture(params=[ask_share, wait_for_it], ids=["a loop", "a thread"])
def ask(request: pytest.FixtureRequest) -> Ask:
    found: Ask = request.param
    return found


@pytest.mark.asyncio
async def test_the_share_is_what_the_agent_says(tmp_path: Path, ask: Ask) -> None:
    async with fake_agent(tmp_path / "agent.sock") as agent:
        agent.share = a_share(memory_mib=700)
        assert await ask(str(agent.path)) == agent.share
        agent.share = None
        with pytest.raises(NoShareError, match=r"^no slice here$"):
            await ask(str(agent.path))


SAID = {
    "nothing": (b"", "This machine's GPU agent does not answer."),
    "half a line": (
        a_share().model_dump_json().encode()[:40],
        "This machine's GPU agent does not answer.",
    ),
    "nonsense": (b"nonsense\n", "This machine's GPU agent does not answer."),
    "no text": (b"\xff\xfe\n", "This machine's GPU agent does not answer."),
    "a line without end": (
        b"x" * (MOST_ANSWER_BYTES + 1),
        "This machine's GPU agent does not answer.",
    ),
    "something else": (
        GateOpen(cell="c").model_dump_json().encode() + b"\n",
        "This machine's GPU agent answered 'open'.",
    ),
    "why not": (Unknown(message="Busy.").model_dump_json().encode() + b"\n", "Busy."),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("case", SAID)
async def test_any_other_answer_says_why_there_is_no_share(
    tmp_path: Path, ask: Ask, case: str
) -> None:
    said, why = SAID[case]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said)
        writer.close()

    path = str(tmp_path / "agent.sock")
    async with await asyncio.start_unix_server(serve, path):
        with pytest.raises(NoShareError) as raised:
            await ask(path)
    assert str(raised.value) == why


@pytest.mark.asyncio
async def test_an_agent_that_is_away_does_not_answer(tmp_path: Path, ask: Ask) -> None:
    with pytest.raises(NoShareError, match="does not answer"):
        await ask(str(tmp_path / "none.sock"))
