"""The service's questions to JupyterHub go there and nowhere else, with the token in them."""

import asyncio

import pytest
from sublet_hub.errors import HubUnreachableError
from sublet_hub.slices.jupyterhub_client import HubClient
from sublet_quota.reasons.installation.standings import HubStanding

from tests.support.fake_hub_service import fake_hub_service


def test_a_redirect_is_not_followed() -> None:
    with fake_hub_service() as hub, fake_hub_service() as elsewhere:
        hub.location = f"{elsewhere.url}api/user"
        hub.answer("GET user", {}, 302)
        with pytest.raises(HubUnreachableError) as refused:
            asyncio.run(HubClient(f"{hub.url}api", "token").whose_token())
        assert refused.value.standing is HubStanding.NO_HUB
        assert elsewhere.asked == []
