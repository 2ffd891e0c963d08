"""A part that dies while the demo is played: the demo says so, and does not go on without it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sublet_hub.one_machine.demo.parts_watch import while_all_run
from sublet_hub.one_machine.demo.record import Record
from sublet_hub.one_machine.processes import Launch, Parts

pytestmark = pytest.mark.asyncio


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    parts = Parts(tmp_path, lambda *_: None)
    parts.start(Launch("agent", ["/bin/sh", "-c", "echo no room; exec sleep 600"], {}))
    yield parts
    parts.stop()


@pytest.fixture
def record() -> Record:
    return Record(lambda _: None)


async def test_a_part_that_dies_ends_the_story_and_is_wrong(parts: Parts, record: Record) -> None:
    async def story() -> None:
        parts.running[0].process.kill()
        await asyncio.sleep(600)

    await while_all_run(parts, record, story())
    (wrong,) = record.wrong
    assert "agent was ended by SIGKILL in the middle of the demo: " in wrong


async def test_it_is_told_also_where_the_story_failed_of_it_first(
    parts: Parts, record: Record
) -> None:
    async def story() -> None:
        parts.running[0].process.kill()
        parts.running[0].process.wait()
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await while_all_run(parts, record, story())
    assert len(record.wrong) == 1


async def test_a_story_whose_parts_all_run_is_played_to_its_end(
    parts: Parts, record: Record
) -> None:
    async def story() -> None:
        record.tell("the end")

    await while_all_run(parts, record, story())
    assert record.wrong == []
    assert [line.text for line in record.lines] == ["the end"]
