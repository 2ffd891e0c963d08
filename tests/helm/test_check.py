"""What `helm test` demands: a service that answers, and agents that report."""

import json
import runpy
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.support.helm_charts import render
from tests.support.helm_documents import CHART
from tests.support.helm_options import OPTIONS

HEALTH: dict[str, Any] = {"ok": True, "version": "0.1.0", "agents": 2, "silent_agents": 0}


class _Health(BaseHTTPRequestHandler):
    said: dict[str, Any] = HEALTH

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.said).encode())

    def log_message(self, *_words: Any) -> None:
        """Say nothing."""


@pytest.fixture
def problems(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[str]]]:
    """What the check finds where health is as given."""
    handler = type("Handler", (_Health,), {})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        for name in ("SERVICE_URL", "PROXY_URL"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("AGENTS", "--selector a=b")
        check = runpy.run_path(str(CHART / "files" / "check.py"))

        def find(**values: Any) -> list[str]:
            handler.said = {**HEALTH, **values}  # type: ignore[attr-defined]
            return list(check["find_problems"]())

        yield find
        server.shutdown()


def test_all_is_well_where_agents_report_and_none_is_silent(
    problems: Callable[..., list[str]],
) -> None:
    assert problems() == []


@pytest.mark.parametrize("values", [{"agents": 0}, {"silent_agents": 1}])
def test_no_agent_and_a_silent_one_are_told_once_with_where_to_look(
    problems: Callable[..., list[str]], values: dict[str, int]
) -> None:
    (problem,) = problems(**values)
    assert "kubectl get daemonsets,pods --selector a=b" in problem


def test_where_no_agents_are_demanded_none_is_missed(
    problems: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AGENTS")
    assert problems(agents=0) == []


@pytest.mark.usefixtures("helm")
@pytest.mark.parametrize("option", ["defaults", "no agents", "small check"])
def test_agents_are_demanded_where_the_chart_has_them(option: str) -> None:
    pod = render(OPTIONS[option]).one("Pod", "sublet-check")
    variables = {each["name"]: each["value"] for each in pod["spec"]["containers"][0]["env"]}
    assert ("AGENTS" in variables) is (option == "defaults")
