"""Why nothing is installed, and what is said to do."""

import dataclasses
from pathlib import PurePosixPath

import pytest
from sublet_hub.installation.facts import AccountThere, HubKind, HubSettings
from sublet_hub.installation.refusals import refusals
from sublet_hub.installation.wishes import Wishes

from tests.support.installing import PYTHON, a_hub, facts, packages

USERS = PurePosixPath("/opt/tljh/user/bin/python")
WITH_SYSTEMD = packages(jupyterhub_systemdspawner="1.0.2")
OLD_TLJH = packages(jupyterhub="5.2.1", jupyterhub_systemdspawner="1.0.2")


def tljh(**fields):
    return a_hub(**({"kind": HubKind.TLJH, "environment": WITH_SYSTEMD} | fields))


def hub_with(spawner):
    return a_hub(settings=HubSettings(spawner=spawner))


CLOSED = PurePosixPath("/root")
NAMED, UNITS = PurePosixPath("/etc/jupyterhub/confg.py"), PurePosixPath("/etc/jupyterhub/config.py")


def configured(named=NAMED, units=UNITS, **fields):
    return (a_hub(configuration=named, units_configuration=units, **fields),)


CASES = {
    "a configuration that is not the hub's": (
        facts(hubs=configured()),
        Wishes(),
        f"names {NAMED}, but jupyterhub.service starts the hub with {UNITS}",
    ),
    "a configuration that is not there": (
        facts(hubs=configured(has_configuration=False)),
        Wishes(),
        f"names {NAMED}, which is not there, but jupyterhub.service starts the hub with {UNITS}",
    ),
    "a configuration that is not there in an image": (
        facts(in_image=True, hubs=configured(has_configuration=False)),
        Wishes(device="nvidia"),
        f"names {NAMED}, which is not there",
    ),
    "a configuration that nobody knows": (
        facts(hubs=configured(PurePosixPath("/$CONFIG"), None, has_configuration=False)),
        Wishes(),
        "Name the file with --hub-config",
    ),
    "not root": (facts(is_root=False), Wishes(), "sudo"),
    "no systemd": (facts(systemd_version=None), Wishes(), "make up"),
    "old systemd": (facts(systemd_version=237), Wishes(), "systemd is 237; 245 or newer"),
    "systemd did not start it": (facts(systemd_runs=False), Wishes(), "not process 1"),
    "no hub": (facts(hubs=()), Wishes(), "No hub is found"),
    "a unit that is no hub's": (
        facts(hubs=(), other_units=("jupyterhub.service", "lab.service")),
        Wishes(),
        "Choose one that does: jupyterhub.service, lab.service",
    ),
    "two hubs": (facts(hubs=(a_hub(), a_hub(unit="b.service"))), Wishes(), "--hub-unit"),
    "no card": (facts(gpus=()), Wishes(), "nvidia-smi -L"),
    "an image, and no word which GPUs": (facts(in_image=True, gpus=()), Wishes(), "--device"),
    "port taken": (facts(port_is_taken=True), Wishes(), "port 8901"),
    "a port of root's": (facts(port_is_taken=True), Wishes(port=80), "from 1024 on"),
    "the hub's public port": (facts(), Wishes(port=8000), "the hub's own (jupyterhub.service)"),
    "the port of the hub's API": (facts(), Wishes(port=8081), "Port 8081 is the hub's own"),
    "the port of the proxy's API": (facts(), Wishes(port=8001), "Port 8001 is the hub's own"),
    "a person's account by its uid": (
        facts(account=AccountThere(1000, PurePosixPath("/srv"), PurePosixPath("/bin/false"))),
        Wishes(),
        "is a person's (uid 1000, /srv, /bin/false)",
    ),
    "a person's account by its home": (
        facts(account=AccountThere(999, PurePosixPath("/home/s"), PurePosixPath("/bin/bash"))),
        Wishes(),
        "sudo usermod --login NEW-NAME sublet",
    ),
    "a name with a slash": (facts(), Wishes(node="a/b"), "'a/b' is no name"),
    "a hub that is not root": (facts(hubs=(a_hub(account="hub"),)), Wishes(), "runs as hub"),
    "internal_ssl": (
        facts(hubs=(a_hub(settings=HubSettings(internal_ssl=True)),)),
        Wishes(),
        "internal_ssl",
    ),
    "a hook that only the hub has": (
        facts(
            hubs=(a_hub(settings=HubSettings(subdomain_host="h.test", subdomain_hook=None)),),
        ),
        Wishes(),
        "put the function into a module",
    ),
    "an unreadable configuration": (
        facts(hubs=(a_hub(settings=None, settings_problem="NameError: x"),)),
        Wishes(),
        "(NameError: x)",
    ),
    "an old hub": (
        facts(hubs=(a_hub(environment=packages(jupyterhub="5.2.1")),)),
        Wishes(),
        f"sudo {PYTHON} -m pip install --upgrade 'jupyterhub>=5.3'",
    ),
    "an old hub of The Littlest JupyterHub": (
        facts(hubs=(tljh(environment=OLD_TLJH),)),
        Wishes(),
        f"sudo {PYTHON} -m pip install --upgrade 'jupyterhub>=5.3,<6'",
    ),
    "no Sublet in the hub's environment": (
        facts(hubs=(a_hub(environment=packages(sublet="")),)),
        Wishes(),
        f"sudo {PYTHON} -m pip install './sublet-1.2.3-py3-none-any.whl'",
    ),
    "another Sublet in the hub's environment": (
        facts(hubs=(a_hub(environment=packages(sublet="1.0.0")),)),
        Wishes(),
        "is 1.0.0 there",
    ),
    "an old Python": (
        facts(hubs=(a_hub(environment=packages(version=(3, 10))),)),
        Wishes(),
        "is 3.10; Sublet needs 3.11",
    ),
    "a Python below a closed folder": (
        facts(hubs=(a_hub(environment=dataclasses.replace(packages(), closed=CLOSED)),)),
        Wishes(),
        "open the way: `sudo chmod o+x /root`",
    ),
    "no such environment": (
        facts(hubs=(a_hub(environment=packages(version=None)),)),
        Wishes(),
        "--hub-python",
    ),
    "no Sublet in the users' environment": (
        facts(hubs=(tljh(users=packages(USERS, sublet="")),)),
        Wishes(),
        f"sudo {USERS} -m pip install './sublet-1.2.3-py3-none-any.whl' 'jupyterhub>=5.3,<6'",
    ),
    "nothing to use cards with": (
        facts(hubs=(a_hub(environment=packages(cuda_bindings="")),)),
        Wishes(),
        "pip install './sublet-1.2.3-py3-none-any.whl[nvidia]'",
    ),
    "no SystemdSpawner": (
        facts(),
        Wishes(spawner="sublet-systemd"),
        f"sudo {PYTHON} -m pip install 'jupyterhub-systemdspawner'",
    ),
    "the other hub's spawner": (facts(), Wishes(spawner="sublet-tljh"), "is not for JupyterHub"),
    "a spawner for something else": (
        facts(hubs=(hub_with("dockerspawner.DockerSpawner"),)),
        Wishes(),
        "would replace",
    ),
    "hidden devices": (facts(hubs=(a_hub(private_devices=True),)), Wishes(), "PrivateDevices"),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_in_words_that_say_what_to_do(name):
    machine, wishes, words = CASES[name]
    (refusal,) = refusals(machine, wishes)
    assert words in refusal


FINE = {
    "an account of the system's": (
        facts(
            account=AccountThere(999, PurePosixPath("/var/lib/x"), PurePosixPath("/bin/bash")),
        ),
        Wishes(),
    ),
    "the account of an earlier installation where people's uids begin late": (
        facts(
            account=AccountThere(
                1500, PurePosixPath("/var/lib/x"), PurePosixPath("/usr/sbin/nologin")
            ),
            least_uid=2000,
        ),
        Wishes(),
    ),
    "a port of another hub's": (
        facts(hubs=(a_hub(settings=HubSettings(public_port=80)),)),
        Wishes(port=8000),
    ),
    "the unit's configuration, before it is written": (
        facts(hubs=configured(UNITS, has_configuration=False)),
        Wishes(),
    ),
    "another configuration of an image": (
        facts(in_image=True, hubs=configured()),
        Wishes(device="nvidia"),
    ),
    "a configuration that the unit does not tell": (facts(hubs=configured(units=None)), Wishes()),
    "a plain hub": (facts(), Wishes()),
    "The Littlest JupyterHub": (facts(hubs=(tljh(private_devices=True),)), Wishes()),
    "simulated GPUs without a card": (facts(gpus=()), Wishes(device="simulated")),
    "an image for cards": (
        facts(in_image=True, systemd_runs=False, gpus=()),
        Wishes(device="nvidia"),
    ),
    "a spawner for something else that is to be replaced": (
        facts(hubs=(hub_with("dockerspawner.DockerSpawner"),)),
        Wishes(spawner="sublet-local"),
    ),
    "the hub as Sublet left it": (facts(hubs=(hub_with("sublet-local"),)), Wishes()),
    "an unreadable configuration, and what matters said": (
        facts(hubs=(a_hub(settings=None),)),
        Wishes(base_url="/", hub_api_url="http://127.0.0.1:8081/hub/api"),
    ),
}


@pytest.mark.parametrize("name", FINE)
def test_nothing_keeps_from_it(name):
    assert refusals(*FINE[name]) == []


def test_everything_that_is_wrong_is_said_at_once():
    machine = dataclasses.replace(facts(), is_root=False, gpus=(), port_is_taken=True)
    assert len(refusals(machine, Wishes())) == 3
