"""Figures that a card may tell or not."""

import logging

import pytest
from sublet_agent.devices.interface import DeviceError, GpuGoneError
from sublet_agent.devices.optional_figures import OptionalFigures
from sublet_quota.names.ids import GpuId

GPU = GpuId("GPU-1")


def refuse() -> int:
    message = "not supported"
    raise DeviceError(message)


def vanish() -> int:
    message = "fell off the bus"
    raise GpuGoneError(message)


def test_what_is_told_is_returned() -> None:
    assert OptionalFigures().ask(GPU, "energy", lambda: 0) == 0


@pytest.mark.parametrize("ask", [refuse, vanish])
def test_what_is_not_told_is_nothing(ask) -> None:
    assert OptionalFigures().ask(GPU, "energy", ask) is None


def test_it_is_said_once_for_each_card_and_figure_and_again_when_it_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    figures = OptionalFigures()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            figures.ask(GPU, "energy", refuse)
        figures.ask(GpuId("GPU-2"), "energy", refuse)
        figures.ask(GPU, "utilisation", refuse)
        for _ in range(3):
            figures.ask(GPU, "energy", lambda: 1)
        figures.ask(GPU, "energy", refuse)
    assert [record.getMessage() for record in caplog.records] == [
        "card GPU-1: its energy is not told: not supported",
        "card GPU-2: its energy is not told: not supported",
        "card GPU-1: its utilisation is not told: not supported",
        "card GPU-1: its energy is told again",
        "card GPU-1: its energy is not told: not supported",
    ]
