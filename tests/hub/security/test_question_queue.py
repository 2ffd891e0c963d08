"""Which unknown token is asked about next, on a clock of the test's own."""

import heapq
import random
from dataclasses import dataclass, field

import pytest
from sublet_hub.security.question_queue import Origin, QuestionQueue, QueueBounds
from sublet_hub.security.rate_limits import Rate

HERE = Origin("127.0.0.1", "127.0.0.1")
ROOMY = Rate(1000, 1000)


def queue_of(
    at_once: int = 1, rate: Rate = ROOMY, of_a_line: int = 100, waiting: int = 1000
) -> QuestionQueue:
    return QuestionQueue(QueueBounds(at_once, rate, of_a_line, waiting), lambda _: 0)


def asked_in_turn(queue: QuestionQueue, now_s: float = 0.0) -> list[str]:
    order = []
    while (digest := queue.begin(now_s)) is not None:
        order.append(digest)
        queue.end()
    return order


def test_so_many_questions_are_under_way_and_no_more() -> None:
    queue = queue_of(at_once=2)
    for digest in "abc":
        assert queue.enter(digest, HERE, 0.0) is None
    assert [queue.begin(0.0) for _ in range(3)] == ["a", "b", None]
    queue.end()
    assert queue.begin(0.0) == "c"


def test_questions_begin_at_a_rate() -> None:
    queue = queue_of(at_once=100, rate=Rate(2, 10))
    for digest in "abcd":
        queue.enter(digest, HERE, 0.0)
    assert [queue.begin(0.0) for _ in range(3)] == ["a", "b", None]
    assert queue.wait_s(0.0) == pytest.approx(0.1)
    assert [queue.begin(0.15), queue.begin(0.15)] == ["c", None]


def test_a_token_waits_once_however_often_it_is_sent() -> None:
    queue = queue_of()
    for _ in range(1000):
        assert queue.enter("same", HERE, 0.0) is None
    assert asked_in_turn(queue) == ["same"]


def test_addresses_take_turns_and_so_do_peers_that_make_addresses_up() -> None:
    queue = queue_of()
    for number in range(4):
        queue.enter(f"many-{number}", Origin("proxy", "198.51.100.1"), 0.0)
    queue.enter("other", Origin("proxy", "198.51.100.2"), 0.0)
    for number in range(4):
        queue.enter(f"made-up-{number}", Origin("stranger", f"203.0.113.{number}"), 0.0)
    order = asked_in_turn(queue)
    assert order.index("other") <= 3
    assert order[:4:2] != order[1:4:2]
    assert {token.split("-")[0] for token in order[:3]} >= {"many", "made"}


def test_a_full_line_sends_one_away_who_goes_first_when_coming_again() -> None:
    queue = queue_of(of_a_line=3)
    for digest in "abc":
        queue.enter(digest, HERE, 0.0)
    assert queue.enter("d", HERE, 0.0) == "a"
    assert queue.enter("a", HERE, 1.0) == "b"
    assert asked_in_turn(queue) == ["a", "c", "d"]


def test_who_comes_again_too_late_is_new() -> None:
    queue = queue_of(of_a_line=1)
    queue.enter("a", HERE, 0.0)
    assert queue.enter("b", HERE, 0.0) == "a"
    assert asked_in_turn(queue) == ["b"]
    queue.enter("c", HERE, 100.0)
    queue = queue_of(of_a_line=2)
    queue.enter("a", HERE, 0.0)
    queue.leave("a", 0.0)
    queue.enter("b", HERE, 100.0)
    queue.enter("a", HERE, 100.0)
    assert asked_in_turn(queue, 100.0) == ["b", "a"]


def test_where_all_room_is_taken_the_longest_line_gives_one_up() -> None:
    queue = queue_of(waiting=5)
    for number in range(5):
        queue.enter(f"many-{number}", Origin("a", "a"), 0.0)
    assert queue.enter("one", Origin("b", "b"), 0.0) == "many-0"
    assert len(queue) == 5


def test_who_has_left_is_not_asked_about() -> None:
    queue = queue_of()
    queue.enter("a", HERE, 0.0)
    queue.enter("b", HERE, 0.0)
    queue.leave("a", 0.0)
    queue.leave("never", 0.0)
    assert asked_in_turn(queue) == ["b"]
    assert len(queue) == 0


@dataclass
class Flood:
    """False tokens, each sent once, and a hub that takes a while for each answer."""

    false_ones_per_s: int
    answer_s: float
    seed: int
    queue: QuestionQueue = field(init=False)
    now_s: float = 0.0
    ends: list[float] = field(default_factory=list)
    sent: int = 0

    def __post_init__(self) -> None:
        self.queue = QuestionQueue(choose=random.Random(self.seed).randrange)  # noqa: S311

    def waits_s(self, token: str, begins_s: float, patience_s: float = 5.0) -> float:
        """Return after how long the hub has answered of a token, sent again 1 s after a refusal."""
        entered_s: float | None = None
        again_s = begins_s
        while self.now_s < begins_s + 60:
            self.now_s += 1 / self.false_ones_per_s
            while self.ends and self.ends[0] <= self.now_s:
                heapq.heappop(self.ends)
                self.queue.end()
            self.sent += 1
            turned_away = {self.queue.enter(f"false-{self.sent}", HERE, self.now_s)}
            if entered_s is None and self.now_s >= again_s:
                turned_away.add(self.queue.enter(token, HERE, self.now_s))
                entered_s = self.now_s
            if entered_s is not None and self.now_s - entered_s > patience_s:
                self.queue.leave(token, self.now_s)
                turned_away.add(token)
            if token in turned_away:
                entered_s, again_s = None, self.now_s + 1
            while (digest := self.queue.begin(self.now_s)) is not None:
                heapq.heappush(self.ends, self.now_s + self.answer_s)
                if digest == token:
                    return self.now_s + self.answer_s - begins_s
        return float("inf")


@pytest.mark.parametrize("answer_s", [0.01, 0.05])
def test_a_good_new_token_is_soon_asked_about_among_a_thousand_false_ones_a_second(
    answer_s: float,
) -> None:
    waits_s = sorted(
        Flood(1000, answer_s, seed).waits_s("good", begins_s=4.0) for seed in range(20)
    )
    assert waits_s[-1] < 2
    assert sum(waits_s) / len(waits_s) < 3


def test_who_comes_again_is_not_sent_away_for_strangers_that_have_a_line_each() -> None:
    queue = queue_of(waiting=3)
    for number, digest in enumerate("abcdaefghi"):
        queue.enter(digest, Origin("127.0.0.1", f"203.0.113.{number}"), 0.0)
    assert asked_in_turn(queue) == ["a", "h", "i"]
