"""The images' Containerfile, as far as it can be judged without building it."""

import re
import subprocess
import tomllib
from dataclasses import dataclass

import pytest

from tests.support.helm_charts import render
from tests.support.helm_documents import ROOT
from tests.support.helm_options import OPTIONS

FILE = ROOT / "helm" / "images" / "Containerfile"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FRONT_ENDS = [*ROOT.glob("labextension/package.json"), *ROOT.glob("hub_ext/*/package.json")]


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
        argument = re.fullmatch(r"\$\{(\w+)\}\$\{(\w+):\+@\$\{\2\}\}", stage.base)
        if argument:
            assert ARGUMENTS[argument[1]]
            assert ARGUMENTS[argument[2]] == ""
        else:
            assert list(STAGES).index(stage.base) < list(STAGES).index(stage.name)


def test_every_base_is_of_one_version() -> None:
    for name, base in ARGUMENTS.items():
        if name.endswith("BASE"):
            assert re.search(r":[^/:]*\d[^/:]*$", base), f"{name}: {base}"


@pytest.mark.parametrize(
    ("stage", "digest"),
    [("wheel", "BASE_DIGEST"), ("hub", "HUB_DIGEST"), ("notebook", "NOTEBOOK_DIGEST")],
)
def test_a_release_needs_the_digest_of_its_base(stage: str, digest: str) -> None:
    first = next(words for name, words in STAGES[stage].instructions if name == "RUN")

    def build(**arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"RELEASE": "", digest: "", **arguments}
        command = ["/bin/sh", "-c", first]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert build().returncode == 0
    assert build(RELEASE="0.1.0", **{digest: "sha256:0"}).returncode == 0
    refused = build(RELEASE="0.1.0")
    assert refused.returncode == 1
    assert digest in refused.stderr
    declared = [words for name, words in STAGES[stage].instructions if name == "ARG"]
    assert {"RELEASE=", digest} <= set(declared), "an argument is seen only where it is named"


def test_a_release_by_the_words_of_the_file_itself_is_not_refused() -> None:
    header = FILE.read_text().partition("ARG ")[0]
    told = re.findall(r"--build-arg (\w+)=(\S+)", header)
    for stage in ("wheel", "notebook"):
        first = next(words for name, words in STAGES[stage].instructions if name == "RUN")
        subprocess.run(["/bin/sh", "-c", first], env=dict(told), check=True)


def test_packages_come_from_locks_by_their_hashes() -> None:
    for stage in STAGES.values():
        for instruction, words in stage.instructions:
            for each in re.findall(r"pip (?:install|wheel) [^;]*", words):
                own = "--no-deps" in each and ("sublet-*.whl" in each or "--wheel-dir" in each)
                assert own or "--require-hashes" in each, f"{instruction} {each}"


def test_npm_s_packages_come_from_its_lock() -> None:
    """`npm install` may write another lock."""
    (build,) = (w for n, w in STAGES["wheel"].instructions if n == "RUN" and "pip wheel" in w)
    assert (
        build.index("npm ci ") < build.index("SKIP_JUPYTER_BUILDER=1 ") < build.index("pip wheel")
    )
    assert "npm install" not in FILE.read_text()


def test_the_wheel_has_all_that_is_built_and_that_git_ignores() -> None:
    """Nothing else tells: without its hook, hatch makes a wheel that lacks what was not built."""
    (build,) = (w for n, w in STAGES["wheel"].instructions if n == "RUN" and "pip wheel" in w)
    named = re.search(r"for front_end in ([^;]+); do", build)
    assert named
    folders = {each.parent.relative_to(ROOT).as_posix() for each in FRONT_ENDS}
    assert set(named[1].split()) == folders


@pytest.mark.parametrize("name", ["build", "node", "service", "hub", "notebook"])
def test_the_locks_that_are_named_are_there(name: str) -> None:
    assert re.search(rf"\b{name}(\.txt\b|\b.*; do)", FILE.read_text())
    assert (ROOT / ".ci" / "locks" / f"{name}.txt").exists()


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


@pytest.mark.usefixtures("helm")
def test_the_chart_starts_programs_that_the_package_has() -> None:
    chart = render(OPTIONS["simulated"])
    for each in (*chart.all("Deployment"), *chart.all("DaemonSet")):
        for container in each["spec"]["template"]["spec"]["containers"]:
            assert container["command"][0] in PROJECT["scripts"]
