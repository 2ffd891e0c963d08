"""Where the files of an installation are."""

from pathlib import PurePosixPath
from typing import Final

CONFIGURATION: Final = PurePosixPath("/etc/sublet")
SERVICE_TOKEN: Final = CONFIGURATION / "service-token"
NODE_SECRETS: Final = CONFIGURATION / "nodes"
"""A file for each node, named as the node."""
QUOTA: Final = CONFIGURATION / "quota.yaml"
SERVICE_CONFIGURATION: Final = CONFIGURATION / "sublet_hub_config.py"
AGENT_CONFIGURATION: Final = CONFIGURATION / "sublet_agent_config.py"
HUB_CONFIGURATION: Final = CONFIGURATION / "jupyterhub_config.py"
"""What a plain hub's own configuration includes by one line."""
TLJH_PART: Final = "zz-sublet.py"
"""The name of the file that The Littlest JupyterHub's configuration includes: the last by its name,
as it adds to what the others set.
"""

STATE: Final = PurePosixPath("/var/lib/sublet")
MANIFEST: Final = STATE / "installed.json"
ORIGINALS: Final = STATE / "originals"
SERVICE_STATE: Final = STATE / "service"
LEDGER: Final = SERVICE_STATE / "ledger.sqlite"
AGENT_STATE: Final = STATE / "agent"
AGENT_JOURNAL: Final = AGENT_STATE / "journal.jsonl"
DATA: Final = (SERVICE_STATE, AGENT_STATE)
"""What the parts write themselves: the ledger above all."""

RUN: Final = PurePosixPath("/run/sublet")
AGENT_SOCKET: Final = RUN / "agent.sock"
SIMULATED_SOCKET: Final = PurePosixPath("/run/sublet-gpus/gpus.sock")

UNITS: Final = PurePosixPath("/etc/systemd/system")
AT_BOOT: Final = UNITS / "multi-user.target.wants"
SERVICE_UNIT: Final = "sublet-hub.service"
AGENT_UNIT: Final = "sublet-agent.service"
SIMULATED_UNIT: Final = "sublet-simulated-gpus.service"

ACCOUNT: Final = "sublet"
"""The account of the hub service."""
