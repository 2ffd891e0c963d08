"""What the hub is asked of tokens, over HubOAuth's own code and a hub at the other end of HTTP."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sublet_hub.errors import HubUnreachableError, TooManyRequestsError
from sublet_hub.security.authentication import ServiceAuth
from sublet_hub.security.question_queue import Origin, QuestionQueue, QueueBounds
from sublet_hub.security.rate_limits import Rate
from sublet_hub.security.token_checks import TokenLookups

from tests.support.hub_world import PREFIX, SERVICE_TOKEN, FakeHub, until, user_scopes

pytestmark = pytest.mark.asyncio
BOUNDS = QueueBounds()


@pytest_asyncio.fixture
async def auth(hub: FakeHub) -> AsyncIterator[ServiceAuth]:
    yield ServiceAuth(
        api_url=hub.url,
        api_token=SERVICE_TOKEN,
        base_url=PREFIX,
        oauth_client_id="service-sublet",
    )


async def identify(auth: ServiceAuth, token: str) -> str:
    try:
        model = await auth.user_for_token(token, sync=False)
    except (TooManyRequestsError, HubUnreachableError) as error:
        return type(error).__name__
    return "nobody" if model is None else str(model["name"])


async def test_ten_thousand_false_tokens_while_the_hub_stalls_are_bounded_and_over_soon(
    auth: ServiceAuth, hub: FakeHub
) -> None:
    ada = hub.add("ada-token", "ada", user_scopes("ada"))
    assert await identify(auth, ada) == "ada"
    hub.stalled = asyncio.Event()
    asked = hub.asked
    guesses = [asyncio.create_task(identify(auth, f"false-{number}")) for number in range(10_000)]
    await until(lambda: hub.asked >= asked + BOUNDS.at_once)
    await until(lambda: sum(task.done() for task in guesses) >= 10_000 - BOUNDS.of_a_line - 16)
    assert await identify(auth, ada) == "ada"
    assert hub.asked < asked + 10 * BOUNDS.at_once
    hub.stalled.set()
    hub.stalled = None
    answers = Counter(await asyncio.gather(*guesses))
    assert set(answers) <= {"nobody", "TooManyRequestsError", "HubUnreachableError"}
    assert answers["TooManyRequestsError"] > 9000
    bob = hub.add("bob-token", "bob", user_scopes("bob"))
    assert await identify(auth, bob) == "bob"


async def test_false_tokens_push_no_good_ones_answer_out(auth: ServiceAuth, hub: FakeHub) -> None:
    ada = hub.add("ada-token", "ada", user_scopes("ada"))
    assert await identify(auth, ada) == "ada"
    for number in range(30_000):
        auth.answers.keep(f"digest-{number}", None, 0.0)
    asked = hub.asked
    assert await identify(auth, ada) == "ada"
    assert hub.asked == asked
    assert len(auth.answers) <= 10_001


class Questions:
    """Questions that are answered with their own name when the test says so."""

    def __init__(self, at_once: int) -> None:
        self.lookups = TokenLookups(QuestionQueue(QueueBounds(at_once=at_once)))
        self.go = asyncio.Event()
        self.asked: list[str] = []

    async def of(self, digest: str, name: str) -> str:
        async def ask() -> str:
            self.asked.append(name)
            await self.go.wait()
            return name

        return str(await self.lookups.ask_of_stranger(digest, Origin(), ask))

    def begin(self, digest: str, name: str) -> "asyncio.Task[str]":
        return asyncio.create_task(self.of(digest, name))


async def test_all_who_send_a_token_hear_the_one_answer_whoever_goes_away() -> None:
    questions = Questions(at_once=1)
    first, second = questions.begin("a", "first"), questions.begin("b", "second")
    await until(lambda: questions.asked == ["first"])
    others = [questions.begin("a", "third"), questions.begin("b", "fourth")]
    await until(lambda: len(questions.lookups._waiting) == 1)
    await asyncio.sleep(0)
    second.cancel()
    questions.go.set()
    assert [await first, *[await other for other in others]] == ["first", "first", "second"]
    assert questions.asked == ["first", "second"]


async def test_who_must_know_anew_hears_no_answer_that_was_asked_for_before() -> None:
    questions = Questions(at_once=2)
    before = questions.begin("a", "before")
    await until(lambda: questions.asked == ["before"])
    questions.lookups.ask_anew("a")
    after = questions.begin("a", "after")
    await until(lambda: questions.asked == ["before", "after"])
    questions.go.set()
    assert (await before, await after) == ("before", "after")


async def test_an_error_ends_its_question_alone() -> None:
    lookups = TokenLookups(QuestionQueue(QueueBounds(at_once=1)))

    async def fail() -> None:
        message = "the hub is gone"
        raise HubUnreachableError(message)

    async def answer() -> str:
        return "yes"

    failed = asyncio.create_task(lookups.ask_of_stranger("a", Origin(), fail))
    answered = asyncio.create_task(lookups.ask_of_stranger("b", Origin(), answer))
    with pytest.raises(HubUnreachableError):
        await failed
    assert await answered == "yes"


async def test_beyond_the_rate_a_question_waits_and_begins_by_itself() -> None:
    lookups = TokenLookups(QuestionQueue(QueueBounds(rate=Rate(1, 20))))

    async def answer() -> str:
        return "yes"

    many = [lookups.ask_of_stranger(str(number), Origin(), answer) for number in range(4)]
    assert await asyncio.gather(*many) == ["yes"] * 4


@pytest.mark.parametrize("step_us", range(60, 300, 4))
async def test_a_question_begins_however_much_time_passes_between_two_looks_at_the_clock(
    monkeypatch: pytest.MonkeyPatch, step_us: int
) -> None:
    lookups = TokenLookups(QuestionQueue(QueueBounds(rate=Rate(1, 1000))))
    loop = asyncio.get_running_loop()
    # Time passes by being looked at, and nobody sleeps.
    clock = itertools.count(loop.time(), step_us * 1e-6)
    monkeypatch.setattr(loop, "time", lambda: next(clock))
    look = loop._selector.select
    monkeypatch.setattr(loop._selector, "select", lambda _timeout: look(0))

    async def answer() -> str:
        return "yes"

    for number in range(10):
        assert await lookups.ask_of_stranger(str(number), Origin(), answer) == "yes"
