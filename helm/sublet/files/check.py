"""What `helm test` runs: the service answers, the hub's proxy shows it, and the agents report."""

import json
import os
import sys
import time
import urllib.request

WITHIN_S = 180


def health(url: str) -> dict:
    """What the service says of itself at this address."""
    with urllib.request.urlopen(url + "health", timeout=10) as answer:
        return json.load(answer)


def find_problems() -> list[str]:
    """Say what is not as it should be; the addresses come from the pod's environment."""
    problems = []
    for name in ("SERVICE_URL", "PROXY_URL"):
        url = os.environ.get(name)
        if not url:
            continue
        try:
            said = health(url)
        except (OSError, ValueError) as error:
            problems.append(f"{url}health: {error}")
            continue
        if not said["ok"]:
            problems.append(f"{url}health says {said}")
        where = os.environ.get("AGENTS")
        if where and (said["silent_agents"] or not said["agents"]):
            problems.append(
                f"{said['agents']} agents report, and {said['silent_agents']} known ones do not: "
                f"see by `kubectl get daemonsets,pods {where}` whether they run on every node with "
                "GPUs (agent.nodeSelector), and read their logs"
            )
    # Asked in two ways, the same is wrong once.
    return list(dict.fromkeys(problems))


def check() -> None:
    """Wait for a while: nodes may be starting."""
    ends = time.monotonic() + WITHIN_S
    while problems := find_problems():
        if time.monotonic() > ends:
            sys.exit("\n".join(problems))
        time.sleep(2)
    print("Sublet works.")


if __name__ == "__main__":
    check()
