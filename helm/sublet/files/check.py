"""What `helm test` runs: the service answers, the hub's proxy shows it, and the agents report."""

import json
import os
import sys
import time
import urllib.request

WITHIN_S = 120


def health(url: str) -> dict:
    with urllib.request.urlopen(url + "health", timeout=10) as answer:
        return json.load(answer)


def check() -> list[str]:
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
        if os.environ.get("AGENTS") and said["silent_agents"]:
            problems.append(f"{said['silent_agents']} agents do not report")
    return problems


ends = time.monotonic() + WITHIN_S
while problems := check():
    if time.monotonic() > ends:
        sys.exit("\n".join(problems))
    time.sleep(2)
print("Sublet works.")
