"""Why Sublet is not installed on a machine as it is, each with what to do. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from sublet_hub.installation.facts import Facts, Hub, HubKind, HubSettings, Packages
from sublet_hub.installation.layout import ACCOUNT
from sublet_hub.installation.wishes import LOCAL, SYSTEMD, TLJH, Wishes, spawner_for

OLDEST_HUB: Final = (5, 3)
OLDEST_PYTHON: Final = (3, 11)
OLDEST_SYSTEMD: Final = 245
"""The first that SystemdSpawner recommends (Ubuntu 20.04)."""
FIRST_PORT: Final = 1024
"""The first port at which an account other than root may listen."""
SYSTEMD_SPAWNER: Final = "jupyterhub-systemdspawner"
CARD_PACKAGES: Final = ("cuda-bindings", "nvidia-ml-py")
"""What the extra ``nvidia`` brings that the agent cannot do without."""
_REPLACED: Final = ("", "local", "systemd", "usercreating", "sublet")
"""Parts of the names of spawners whose work Sublet's do, too."""
_NODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def refusals(facts: Facts, wishes: Wishes) -> list[str]:
    """Return why nothing can be installed, or an empty list."""
    found = [*_of_machine(facts, wishes)]
    if len(facts.hubs) == 1:
        found += _of_hub(facts, facts.hubs[0], wishes)
    return found


def _of_machine(facts: Facts, wishes: Wishes) -> Iterator[str]:
    if not facts.is_root:
        yield "This needs root: run it with sudo."
    if facts.systemd_version is None:
        yield (
            "There is no systemd here, and Sublet's parts would not start with the machine. "
            "To try Sublet out without it: `make up`. On Kubernetes: the chart."
        )
    elif facts.systemd_version < OLDEST_SYSTEMD:
        yield (
            f"systemd is {facts.systemd_version}; {OLDEST_SYSTEMD} or newer is needed "
            "(Ubuntu 20.04, Debian 11)."
        )
    elif not facts.systemd_runs and not facts.in_image:
        yield (
            "systemd did not start this machine (it is not process 1: a container?). "
            "For an image's folder: --root DIR."
        )
    yield from _of_hubs(facts)
    if wishes.device is None or (wishes.device == "nvidia" and not facts.in_image):
        yield from _of_cards(facts, wishes)
    yield from _of_port(facts, wishes)
    yield from _of_account(facts)
    if _NODE.fullmatch(wishes.node) is None:
        yield f"{wishes.node!r} is no name for a machine: letters, digits, dots and dashes only."


def _of_hubs(facts: Facts) -> Iterator[str]:
    if not facts.hubs and facts.other_units:
        yield (
            "The unit that --hub-unit names does not run JupyterHub, as far as its file tells. "
            "Choose one that does: "
            f"{', '.join(facts.other_units)}."
        )
    elif not facts.hubs:
        yield (
            "No hub is found: no systemd unit here runs JupyterHub. Install The Littlest "
            "JupyterHub, or JupyterHub as a systemd service, first; or name its unit with "
            "--hub-unit, and its interpreter with --hub-python where the unit starts a shell."
        )
    elif len(facts.hubs) > 1:
        units = ", ".join(hub.unit for hub in facts.hubs)
        yield f"More than one unit runs a hub ({units}): choose one with --hub-unit."


def _of_account(facts: Facts) -> Iterator[str]:
    if facts.account is not None and facts.account.is_persons(facts.least_uid):
        there = facts.account
        yield (
            f"The account {ACCOUNT} is a person's (uid {there.uid}, {there.home}, {there.shell}), "
            "and Sublet's service needs one of this name for itself, which owns its secrets. "
            f"Rename that person's: `sudo usermod --login NEW-NAME {ACCOUNT}` and `sudo groupmod "
            f"--new-name NEW-NAME {ACCOUNT}`."
        )


def _of_port(facts: Facts, wishes: Wishes) -> Iterator[str]:
    port = wishes.port
    hubs = {
        taken: hub.unit for hub in facts.hubs for taken in (hub.settings or HubSettings()).ports
    }
    if port < FIRST_PORT:
        yield (
            f"Port {port} is root's, and the service is not root: choose one from {FIRST_PORT} on "
            "with --port."
        )
    elif port in hubs:
        yield f"Port {port} is the hub's own ({hubs[port]}): choose another with --port."
    elif facts.port_is_taken:
        yield (
            f"Something else listens at port {port} already: choose another with --port, or see "
            f"what it is with `ss -ltnp 'sport = :{port}'`."
        )


def _of_cards(facts: Facts, wishes: Wishes) -> Iterator[str]:
    if facts.in_image and wishes.device is None:
        yield "An image has no cards: say --device nvidia or --device simulated."
    elif not facts.gpus:
        yield (
            "No NVIDIA card is found: `nvidia-smi -L` lists none. Install the driver first, or "
            "try Sublet with --device simulated."
        )


def _of_hub(facts: Facts, hub: Hub, wishes: Wishes) -> Iterator[str]:
    if hub.account != "root":
        yield (
            f"The hub runs as {hub.account}, and servers under their users' accounts are started "
            f"by root alone: remove User= from {hub.unit}."
        )
    yield from _of_configuration(facts, hub)
    if hub.settings is None and (wishes.base_url is None or wishes.hub_api_url is None):
        yield (
            f"The hub's configuration {hub.configuration} cannot be read as the hub reads it "
            f"({hub.settings_problem}): mend it, or say --base-url and --hub-api-url."
        )
    if hub.settings is not None and hub.settings.internal_ssl:
        yield "The hub uses internal_ssl, which Sublet's service does not speak: switch it off."
    yield from _of_origins(hub)
    spawner = spawner_for(hub, wishes)
    yield from _of_spawner(hub, spawner, wishes)
    yield from _of_hubs_packages(facts, hub, spawner)
    yield from _of_drivers(facts, hub, wishes)
    if hub.users.python != hub.environment.python:
        yield from _of_sublet_in(hub, hub.users, facts.sublet_version, "users' servers")


def _of_configuration(facts: Facts, hub: Hub) -> Iterator[str]:
    """Yield why the file that is to have Sublet's line is not the hub's."""
    named, units = hub.configuration, hub.units_configuration
    which = f"{named}{'' if hub.has_configuration else ', which is not there'}"
    if units is None:
        if not hub.has_configuration:
            yield (
                f"With which configuration {hub.unit} starts the hub is not known: it would be "
                f"{which}. Name the file with --hub-config."
            )
    elif named != units and not (facts.in_image and hub.has_configuration):
        yield (
            f"--hub-config names {which}, but {hub.unit} starts the hub with {units}: leave the "
            "option out, or change the unit."
        )


def _of_origins(hub: Hub) -> Iterator[str]:
    settings = hub.settings
    if settings is not None and settings.subdomain_host and settings.subdomain_hook is None:
        yield (
            "The hub names its users' origins by a subdomain_hook that Sublet's service cannot "
            "import, and the service must name its own alike: put the function into a module of "
            f"the hub's environment ({hub.environment.python}), and have {hub.configuration} "
            "import it from there."
        )


def _of_spawner(hub: Hub, spawner: str, wishes: Wishes) -> Iterator[str]:
    if (spawner == TLJH) != (hub.kind is HubKind.TLJH):
        right = TLJH if hub.kind is HubKind.TLJH else f"{LOCAL} or {SYSTEMD}"
        yield f"--spawner {spawner} is not for {hub.kind.value}: choose {right}."
    if spawner == LOCAL and hub.private_devices:
        yield (
            f"{hub.unit} has PrivateDevices=yes, which hides the GPUs from the servers that the "
            "hub starts: remove that, or choose --spawner sublet-systemd."
        )
    present = "" if hub.settings is None else hub.settings.spawner
    known = not present or any(name and name in present.lower() for name in _REPLACED)
    if not known and wishes.spawner is None:
        yield (
            f"The hub starts servers by {present}, which Sublet would replace. If users have "
            f"accounts on this machine: --spawner {LOCAL} or --spawner {SYSTEMD}."
        )


def _of_hubs_packages(facts: Facts, hub: Hub, spawner: str) -> Iterator[str]:
    packages = hub.environment
    if packages.python_version is None:
        yield (
            f"The hub's Python environment at {packages.python} cannot be found: "
            "name its interpreter with --hub-python."
        )
        return
    hub_version = packages.versions.get("jupyterhub")
    if hub_version is None:
        yield f"JupyterHub is not installed for {packages.python}: name the right --hub-python."
    elif _numbers(hub_version) < OLDEST_HUB:
        yield (
            f"JupyterHub is {hub_version}; {'.'.join(map(str, OLDEST_HUB))} or newer is needed: "
            f"{_pip(packages, [_hub_requirement(hub)], upgrade=True)}"
        )
    yield from _of_sublet_in(hub, packages, facts.sublet_version, "the hub")
    its_hub = {SYSTEMD: HubKind.PLAIN, TLJH: HubKind.TLJH}.get(spawner)
    if its_hub is hub.kind and SYSTEMD_SPAWNER not in packages.versions:
        yield (
            f"{spawner} needs {SYSTEMD_SPAWNER} in the hub's environment: "
            f"{_pip(packages, [SYSTEMD_SPAWNER])}"
        )


def _of_drivers(facts: Facts, hub: Hub, wishes: Wishes) -> Iterator[str]:
    """Yield what the agent, which runs in the hub's environment, lacks to use cards."""
    packages = hub.environment
    missing = [name for name in CARD_PACKAGES if name not in packages.versions]
    if wishes.device != "simulated" and "sublet" in packages.versions and missing:
        wheel = _wheel(hub, facts.sublet_version, "[nvidia]")
        yield (
            f"To use cards, {' and '.join(missing)} must be in the hub's environment. In the "
            f"folder with Sublet's wheel: {_pip(packages, wheel)}"
        )


def _of_sublet_in(hub: Hub, packages: Packages, wanted: str, whose: str) -> Iterator[str]:
    if packages.python_version is None:
        yield (
            f"The environment of {whose} at {packages.python} cannot be found: "
            "name its interpreter with --users-python."
        )
        return
    if packages.python_version < OLDEST_PYTHON:
        yield (
            f"The Python of {whose} ({packages.python}) is "
            f"{'.'.join(map(str, packages.python_version))}; Sublet needs "
            f"{'.'.join(map(str, OLDEST_PYTHON))} or newer (Ubuntu 24.04 has it)."
        )
        return
    if packages.closed is not None:
        yield (
            f"The Python of {whose} ({packages.python}) is closed to the accounts that must "
            "execute it, such as the service's: put the environment elsewhere (below /opt), or "
            f"open the way: `sudo chmod o+x {packages.closed}`."
        )
    present = packages.versions.get("sublet")
    if present != wanted:
        is_what = "is not there" if present is None else f"is {present} there"
        yield (
            f"Sublet {wanted} must be in the environment of {whose}, and {is_what}. In the folder "
            f"with its wheel: {_pip(packages, _wheel(hub, wanted))}"
        )


def _pip(packages: Packages, what: Sequence[str], *, upgrade: bool = False) -> str:
    quoted = " ".join(f"'{each}'" for each in what)
    return f"sudo {packages.python} -m pip install {'--upgrade ' if upgrade else ''}{quoted}"


def _wheel(hub: Hub, version: str, extra: str = "") -> list[str]:
    """Return Sublet's wheel as a path: on PyPI somebody else may have the name.

    On The Littlest JupyterHub with the hub that it may bring along.
    """
    wheel = f"./sublet-{version}-py3-none-any.whl{extra}"
    return [wheel, _hub_requirement(hub)] if hub.kind is HubKind.TLJH else [wheel]


def _hub_requirement(hub: Hub) -> str:
    """Return the JupyterHub that Sublet needs.

    The Littlest JupyterHub's own upgrades go back below 6, and an older hub does not start on a
    newer one's database.
    """
    oldest = f"jupyterhub>={'.'.join(map(str, OLDEST_HUB))}"
    return f"{oldest},<6" if hub.kind is HubKind.TLJH else oldest


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
