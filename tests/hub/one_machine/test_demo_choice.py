"""On which card the demo is played, and what is said where on none."""

from dataclasses import replace

import pytest
from sublet_hub.one_machine.demo.__main__ import quota_of
from sublet_hub.one_machine.demo.choice import CannotPlayError, card_among, choose, sizes_for
from sublet_hub.one_machine.demo.sharing import LESS, MORE, PART
from sublet_hub.one_machine.find_gpus import FoundGpu
from sublet_hub.one_machine.paths import Places
from sublet_hub.one_machine.plans import plans_of
from sublet_hub.one_machine.ports import Ports
from sublet_hub.one_machine.settings import MachineSettings
from sublet_quota.document.reading import read_quota_document

CARD = FoundGpu("GPU-1", "H100", memory_gib=79.6, free_gib=79, processes=0)
USED = replace(CARD, gpu_id="GPU-2", free_gib=40, processes=1)
FULLER = replace(CARD, gpu_id="GPU-3", free_gib=70)
SPLIT = replace(CARD, gpu_id="GPU-4", split=True)


@pytest.mark.parametrize(
    "gpus",
    [(CARD,), (USED, CARD), (FULLER, CARD), (SPLIT, CARD)],
    ids=["the only one", "one is used", "one is fuller", "one is split"],
)
def test_the_demo_is_played_on_the_quietest_card(gpus):
    assert card_among(gpus) == CARD


@pytest.mark.parametrize(
    ("gpus", "why"),
    [
        ((), "NVML finds none"),
        ((SPLIT,), "all are split by MIG"),
        ((USED,), r"1 other process\(es\) use H100 GPU-2: nobody is suspended"),
        ((USED, replace(USED, gpu_id="GPU-5")), "and no other card is free"),
    ],
    ids=["none", "split", "used", "all used"],
)
def test_where_no_card_will_do_it_is_said_why_and_what_else_there_is(gpus, why):
    with pytest.raises(CannotPlayError, match=f"{why}.*DEVICE=simulated"):
        card_among(gpus)


def test_too_little_host_memory_is_told_with_its_numbers():
    with pytest.raises(CannotPlayError, match=r"host memory .* 60 GiB are there, and 73"):
        sizes_for(CARD, 60)


def test_a_simulated_gpu_asks_nothing_of_the_machine():
    choice = choose("simulated", 40)
    assert choice.card is None
    assert "SIMULATED" in choice.words


def test_the_demos_agent_serves_its_one_card(tmp_path):
    places = Places(tmp_path, Ports(1, 2, 3, 4))
    places.make()
    settings = MachineSettings(places, simulated=False, gpus=("GPU-1",))
    assert "--gpus=GPU-1" in plans_of(settings)["agent"].launch.command


def test_cards_of_several_types_and_the_documents_place_are_passed_on(tmp_path):
    places = Places(tmp_path, Ports(1, 2, 3, 4))
    places.make()
    kinds = "2xH100:80,4xL4:24"
    settings = MachineSettings(places, simulated=True, cards=kinds, quota_source="database")
    plans = plans_of(settings)
    assert f"--cards={kinds}" in plans["simulated-gpus"].launch.command
    assert "--quota-source=database" in plans["service"].launch.command
    every = plans_of(replace(settings, gpus=()))["agent"].launch.command
    assert not any(each.startswith("--gpus") for each in every)


@pytest.mark.parametrize("sizes", [sizes_for(CARD, 120), choose("simulated", 40).sizes])
def test_the_demos_quota_document_is_one(sizes):
    told = (quota_of(sizes), quota_of(sizes, guaranteed=True))
    before, after = map(read_quota_document, told)
    assert set(before.sizes) == set(after.sizes) == {"large", "medium", "whole", MORE, LESS}
    for size, part in ((MORE, PART), (LESS, 1 - PART)):
        assert before.sizes[size].compute == 1000 * part
    assert [set(each.all_groups["lab"].guaranteed) for each in (before, after)] == [set(), {"GPU"}]
