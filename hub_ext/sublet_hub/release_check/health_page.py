"""Asks for the service's page of health, at an address."""

import json
from typing import Final

from sublet_quota.wire.health import Health
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from sublet_hub.release_check.facts import Reached

_WITHIN_S: Final = 5.0
_OK: Final = 200


async def ask_health(url: str) -> Reached:
    """Return what the service says of itself below ``url``, or what else came of asking."""
    client = SimpleAsyncHTTPClient(force_instance=True)
    request = HTTPRequest(
        f"{url}health",
        connect_timeout=_WITHIN_S,
        request_timeout=2 * _WITHIN_S,
        follow_redirects=False,
    )
    try:
        answer = await client.fetch(request)
        return Reached(Health.model_validate(json.loads(answer.body)))
    except HTTPClientError as error:
        if error.response is None:
            return Reached(words=str(error.message))
        return Reached(status=error.code)
    except OSError as error:
        # Before the next: what is wrong with a certificate is a ValueError, too.
        return Reached(words=str(error) or type(error).__name__)
    except ValueError:
        return Reached(status=_OK)
    finally:
        client.close()
