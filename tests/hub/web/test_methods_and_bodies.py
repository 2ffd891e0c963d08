"""What strangers send costs no memory: made-up methods, and bodies without a token."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.errors import TooManyRequestsError
from sublet_hub.security.byte_room import ByteRoom, RoomsByKind

from tests.support.hub_world import ADMIN_SCOPES, PREFIX, FakeHub, HubWorld, hub_world, until

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def line_to(world: HubWorld) -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def head(method: str, path: str, token: str | None, *more: str) -> bytes:
    lines = [f"{method} {PREFIX}{path} HTTP/1.1", "Host: here", *more]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*lines, "", ""]).encode()


async def status_of(reader: asyncio.StreamReader) -> int:
    """Read one answer, with its body."""
    told = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).decode().lower()
    length = next(
        (int(line[15:]) for line in told.split("\r\n") if line.startswith("content-length:")), 0
    )
    await reader.readexactly(length)
    return int(told.split()[1])


async def test_a_method_that_somebody_made_up_becomes_no_metrics_label(world: HubWorld) -> None:
    for number in range(20):
        async with line_to(world) as (reader, writer):
            writer.write(head(f"MADEUP{number}", "api/share", None))
            assert await status_of(reader) == 405
    assert (await world.raw("GET", "api/share", "false")).code == 401
    text = world.service.metrics.text().decode()
    assert "MADEUP" not in text
    assert 'method="other",route="none",status="405"} 20.0' in text
    assert 'method="GET",route="share",status="401"} 1.0' in text


async def test_headers_without_end_are_cut_off(world: HubWorld) -> None:
    async with line_to(world) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: here\r\nX-Long: " + b"a" * 80_000)
        assert await asyncio.wait_for(reader.read(), 60) == b""


async def test_who_sends_no_token_is_refused_before_a_long_body_is_read(world: HubWorld) -> None:
    for token in (None, "false"):
        async with line_to(world) as (reader, writer):
            writer.write(head("POST", "api/jobs", token, "Content-Length: 1000000"))
            told = (await asyncio.wait_for(reader.read(), 60)).decode()
            assert " 401 " in told
            assert "Connection: close" in told


async def test_a_strangers_short_body_is_thrown_away_and_the_connection_serves_on(
    world: HubWorld,
) -> None:
    body = b"x" * 10_000
    async with line_to(world) as (reader, writer):
        for _ in range(2):
            writer.write(head("POST", "api/jobs", "false", f"Content-Length: {len(body)}") + body)
            assert await status_of(reader) == 401
        writer.write(head("GET", "api/nothing", None))
        assert await status_of(reader) == 404
        writer.write(head("GET", "health", None))
        assert await status_of(reader) == 200


async def test_a_body_in_pieces_of_a_stranger_ends_at_a_few_kib(world: HubWorld) -> None:
    async with line_to(world) as (reader, writer):
        writer.write(head("POST", "api/jobs", "false", "Transfer-Encoding: chunked"))
        piece = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        writer.write(piece * 5)
        told = await asyncio.wait_for(reader.read(), 60)
        assert b" 400 " in told.split(b"\r\n")[0]


@pytest.mark.parametrize("how", ["whole", "in pieces"])
@pytest.mark.parametrize(("size", "expected"), [(60_000, 400), (70_000, 413)])
async def test_a_known_users_body_is_read_up_to_the_routes_limit(
    world: HubWorld, how: str, size: int, expected: int
) -> None:
    token, body = world.user("ada"), b"x" * size
    told = f"Content-Length: {size}"
    if how == "in pieces":
        told = "Transfer-Encoding: chunked"
        body = f"{size:x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    async with line_to(world) as (reader, writer):
        for _ in range(2):
            writer.write(head("POST", "api/slices/s/keep", token, told) + body)
            assert await status_of(reader) == expected
    assert world.service.limits.bodies.promised == 0


async def test_room_for_bodies_is_given_back_when_the_sender_goes(world: HubWorld) -> None:
    token = world.user("ada")
    room = world.service.limits.bodies
    async with line_to(world) as (_, writer):
        writer.write(head("POST", "api/jobs", token, "Content-Length: 200000") + b"x" * 1000)
        await until(lambda: room.promised == 200_000)
    await until(lambda: room.promised == 0)
    assert (await world.call("POST", "jobs", token, {"notebook": "a.ipynb"}))[0] == 409
    assert (await world.hub_call("POST", "slices", {"wrong": "x" * 1000}))[0] == 400
    assert room.promised == 0


async def test_users_who_agree_to_fill_all_room_keep_out_neither_the_hub_nor_who_has_little(
    world: HubWorld,
) -> None:
    promised = world.service.limits.bodies
    # Each as much as one may have, of which nearly nothing is sent.
    colluders = [world.user(f"user-{number}") for number in range(12)]
    started = head("POST", "api/jobs", None, "Content-Length: 262144")
    async with AsyncExitStack() as lines:
        held = []
        for token in colluders:
            for _ in range(31):
                reader, writer = await lines.enter_async_context(line_to(world))
                asks = started.replace(b"\r\n", f"\r\nAuthorization: token {token}\r\n".encode(), 1)
                writer.write(asks + b"x" * 100)
                held.append((reader, writer))
        await until(lambda: promised.promised > 79 * 2**20)
        assert promised.promised <= 80 * 2**20
        body = {"notebook": "a.ipynb", "parameters": {"long": "x" * 60_000}}
        assert (await world.call("POST", "jobs", world.user("ada"), body))[0] != 429
        assert (await world.call("PUT", "lending", world.admin(), {"lending": True}))[0] < 300
        assert (await world.hub_call("POST", "slices", {"wrong": "x" * 60_000}))[0] == 400
        service = world.hub.add("service-canary", "exporter", ADMIN_SCOPES)
        world.hub.tokens[service]["kind"] = "service"
        assert (await world.call("PUT", "lending", service, {"lending": True}))[0] < 300
    await until(lambda: promised.promised == 0)


async def test_whose_body_gave_its_room_up_is_told_so_when_it_is_over(world: HubWorld) -> None:
    promised, ada = world.service.limits.bodies, world.user("ada")
    users = promised.of("user:ada")
    users._most = 100_000
    async with line_to(world) as (reader, writer):
        writer.write(head("POST", "api/jobs", ada, "Content-Length: 90000") + b"x" * 1000)
        await until(lambda: promised.promised == 90_000)
        assert (await world.call("POST", "jobs", world.user("bob"), {"name": "x" * 20_000}))[
            0
        ] == 400
        assert promised.promised == 0
        writer.write(b"x" * 89_000)
        assert await status_of(reader) == 429
        # The connection serves on: it is the proxy's.
        writer.write(head("GET", "health", None))
        assert await status_of(reader) == 200


def nothing() -> None:
    """Give nothing up."""


async def test_one_caller_has_so_many_requests_under_way_and_others_are_served(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, most_connections=32) as world, AsyncExitStack() as lines:
        mal, ada = world.user("mal"), world.user("ada")
        for _ in range(4):
            _, writer = await lines.enter_async_context(line_to(world))
            writer.write(head("POST", "api/jobs", mal, "Content-Length: 9"))
        bodies = world.service.limits.bodies
        await until(lambda: bodies.promised == 36)
        answer = await world.raw("GET", "api/share", mal)
        assert (answer.code, answer.headers["Retry-After"]) == (429, "2")
        assert (await world.raw("GET", "api/share", ada)).code == 200
        await lines.aclose()
        await until(lambda: bodies.promised == 0)
        assert (await world.raw("GET", "api/share", mal)).code == 200


async def test_a_services_requests_count_as_its_own_wherever_it_asks(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub, most_connections=32) as world, AsyncExitStack() as lines:
        of_service = hub.add("s-canary", "watch", ADMIN_SCOPES, kind="service")
        of_user = hub.add("u-canary", "watch", ADMIN_SCOPES)
        for _ in range(4):
            _, writer = await lines.enter_async_context(line_to(world))
            writer.write(head("POST", "api/jobs", of_service, "Content-Length: 9"))
        await until(lambda: world.service.limits.bodies.promised == 36)
        assert (await world.raw("GET", "metrics", of_service)).code == 429
        assert (await world.raw("GET", "metrics", of_user)).code == 200


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("health", "GET"), ("api/share", "GET"), ("api/jobs", "GET, POST"), ("metrics", "GET")],
)
async def test_who_sends_a_wrong_method_is_told_the_right_ones(
    world: HubWorld, path: str, allowed: str
) -> None:
    answer = await world.raw("DELETE", path)
    assert (answer.code, answer.headers["Allow"]) == (405, allowed)


async def test_what_one_caller_sends_leaves_room_to_others() -> None:
    room = ByteRoom(most=100, most_of_a_caller=60)
    of_ada = room.promise("ada", 60, nothing)
    with pytest.raises(TooManyRequestsError):
        room.promise("ada", 1, nothing)
    room.promise("bob", 40, nothing)
    with pytest.raises(TooManyRequestsError):
        room.promise("bob", 20, nothing)
    room.free(of_ada)
    room.free(of_ada)
    room.promise("carl", 60, nothing)
    assert room.promised == 100


async def test_no_number_of_users_takes_the_room_of_the_hub_and_its_services() -> None:
    rooms = RoomsByKind(ByteRoom(most=100, most_of_a_caller=1))
    for number in range(100):
        rooms.of(f"user:{number}").promise(f"user:{number}", 1, nothing)
    for caller in ("hub", "service:exporter", "metrics"):
        rooms.of(caller).promise(caller, 1000, nothing)


async def test_who_has_the_most_gives_up_what_is_largest_for_who_has_less() -> None:
    room = ByteRoom(most=100, most_of_a_caller=60)
    given_up: list[str] = []
    for caller, size in (("ada", 10), ("ada", 40), ("bob", 30), ("ada", 10)):
        room.promise(caller, size, lambda told=f"{caller} {size}": given_up.append(told))
    with pytest.raises(TooManyRequestsError):
        room.promise("carl", 61, nothing)
    room.promise("carl", 20, nothing)
    assert (given_up, room.promised) == (["ada 40"], 70)
    # Who would have as much as the largest takes from nobody.
    room.promise("dan", 30, nothing)
    with pytest.raises(TooManyRequestsError):
        room.promise("eve", 30, nothing)
    assert given_up == ["ada 40"]
