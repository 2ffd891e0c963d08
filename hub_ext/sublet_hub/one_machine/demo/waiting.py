"""The sixth act: one more comes when all is handed out, waits in line, and starts by itself."""

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from sublet_quota.wire.event_kinds import EventKind
from tornado.httpclient import HTTPClientError

from sublet_hub.one_machine.demo.borrowing import leave, told
from sublet_hub.one_machine.demo.stage import Stage
from sublet_hub.one_machine.demo.story import fill, tell_what_is_there


async def one_waits_in_line(stage: Stage) -> None:
    """Play act 6: who finds no room is told the place, and is up when another has left."""
    record, late = stage.record, stage.script.late
    record.begin(6, "All is handed out: one more waits in line, and starts by itself")
    person = stage.people[late.name]
    await person.log_in()
    since_s = record.seconds()
    words = await ask(stage)
    record.tell(f"{late.name} asks for a server and reads: {words}")
    waits = await person.service("GET", "queue")
    places = [each["place"] for each in waits]
    record.expect(places == [1], f"{late.name} is not at place 1 in line, but at {places}")
    leaves = stage.script.cast[0].name
    await leave(stage, leaves)
    record.tell(f"{leaves} stops the server; {late.name} does nothing")
    left_s = record.seconds()
    await stage.until(f"the server of {late.name} to start", lambda: is_up(stage))
    up_s = record.seconds() - left_s
    turn = await stage.until(
        f"{late.name} to be told of the turn",
        lambda: told(stage, late.name, since_s, EventKind.QUEUE_TURN),
    )
    record.tell(f"it is up {up_s:.2f} s later, by itself: {turn}")
    still = await person.service("GET", "queue")
    record.expect(not still, f"{late.name} has a server, and is in line")
    stage.kernels[late.name] = await person.open_kernel()
    await fill(stage, late)
    record.facts["waited_in_line"] = {"owner": late.name, "up_s": round(up_s, 3)}
    await tell_what_is_there(stage, (late.name,))


async def ask(stage: Stage) -> str:
    """Have the late one ask for a server; return what the hub says. ``RuntimeError``: it starts."""
    said: str = await stage.until("the hub to say where one waits", lambda: _answer(stage))
    return said


async def _answer(stage: Stage) -> str | None:
    """Return what the hub says to the late one's wish; ``None`` where it is not decided yet.

    JupyterHub leaves a start pending that is not decided within ten seconds, as on a machine that
    stands still: asked again, it says how that one goes, or whoever is in line keeps the place.
    """
    late = stage.script.late
    path = f"/hub/api/users/{quote(late.name)}/server"
    try:
        answer = await stage.people[late.name].call("POST", path, {"size": late.size})
    except HTTPClientError as error:
        if error.code != HTTPStatus.CONFLICT or error.response is None:
            raise
        said: str = json.loads(error.response.body)["message"]
        return said
    if answer.code == HTTPStatus.ACCEPTED:
        return None
    message = f"{late.name} does not wait in line"
    raise RuntimeError(message)


async def is_up(stage: Stage) -> bool:
    """Whether the server of the late one can be used."""
    late = stage.script.late.name
    answer = await stage.admin.call("GET", f"/hub/api/users/{quote(late)}")
    servers: dict[str, Any] = json.loads(answer.body)["servers"]
    return bool(servers.get("", {}).get("ready"))
