"""Which of a node's cards an agent serves."""

from pathlib import Path

import pytest
from sublet_agent.app.settings import AgentSettings
from sublet_agent.devices.interface import Gpu
from sublet_agent.errors import SettingsError
from sublet_quota.names.ids import GpuId

CARDS = [
    Gpu(gpu_id=GpuId(f"GPU-{name}"), index=number, type="H100", memory_mib=81559, simulated=False)
    for number, name in enumerate("abc")
]


def served(*named: str) -> list[str]:
    settings = AgentSettings("node", Path("state"), Path("socket"), link=None, gpus=named)
    return [gpu.gpu_id for gpu in settings.served(CARDS)]


@pytest.mark.parametrize(
    ("named", "cards"),
    [
        ((), ["GPU-a", "GPU-b", "GPU-c"]),
        (("GPU-b",), ["GPU-b"]),
        (("2", "0"), ["GPU-a", "GPU-c"]),
        (("1", "GPU-b"), ["GPU-b"]),
    ],
    ids=["none named", "by UUID", "by number", "both of one"],
)
def test_the_named_cards_are_served_or_all(named, cards):
    assert served(*named) == cards


def test_a_card_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(SettingsError, match=r"gpus names 3: the cards here are 0 \(GPU-a\), 1"):
        served("3")
