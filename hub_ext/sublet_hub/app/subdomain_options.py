"""The options by which browsers know hub and service, where each user has an origin."""

from typing import Any

from traitlets import Callable, HasTraits, TraitError, Unicode, Union, validate

from sublet_hub.security.service_auth import SubdomainHook, Subdomains, hook_named


class SubdomainOptions(HasTraits):
    """JupyterHub's own settings of these names."""

    subdomain_host = Unicode(
        "",
        help="JupyterHub's own setting of this name, such as 'https://hub.example.org', where each "
        "user has an origin: there the console logs in by it. Empty: all share the hub's origin.",
    ).tag(config=True)
    subdomain_hook = Union(
        [Callable(), Unicode()],
        default_value="idna",
        help="JupyterHub's own setting of this name, beside subdomain_host: 'idna', 'legacy', or "
        "in a configuration file the function that the hub has.",
    ).tag(config=True)

    @validate("subdomain_host")
    def _scheme(self, proposal: Any) -> str:
        # As JupyterHub reads it.
        host = str(proposal["value"])
        return f"https://{host}" if host and "://" not in host else host

    @validate("subdomain_hook")
    def _hook(self, proposal: Any) -> SubdomainHook:
        try:
            return hook_named(proposal["value"])
        except ValueError as error:
            raise TraitError(str(error)) from error

    def subdomains(self) -> Subdomains | None:
        """Return by which names browsers know hub and service; ``None``: they share one."""
        hook = hook_named(self.subdomain_hook)
        return Subdomains(self.subdomain_host, hook) if self.subdomain_host else None
