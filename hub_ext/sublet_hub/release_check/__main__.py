"""``python -m sublet_hub.release_check``: what `helm test` runs; a variable says what to look at.

Exits with 0 where a release works, else with 1 and a sentence for each thing that is wrong.
"""

import asyncio
import os
import sys
import time
from typing import Final

from sublet_hub.errors import ConfigurationError
from sublet_hub.kubernetes_api.client import KubeApi, connect
from sublet_hub.kubernetes_api.errors import KubeError
from sublet_hub.release_check.cluster import ReleaseReader
from sublet_hub.release_check.facts import Seen
from sublet_hub.release_check.findings import find_faults
from sublet_hub.release_check.health_page import ask_health
from sublet_hub.release_check.settings import ReleaseSettings
from sublet_hub.release_check.verdict import Patience, praise

VARIABLE: Final = "SUBLET_CHECK"
_PERIOD_S: Final = 2.0
_AT_MOST_S: Final = 200.0


async def look(api: KubeApi, settings: ReleaseSettings) -> Seen:
    """Return how the release is now."""
    cluster, unreadable = None, ""
    try:
        cluster = await ReleaseReader(api, settings).read()
    except KubeError as error:
        unreadable = str(error)
    direct = await ask_health(settings.service_url)
    by_proxy = await ask_health(settings.proxy_url) if settings.proxy_url else None
    return Seen(cluster, direct, by_proxy, unreadable)


async def check(api: KubeApi, settings: ReleaseSettings) -> tuple[bool, str]:
    """Wait while waiting can help; return whether the release works, and what there is to say."""
    patience = Patience()
    began = time.monotonic()
    while True:
        seen = await look(api, settings)
        findings = find_faults(settings, seen)
        if not findings and seen.direct.health is not None:
            return True, praise(settings, seen.direct.health)
        now = time.monotonic()
        if patience.look(findings, now) or now - began > _AT_MOST_S:
            return False, "\n".join(each.sentence for each in findings)
        await asyncio.sleep(_PERIOD_S)


async def _run() -> int:
    settings = ReleaseSettings.model_validate_json(os.environ[VARIABLE])
    try:
        # Outside a pod, as in tests, the usual variable names the way in.
        api = await connect(os.environ.get("KUBECONFIG", ""))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        works, said = await check(api, settings)
    finally:
        await api.close()
    sys.stdout.write(f"{said}\n")
    return 0 if works else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(_run()))
