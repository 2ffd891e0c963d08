"""Agents on Kubernetes: whose tokens are believed, and for which node."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytest_asyncio
from sublet_hub.agents.connection import address_of
from sublet_hub.agents.identity import AgentIdentity, IdentityUnknownError
from sublet_hub.agents.kubernetes_tokens import NODE_NAME, AgentTokens, ServiceAccount
from sublet_hub.kubernetes_api.client import KubeApi
from sublet_hub.security.rate_limits import Rate
from sublet_quota.reasons.installation.standings import AgentRefusal
from tornado.httpclient import HTTPClientError
from tornado.httputil import HTTPServerRequest

from tests.support.fake_agent import FakeAgent, a_gpu, a_report
from tests.support.fake_kube_api import FakeKube, way_into
from tests.support.hub_world import FakeHub, HubWorld, hub_world

pytestmark = pytest.mark.asyncio

AGENTS = ServiceAccount("sublet", "sublet-agent")
OTHER = AgentRefusal.OTHER_ACCOUNT


@dataclass
class Clock:
    at: datetime

    def now(self) -> datetime:
        return self.at


def a_token(name: str = "agent", *, audience: Any = ("sublet",), lasts_s: float = 600) -> str:
    claims = {"aud": audience, "exp": int(datetime.now(UTC).timestamp() + lasts_s), "sub": name}
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, claims)]
    return ".".join(
        [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts] + [name]
    )


def a_review(node: str | None = "node-a", **values: Any) -> dict[str, Any]:
    extra = {} if node is None else {NODE_NAME: [node]}
    user = {"username": AGENTS.user_name, "extra": extra}
    return {"authenticated": True, "audiences": ["sublet"], "user": user, **values}


@pytest_asyncio.fixture
async def api(kube: FakeKube) -> AsyncIterator[KubeApi]:
    async with way_into(kube) as way_in:
        yield way_in


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))


@pytest.fixture
def agents(api: KubeApi, clock: Clock) -> AgentTokens:
    return AgentTokens(api, AGENTS, clock.now)


async def test_the_node_is_the_one_that_kubernetes_wrote_into_the_token(
    kube: FakeKube, agents: AgentTokens
) -> None:
    token = a_token()
    kube.reviews[token] = a_review("node-7")
    identity = await agents.identify(token, "10.0.0.1")
    assert isinstance(identity, AgentIdentity)
    assert identity.node == "node-7"
    assert identity.expires_at is not None


@pytest.mark.parametrize(
    ("review", "why"),
    [
        (a_review(authenticated=False), AgentRefusal.UNKNOWN),
        (a_review(audiences=["https://kubernetes.default.svc"]), AgentRefusal.UNKNOWN),
        (a_review(audiences=None), AgentRefusal.UNKNOWN),
        (a_review(user={"username": "system:serviceaccount:users:default"}), OTHER),
        (a_review(user={"username": "system:serviceaccount:other:sublet-agent"}), OTHER),
        (a_review(None), AgentRefusal.NO_NODE),
        (
            a_review(user={"username": AGENTS.user_name, "extra": {NODE_NAME: ["a", "b"]}}),
            AgentRefusal.NO_NODE,
        ),
        ({}, AgentRefusal.UNKNOWN),
    ],
    ids=[
        "not authenticated",
        "for another audience",
        "for no audience",
        "of a tenant's account",
        "of that account in another namespace",
        "without a node",
        "with two nodes",
        "not reviewed",
    ],
)
async def test_other_tokens_are_nobodys(
    kube: FakeKube, agents: AgentTokens, review: dict[str, Any], why: AgentRefusal
) -> None:
    token = a_token()
    kube.reviews[token] = review
    assert await agents.identify(token, "10.0.0.1") is why


@pytest.mark.parametrize(
    ("proof", "why"),
    [
        ("node-secret-canary-0123456789", AgentRefusal.NO_TOKEN),
        ("a.b.c", AgentRefusal.NO_TOKEN),
        ("a." + "x" * 9000 + ".c", AgentRefusal.NO_TOKEN),
        (a_token(audience=["other"]), AgentRefusal.OTHER_AUDIENCE),
        (a_token(audience=None), AgentRefusal.OTHER_AUDIENCE),
        (a_token(lasts_s=-10), AgentRefusal.EXPIRED),
        (f"a.{base64.urlsafe_b64encode(b'[' * 5000).decode()}.c", AgentRefusal.NO_TOKEN),
    ],
    ids=["a secret", "no JSON", "too long", "another's", "nobody's", "expired", "nested"],
)
async def test_what_cannot_be_a_token_for_us_is_not_asked_about(
    kube: FakeKube, agents: AgentTokens, proof: str, why: AgentRefusal
) -> None:
    assert await agents.identify(proof, "10.0.0.1") is why
    assert kube.asked == []


async def test_answers_are_kept_briefly_and_no_longer_than_the_token_lasts(
    kube: FakeKube, agents: AgentTokens, clock: Clock
) -> None:
    token, short = a_token(), a_token("short", lasts_s=5)
    kube.reviews = {token: a_review(), short: a_review()}
    for _ in range(3):
        assert isinstance(await agents.identify(token, "10.0.0.1"), AgentIdentity)
        assert isinstance(await agents.identify(short, "10.0.0.1"), AgentIdentity)
    assert len(kube.asked) == 2
    kube.reviews.clear()
    clock.at += timedelta(seconds=20)
    assert isinstance(await agents.identify(token, "10.0.0.1"), AgentIdentity)
    assert await agents.identify(short, "10.0.0.1") is AgentRefusal.EXPIRED
    clock.at += timedelta(seconds=20)
    assert await agents.identify(token, "10.0.0.1") is AgentRefusal.UNKNOWN


async def test_a_flood_of_false_tokens_does_not_reach_the_api_server(
    kube: FakeKube, api: KubeApi, clock: Clock
) -> None:
    agents = AgentTokens(api, AGENTS, clock.now, Rate(burst=5, per_s=1))
    refused = 0
    for number in range(1000):
        try:
            said = await agents.identify(a_token(f"false-{number}"), f"10.0.1.{number}")
            assert said is AgentRefusal.UNKNOWN
        except IdentityUnknownError:
            refused += 1
    assert len(kube.asked) == 5
    assert refused == 995


async def test_made_up_tokens_of_one_address_keep_no_agent_away(
    kube: FakeKube, agents: AgentTokens
) -> None:
    for number in range(1000):
        with suppress(IdentityUnknownError):
            await agents.identify(a_token(f"false-{number}"), "10.0.9.9")
    assert len(kube.asked) == 10
    token = a_token()
    kube.reviews[token] = a_review("node-7")
    assert isinstance(await agents.identify(token, "10.0.0.7"), AgentIdentity)


async def test_where_an_agent_came_from_before_it_is_let_in_whatever_other_addresses_send(
    kube: FakeKube, api: KubeApi, clock: Clock
) -> None:
    agents = AgentTokens(api, AGENTS, clock.now, Rate(burst=5, per_s=0.001))
    kube.reviews = {a_token(f"agent-{number}"): a_review() for number in range(20)}
    tokens = list(kube.reviews)
    assert isinstance(await agents.identify(tokens[0], "10.0.0.7"), AgentIdentity)
    for number in range(100):
        with suppress(IdentityUnknownError):
            await agents.identify(a_token(f"false-{number}"), f"10.0.9.{number}")
    for token in tokens[1:]:
        assert isinstance(await agents.identify(token, "10.0.0.7"), AgentIdentity)
    with pytest.raises(IdentityUnknownError):
        await agents.identify(a_token(), "10.0.0.8")


async def test_only_a_proxy_on_this_machine_says_for_whom_it_connects() -> None:
    for peer, address in (("10.0.0.5", "10.0.0.5"), ("127.0.0.1", "10.9.9.9")):
        connection = SimpleNamespace(context=SimpleNamespace(address=(peer, 40000)))
        request = SimpleNamespace(connection=connection, remote_ip="10.9.9.9")
        assert address_of(cast("HTTPServerRequest", request)) == address


async def test_an_agent_is_told_to_try_again_while_kubernetes_does_not_answer(
    tmp_path: Path, hub: FakeHub, kube: FakeKube, agents: AgentTokens
) -> None:
    kube.refuses["POST", "/apis/authentication"] = (500, "etcd is away")
    async with hub_world(tmp_path, hub, agents=agents) as world:
        with pytest.raises(HTTPClientError) as refused:
            await FakeAgent(world.link_url, a_token()).connect()
    assert refused.value.code == 503


@pytest_asyncio.fixture
async def kube_world(tmp_path: Path, hub: FakeHub, agents: AgentTokens) -> AsyncIterator[HubWorld]:
    async with hub_world(tmp_path, hub, agents=agents) as world:
        yield world


async def test_an_agent_with_its_pods_token_is_served(kube: FakeKube, kube_world: HubWorld) -> None:
    token = a_token()
    kube.reviews[token] = a_review("node-a")
    agent = await kube_world.agent(secret=token)
    assert agent.epoch == 1
    assert not kube_world.service.fleet.is_silent("node-a")


async def test_the_agent_of_one_node_cannot_speak_for_another(
    kube: FakeKube, kube_world: HubWorld
) -> None:
    token = a_token()
    kube.reviews[token] = a_review("node-b")
    agent = FakeAgent(kube_world.link_url, token, node="node-a")
    await agent.connect()
    await agent.close()
    assert "not of node-a" in (agent.close_reason or "")
    assert kube_world.service.fleet.node("node-a") is None


async def test_what_an_agent_says_of_another_nodes_slice_is_dropped(
    kube: FakeKube, kube_world: HubWorld
) -> None:
    first, second = a_token("first"), a_token("second")
    kube.reviews = {first: a_review("node-a"), second: a_review("node-b")}
    await kube_world.agent(secret=first)
    lease = await kube_world.slice_for("ada")
    other = await kube_world.agent(secret=second, node="node-b", gpus=(a_gpu("SIM-9"),))
    fleet = kube_world.service.fleet
    before = fleet.report(lease["slice_id"])
    other.says[lease["slice_id"]] = a_report(lease["slice_id"], memory_mib=77)
    await other.report(slices=(a_report(lease["slice_id"], memory_mib=77),))
    await other.report(slices=())
    await other.until(lambda: other.assignments is not None)
    after = fleet.report(lease["slice_id"])
    assert after is None or after.memory_mib != 77, before


async def test_a_connection_ends_with_its_token_and_comes_back_with_the_next(
    kube: FakeKube, kube_world: HubWorld, clock: Clock
) -> None:
    clock.at -= timedelta(seconds=60)
    old, new = a_token("old", lasts_s=-1), a_token("new")
    kube.reviews = {old: a_review("node-a"), new: a_review("node-a")}
    agent = FakeAgent(kube_world.link_url, old)
    await agent.connect()
    await agent.until(lambda: agent.close_reason is not None, within_s=60)
    assert "expired" in (agent.close_reason or "")
    again = await kube_world.agent(secret=new)
    assert again.epoch >= 1
