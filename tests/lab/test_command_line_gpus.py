"""``sublet gpus``: filtered, sorted, and a line a card at a narrow terminal."""

import csv
import importlib.metadata
import json
import re
from typing import Any

import pytest
from sublet_quota.reasons.fitness import Unfit
from sublet_quota.reasons.share_kept import ShareKept, share_kept_words
from sublet_quota.wire.agent_link import GpuReport, ToldUnfit
from sublet_quota.wire.api import GpuInfo
from sublet_quota.wire.closings import ClosingInfo
from sublet_quota.wire.kept import tell_cap_kept, tell_share_kept

from tests.support.fake_hub_service import FakeHubService
from tests.support.lab_bodies import NOW, lease, slice_info, sublet
from tests.support.terminals import sublet_at_a_terminal

_OF_THE_CARD = ("pool", "silent", "kept_out", "type_name")


def a_card(node: str, index: int = 0, *owners: str, **values: Any) -> GpuInfo:
    told: dict[str, Any] = {
        "gpu_id": f"{node}-{index}",
        "index": index,
        "type": "NVIDIA H100 80GB HBM3",
        "simulated": False,
        "memory_mib": 81920,
        "used_mib": 40960,
        "lendable_mib": 20480,
        "utilisation_percent": 97,
        "unfit": (),
    }
    own = {name: values.pop(name) for name in _OF_THE_CARD if name in values}
    slices = tuple(slice_info(lease=lease(owner=owner, node=node)) for owner in owners)
    return GpuInfo(
        **{"pool": "interactive", "silent": False, **own},
        node=node,
        report=GpuReport(**{**told, **values}),
        slices=slices,
        promised_mib=163840,
        overcommit=2.0,
        seen_at=NOW,
    )


CARDS = [
    a_card("n1", 0, "ada", used_mib=1024),
    a_card("n1", 1, type="NVIDIA L4", used_mib=2048, closed="XID 79"),
    a_card("n2", 0, "bob", "ada", pool="training", used_mib=4096, temperature_c=45),
    a_card(
        "n3", 0, unfit=(ToldUnfit(why=Unfit.MPS),), used_mib=0, lendable_mib=0, temperature_c=70
    ),
    a_card("n4", 0, silent=True, used_mib=0, lendable_mib=0),
]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--node", "n1"), ["n1-0", "n1-1"]),
        (("--type", "l4"), ["n1-1"]),
        (("--pool", "training"), ["n2-0"]),
        (("--owner", "ada"), ["n1-0", "n2-0"]),
        (("--state", "open"), ["n1-0", "n2-0"]),
        (("--state", "closed", "--state", "silent"), ["n1-1", "n4-0"]),
        (("--state", "pause-only"), ["n3-0"]),
        (("--sort", "used"), ["n2-0", "n1-1", "n1-0", "n3-0", "n4-0"]),
        (("--sort", "type", "--node", "n1"), ["n1-0", "n1-1"]),
        (("--sort", "temperature"), ["n3-0", "n2-0", "n1-0", "n1-1", "n4-0"]),
        (("--sort", "state"), ["n4-0", "n1-1", "n3-0", "n1-0", "n2-0"]),
    ],
)
def test_cards_are_filtered_and_sorted(
    service: FakeHubService, options: tuple[str, ...], expected: list[str]
):
    service.answer("GET gpus", CARDS)
    shown = json.loads(sublet("gpus", "--json", *options).stdout)
    assert [each["report"]["gpu_id"] for each in shown] == expected
    rows = csv.DictReader(sublet("gpus", "--csv", *options).stdout.splitlines())
    assert [row["gpu_id"] for row in rows] == expected


def test_a_card_that_the_quota_document_keeps_out_is_closed_and_says_why(service: FakeHubService):
    why = "the quota document's types H100, big match"
    service.answer("GET gpus", [a_card("n1", 0, pool="none", kept_out=why), a_card("n1", 1)])
    (row,) = csv.DictReader(sublet("gpus", "--csv", "--state", "closed").stdout.splitlines())
    assert (row["gpu_index"], row["remarks"]) == ("0", f"closed: {why}")
    assert f"n1 0: closed: {why}" in sublet_at_a_terminal(80, "gpus")


def test_the_temperature_is_told_where_the_card_tells_it(service: FakeHubService):
    service.answer("GET gpus", [a_card("n1", 0, temperature_c=45), a_card("n2", 0)])
    rows = csv.DictReader(sublet("gpus", "--csv").stdout.splitlines())
    assert [row["temperature_c"] for row in rows] == ["45", ""]
    wide = "\n".join(sublet_at_a_terminal(200, "gpus"))
    assert "45 °C" in wide
    assert "not told" in wide


def test_none_of_the_cards_is_told_apart_from_no_cards(service: FakeHubService):
    service.answer("GET gpus", CARDS)
    assert "None of the GPUs" in sublet("gpus", "--node", "n9").stdout
    service.answer("GET gpus", [])
    assert "no agent has connected yet" in sublet("gpus").stdout


MODELS = ("NVIDIA H100 80GB HBM3", "NVIDIA L4", "NVIDIA RTX 6000 Ada Generation")


@pytest.mark.parametrize(
    "names", [("gpu-node-01", "gpu-node-02", "gpu-node-03"), ("gke-eu-gpu-pool-3f2a8d7c-x1yz",) * 3]
)
@pytest.mark.parametrize("pools", [("interactive",) * 3, ("interactive", "training", "long-runs")])
@pytest.mark.parametrize(
    ("types", "models"),
    [
        (("H100",) * 3, (MODELS[0],) * 3),
        (("H100", "L4", "RTX6000"), MODELS),
        ((None,) * 3, MODELS),
    ],
)
def test_twelve_cards_are_twelve_whole_lines_of_eighty_columns(
    service: FakeHubService,
    types: tuple[str | None, ...],
    models: tuple[str, ...],
    pools: tuple[str, ...],
    names: tuple[str, ...],
):
    """Neither ids nor the names of types and pools are cut, whatever has no room beside them."""
    cards = [
        a_card(name, first + index, closed="XID 79", type=model, pool=pool, type_name=a_type)
        for name, a_type, model, pool, first in zip(
            names, types, models, pools, (0, 4, 8), strict=True
        )
        for index in range(4)
    ]
    service.answer("GET gpus", cards)
    lines = sublet_at_a_terminal(80, "gpus")
    heading = next(n for n, line in enumerate(lines) if line.split()[:1] == ["GPU"])
    above, rows = lines[:heading], lines[heading + 2 : heading + 14]
    told = [(each.node, str(each.report.index)) for each in cards]
    assert [tuple(line.split()[:2]) for line in rows] == told, "no card has a second line"
    assert max(map(len, lines[: heading + 14])) <= 80
    for card, line in zip(cards, rows, strict=True):
        words = line.split()
        assert words[-2:] == ["97", "%"]
        assert "40/80 GiB" in line
        # What is numbered is another card's unless the line has that number.
        others = [each for each in above if re.match(rf"Of (?!{words[2]}:)\d+:", each)]
        where = " ".join([line, *(each for each in above if each not in others)])
        assert (card.type_name or card.report.type.removeprefix("NVIDIA ")) in where
        assert card.pool in where
    assert not any("…" in line for line in lines)
    of_node = "4-7" if len(set(names)) > 1 else "0-11"
    assert f"{names[1]} {of_node}: closed: XID 79" in " ".join(line.strip() for line in lines)


def test_a_type_is_asked_for_by_its_name_or_model_and_both_are_shown(service: FakeHubService):
    cards = [a_card("n1", 0, type_name="big"), a_card("n1", 1, type=MODELS[1], type_name="small")]
    service.answer("GET gpus", cards)
    for asked in ("BIG", "hbm3"):
        (row,) = csv.DictReader(sublet("gpus", "--csv", "--type", asked).stdout.splitlines())
        assert (row["type_name"], row["gpu_type"]) == ("big", MODELS[0])
    assert "small (NVIDIA L4)" in sublet("gpus").stdout
    (first, *_) = sublet_at_a_terminal(80, "gpus", "--type", "small")
    assert first == "Of type small (NVIDIA L4), pool interactive:"


@pytest.mark.parametrize(
    ("closed_by", "closed"),
    [
        ("the quota document (line 26)", "the quota document (line 26) has closed it: fan"),
        ("root", "an admin has closed it: fan"),
    ],
)
def test_who_has_closed_a_card_is_told_once(service: FakeHubService, closed_by: str, closed: str):
    closing = ClosingInfo(
        node="n1",
        gpu_id="n1-0",
        gpu_index=0,
        reason="fan",
        closed_by=closed_by,
        closed_at=NOW,
        until=None,
        drains=False,
        notebooks=0,
        jobs=0,
    )
    card = a_card("n1", 0, closed=closed).model_copy(update={"closing": closing})
    service.answer("GET gpus", [card])
    shown = " ".join(sublet("gpus").output.split())
    assert closed in shown
    assert shown.count(closed_by) == 1


def test_types_of_simulated_cards_are_told_apart_at_a_narrow_terminal(service: FakeHubService):
    names = ("Simulated H100 80GB", "Simulated A100 40GB", "Simulated L4 24GB")
    cards = [a_card("n1", i, type=name, simulated=True) for i, name in enumerate(names)]
    cards[0] = a_card("n1", 0, type=names[0], simulated=True, pool="training", closed="XID 79")
    service.answer("GET gpus", cards)
    said = "\n".join(sublet_at_a_terminal(80, "gpus"))
    assert [said.count(name) for name in ("H100", "A100", "L4 24GB")] == [1, 1, 1]
    assert said.count("simulated") == 1
    assert "n1 0: closed: XID 79" in said


def test_who_holds_what_is_shown_at_a_narrow_terminal_too(service: FakeHubService):
    service.answer("GET gpus", [a_card("gpu-node-01", 0, "ada")])
    lines = sublet_at_a_terminal(80, "gpus")
    (row,) = (line for line in lines if "notebook" in line)
    assert "ada" in row
    assert "gpu-node-01 0" in row
    assert "gpu-node-01 0, ada: lent to a job" in lines


def test_how_shares_and_caps_are_kept_is_told_at_once_of_all_with_whom_it_stands_so(
    service: FakeHubService,
):
    def kept(stands: ShareKept) -> dict[str, Any]:
        return {
            "compute_kept": tell_share_kept(stands),
            "cap_kept": tell_cap_kept((), simulated=False),
        }

    few = {"bob": ShareKept.TOO_MANY, "kim": ShareKept.BEING_MEASURED}
    card = a_card("n1", 0)
    slices = tuple(
        slice_info(lease=lease(owner=owner, node="n1"), **kept(few.get(owner, ShareKept.BY_TURNS)))
        for owner in ("ada", "bob", "eve", "kim")
    )
    service.answer("GET gpus", [card.model_copy(update={"slices": slices})])
    lines = sublet_at_a_terminal(80, "gpus")
    cap = "memory cap kept by PyTorch and JAX, the watch"
    measured = "compute share not known yet, as its turns are being measured"
    assert lines[-3:] == [
        f"n1 0, bob (notebook): compute share {share_kept_words(ShareKept.TOO_MANY)}; {cap}",
        f"n1 0, kim (notebook): {measured}; {cap}",
        f"2 slices: compute share kept; {cap}",
    ]
    wide = " ".join(" ".join(sublet_at_a_terminal(400, "gpus")).split())
    assert wide.count(f"compute share kept; {cap}") == len(slices) - len(few)


def test_the_version_is_told():
    assert sublet("--version").output == f"sublet {importlib.metadata.version('sublet')}\n"


def test_what_is_to_be_remarked_of_many_cards_alike_is_told_once_at_a_narrow_terminal(
    service: FakeHubService,
):
    cards = [
        *(a_card("n1", index, "ada", closed="an admin drains node n1") for index in (0, 1, 2, 9)),
        a_card("n2", 3, closed="an admin drains node n1"),
    ]
    service.answer("GET gpus", cards)
    lines = sublet_at_a_terminal(80, "gpus")
    assert [line for line in lines if "drains" in line] == [
        "n1 0-2, 9: closed: an admin drains node n1",
        "n2 3: closed: an admin drains node n1",
    ]
