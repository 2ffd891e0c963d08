"""Whether the demo's last act hears that one waits in line, also of a hub that takes its time."""

import json
from io import BytesIO
from typing import Any

import pytest
from sublet_hub.one_machine.demo.waiting import ask
from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse

from tests.support.demo_cast import stage_of_a_job

pytestmark = pytest.mark.asyncio


def an_answer(code: int) -> Any:
    body = BytesIO(json.dumps({"message": "in line, at place 1"}).encode())
    return HTTPResponse(HTTPRequest("http://hub"), code, buffer=body)


class FakeHub:
    """Leaves a start pending for so many requests, and then decides it."""

    def __init__(self, pending: int, decided: int) -> None:
        self.pending = pending
        self.decided = decided

    async def call(self, _method: str, _path: str, _body: Any = None) -> Any:
        self.pending -= 1
        if self.pending >= 0:
            return an_answer(202)
        answer = an_answer(self.decided)
        if self.decided < 400:
            return answer
        raise HTTPClientError(self.decided, "refused", answer)


def stage_with(pending: int, decided: int) -> Any:
    stage = stage_of_a_job(seen_in=(1,), pid=1, attempts=1)
    hub: Any = FakeHub(pending, decided)
    stage.people["emil"] = hub
    return stage


@pytest.mark.parametrize("pending", [0, 2])
async def test_a_start_that_the_hub_leaves_pending_is_asked_for_again(pending: int) -> None:
    assert await ask(stage_with(pending, 409)) == "in line, at place 1"


async def test_a_server_that_starts_at_once_waits_in_no_line() -> None:
    with pytest.raises(RuntimeError, match="does not wait in line"):
        await ask(stage_with(1, 201))


async def test_another_refusal_is_no_place_in_line() -> None:
    with pytest.raises(HTTPClientError):
        await ask(stage_with(0, 503))
