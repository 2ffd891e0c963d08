"""The agent's options that concern the hub service."""

from pathlib import Path

from traitlets import Bool, Float, HasTraits, Unicode

from sublet_agent.errors import SettingsError
from sublet_agent.hub_link.address import is_kept_private, link_url
from sublet_agent.hub_link.connection import LinkSettings


class LinkOptions(HasTraits):
    """The options of ``SubletAgent`` that concern its link to the hub service."""

    service_url = Unicode(
        "",
        help="The hub service's address, such as http://127.0.0.1:8000/services/sublet/. "
        "Empty: serve what was assigned last, and lend as it was then.",
    ).tag(config=True)
    secret_file = Unicode(
        "",
        help="File with this node's secret, by which the hub service knows it; on Kubernetes the "
        "token of this pod's service account for the audience 'sublet'. It is read again for each "
        "connection.",
    ).tag(config=True)
    ca_file = Unicode(
        "",
        help="File (PEM) with the authorities, one of which must have signed the hub service's "
        "certificate. Empty: those that this machine trusts. It is read again for each connection.",
    ).tag(config=True)
    plain_http = Bool(
        False,
        help="Reach a hub service on another machine by http too. Whoever listens on the way then "
        "learns the node's secret, and can speak for this node.",
    ).tag(config=True)
    silence_s = Float(
        30.0,
        min=1.0,
        help="After so many seconds without a word from the hub service nothing is lent.",
    ).tag(config=True)

    def link_settings(self) -> LinkSettings | None:
        """Return the settings, or ``None`` where there is no hub service. ``SettingsError``."""
        if not self.service_url:
            return None
        if not self.secret_file:
            message = "service_url is set and secret_file is not: the hub service knows nodes by it"
            raise SettingsError(message)
        try:
            link_url(self.service_url)
        except ValueError as error:
            message = f"service_url {error}"
            raise SettingsError(message) from error
        if not (is_kept_private(self.service_url) or self.plain_http):
            message = (
                f"service_url {self.service_url} is another machine's, by http: the node's secret "
                f"would be sent in clear. Reach it by https (ca_file names an authority of your "
                f"own), or say plain_http=True if the network between is to be trusted with it"
            )
            raise SettingsError(message)
        return LinkSettings(
            self.service_url,
            Path(self.secret_file),
            Path(self.ca_file) if self.ca_file else None,
            silence_s=self.silence_s,
        )
