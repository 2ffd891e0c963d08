"""A job whose processes on several cards wait for each other takes no turns, and is told so."""

import json
import os
from pathlib import Path

from sublet_quota.reasons.share_kept import ShareKept

from tests.support.agent_world import agent_world
from tests.support.fake_service_link import gpu_assignment, slice_assignment

STEPS = 60
_RANK = """
import os
def in_step(mine, other, done):
    tell, hear = os.open(other, os.O_RDWR), os.open(mine, os.O_RDWR)
    progress = open(done, "wb", buffering=0)
    while True:
        gpu.compute(0.02)
        os.write(tell, b"x")
        os.read(hear, 1)
        progress.write(b"x")
"""
"""As each process of a job does that adds up gradients with the others after each step."""


def turned(journal: Path) -> set[int]:
    """Those that were ever paused for a turn."""
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    return {entry["pid"] for entry in entries if entry["step"] == "pausing-for-a-turn"}


def test_the_parts_of_a_job_that_wait_for_each_other_run_freely_beside_the_turns_of_others(
    tmp_path: Path,
) -> None:
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.05", cards=2) as world:
        first, second = (gpu.gpu_id for gpu in world.gpus.device.gpus())
        world.service.gpus = (gpu_assignment(first), gpu_assignment(second))
        cards = {"rank0": first, "rank1": second, "more": first, "less": first, "beside": second}
        shares = {"rank0": 500, "rank1": 500, "more": 375, "less": 125, "beside": 500}
        world.service.assign(
            *(
                slice_assignment(
                    name,
                    cards[name],
                    10 * world.gib,
                    holder="job",
                    compute_milli=share,
                    on_several_cards=name.startswith("rank"),
                )
                for name, share in shares.items()
            )
        )
        world.until(lambda: {s.slice_id for s in world.status.slices} == shares.keys())
        kernels = {name: world.kernel(name, SUBLET_GPU_ID=cards[name]) for name in shares}
        for kernel in kernels.values():
            kernel.enter()
        for name in ("more", "less", "beside"):
            kernels[name].tenant.begin("gpu.compute(100000)")
        pipes = [str(tmp_path / f"to-{index}") for index in range(2)]
        done = [tmp_path / f"done-{index}" for index in range(2)]
        for pipe in pipes:
            os.mkfifo(pipe)
        for index in range(2):
            rank = kernels[f"rank{index}"]
            rank.run(f"exec({_RANK!r})")
            mine, other = pipes[index], pipes[1 - index]
            rank.tenant.begin(f"in_step({mine!r}, {other!r}, {str(done[index])!r})")

        others = {kernels[name].pid for name in ("more", "less")}
        world.until(lambda: others <= turned(world.agent.journal))
        world.until(
            lambda: (
                world.report("rank0").compute_kept
                is world.report("rank1").compute_kept
                is ShareKept.ON_SEVERAL_CARDS
            )
        )
        before = [each.stat().st_size for each in done]
        world.until(
            lambda: all(
                each.stat().st_size >= size + STEPS for each, size in zip(done, before, strict=True)
            )
        )
        ranks = {kernels[name].pid for name in ("rank0", "rank1")}
        assert not ranks & turned(world.agent.journal)
        assert [world.truth(pid) for pid in ranks] == ["running"] * 2
