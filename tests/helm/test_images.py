"""The images' Containerfile, as far as it can be judged without building it."""

import re
import tomllib
from dataclasses import dataclass

import pytest

from tests.support.helm_charts import render
from tests.support.helm_documents import ROOT
from tests.support.helm_options import OPTIONS

FILE = ROOT / "helm" / "images" / "Containerfile"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One of the file's stages, with its instructions as (name, words)."""

    base: str
    name: str
    instructions: tuple[tuple[str, str], ...]

    def last(self, instruction: str) -> str:
        return [words for name, words in self.instructions if name == instruction][-1]


def read() -> tuple[dict[str, str], dict[str, Stage]]:
    """Return the arguments before the first stage, and the stages by name."""
    lines = [each for each in FILE.read_text().splitlines() if not each.startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    current: list[tuple[str, str]] = []
    for line in filter(str.strip, text.splitlines()):
        instruction, _, words = line.strip().partition(" ")
        if instruction == "FROM":
            base, _, name = words.partition(" AS ")
            current = []
            stages[name] = Stage(base, name, ())
        elif not stages:
            assert instruction == "ARG", line
            key, _, value = words.partition("=")
            arguments[key] = value
        else:
            current.append((instruction, words))
            name = list(stages)[-1]
            stages[name] = Stage(stages[name].base, name, tuple(current))
    return arguments, stages


ARGUMENTS, STAGES = read()


def test_every_base_image_is_an_argument_with_a_default_or_a_stage_before() -> None:
    for stage in STAGES.values():
        argument = re.fullmatch(r"\$\{(\w+)\}", stage.base)
        if argument:
            assert ARGUMENTS[argument[1]]
        else:
            assert list(STAGES).index(stage.base) < list(STAGES).index(stage.name)


def test_there_is_an_image_for_each_part() -> None:
    assert {"sublet", "hub", "notebook"} <= STAGES.keys()


def test_service_and_agent_are_of_an_account_that_is_not_root() -> None:
    assert STAGES["sublet"].last("USER") == "1000:1000"
    assert STAGES["hub"].last("USER") != "root"


def test_all_that_is_copied_is_in_the_repository() -> None:
    for stage in STAGES.values():
        for instruction, words in stage.instructions:
            assert instruction != "ADD"
            if instruction != "COPY" or words.startswith("--from"):
                continue
            *sources, _ = words.split()
            assert all(list(ROOT.glob(each)) for each in sources if not each.startswith("dist")), (
                words
            )


def test_extras_are_the_project_s() -> None:
    wanted = next(
        words.removeprefix("EXTRAS=").split(",")
        for name, words in STAGES["environment"].instructions
        if name == "ARG"
    )
    assert set(wanted) <= PROJECT["optional-dependencies"].keys()
    assert {"kubernetes", "postgresql", "nvidia"} == set(wanted)


@pytest.mark.usefixtures("helm")
def test_the_chart_starts_programs_that_the_package_has() -> None:
    chart = render(OPTIONS["simulated"])
    for each in (*chart.all("Deployment"), *chart.all("DaemonSet")):
        for container in each["spec"]["template"]["spec"]["containers"]:
            assert container["command"][0] in PROJECT["scripts"]
