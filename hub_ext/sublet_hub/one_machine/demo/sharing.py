"""The last act: two compute at once on a full card, and each has the share that is shown."""

from typing import Final

from sublet_hub.one_machine.demo.stage import Stage
from sublet_hub.one_machine.demo.story import computes_meanwhile, tell_what_is_there

MORE: Final = "three-quarters"
LESS: Final = "quarter"
"""The sizes that they take: with shares of 3 to 1."""
PART: Final = 0.75
OFF_AT_MOST: Final = 0.05
"""How far from that the part of the first may be: one twentieth of the card."""
_SEEN_FROM: Final = 0.65
"""The part from which on it counts as given by turns: the driver's time slicing gives a half."""
_SEEN_OVER_MS: Final = 1500
MEASURED_MS: Final = 6000
"""The GPU time of both after which they are judged."""
_CALL_S: Final = 1.0
"""The GPU time of each call: between two of them the program would keep the card waiting."""


async def shares_are_kept(stage: Stage) -> None:
    """Play act 7: two of whom each would have the whole card compute by 3 to 1."""
    record = stage.record
    record.begin(7, "Two compute at once on a full card: each has the share that is shown")
    if not stage.cells.simulated:
        record.tell("not played: on a real GPU an admin asks for turns of computing first")
        return
    more, less = stage.script.late.name, stage.script.cast[2].name
    await take_size(stage, more, MORE)
    await take_size(stage, less, LESS)
    async with (
        computes_meanwhile(stage, more, _CALL_S),
        computes_meanwhile(stage, less, _CALL_S),
    ):
        use = UseOfTwo(stage, more, less)
        await stage.until(f"{more} to have more of the card than {less}", use.is_shared)
        parts = await stage.until(f"{more} and {less} to compute for a while", use.parts)
    record.tell(
        f"of {MEASURED_MS / 1000:.0f} s of GPU time {more} had {parts[0]:.0%},"
        f" {less} {1 - parts[0]:.0%}"
    )
    record.facts["shares_kept"] = {more: round(parts[0], 3), less: round(1 - parts[0], 3)}
    record.expect(
        abs(parts[0] - PART) <= OFF_AT_MOST,
        f"{more} had {parts[0]:.1%} of the card beside {less}, and its share is {PART:.0%}",
    )
    await tell_what_is_there(stage, (more, less))


async def take_size(stage: Stage, owner: str, size: str) -> None:
    """Have an owner take another size for the slice, while the server runs."""
    person = stage.people[owner]
    found = stage.slice_named(await stage.gpu(), owner)
    if found is None:
        message = f"{owner} has no slice"
        raise RuntimeError(message)
    slice_id = found["lease"]["slice_id"]
    after = await person.service("POST", f"slices/{slice_id}/resize", {"size": size})
    share = after["lease"]["compute_milli"] / 1000
    stage.record.tell(f"{owner} takes the size {size}: a share of {share:.0%} of the compute")


class UseOfTwo:
    """How much of the card's time two owners had since a moment."""

    def __init__(self, stage: Stage, first: str, second: str) -> None:
        self._stage = stage
        self._both = (first, second)
        self._from_ms: tuple[int, int] | None = None

    async def is_shared(self) -> bool:
        """Whether the first had clearly more in the last second or two; count from now on then."""
        now_ms = await self._now_ms()
        had_ms = self._since(now_ms)
        if had_ms is not None and sum(had_ms) < _SEEN_OVER_MS:
            return False
        self._from_ms = now_ms
        return had_ms is not None and had_ms[0] / sum(had_ms) >= _SEEN_FROM

    async def parts(self) -> tuple[float] | None:
        """Return the first one's part, once both together have had enough to judge by."""
        had_ms = self._since(await self._now_ms())
        if had_ms is None or sum(had_ms) < MEASURED_MS:
            return None
        return (had_ms[0] / sum(had_ms),)

    def _since(self, now_ms: tuple[int, int]) -> tuple[int, int] | None:
        before = self._from_ms
        return None if before is None else (now_ms[0] - before[0], now_ms[1] - before[1])

    async def _now_ms(self) -> tuple[int, int]:
        sample = await self._stage.gpu()
        found = [self._stage.slice_named(sample, owner) for owner in self._both]
        first, second = (each["report"]["gpu_busy_ms"] if each else 0 for each in found)
        return first, second
