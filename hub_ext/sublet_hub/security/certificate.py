"""The certificate by which this service proves itself, read anew when its files change.

Who renews certificates (cert-manager, an admin) writes the files; connections that are made later
get the newer one, and none that exists is broken off.
"""

import logging
import ssl
from pathlib import Path

from sublet_hub.errors import ConfigurationError

_LOG = logging.getLogger(__name__)


class Certificate:
    """A certificate with its key, in the context of a TLS server."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read both. Raises ``ConfigurationError`` where they are not there, or do not fit."""
        self._files = (certificate, key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._seen = self._look()
        try:
            self._load()
        except OSError as error:
            raise ConfigurationError(self._in_words(error)) from error

    def renew(self) -> None:
        """Read the files again if they have changed. What cannot be read leaves the one before."""
        seen = self._look()
        if seen == self._seen:
            return
        try:
            self._load()
        except OSError as error:
            # Looked at again: a new certificate may lie there before its key.
            _LOG.error("the certificate is not renewed: %s", self._in_words(error))
            return
        self._seen = seen
        _LOG.info("the certificate in %s is read anew", self._files[0])

    def _load(self) -> None:
        certificate, key = self._files
        # Into a context that is thrown away: half of a pair would break the one in use.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
        self.context.load_cert_chain(certificate, key, password="")

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_state(file) for file in self._files)

    def _in_words(self, error: OSError) -> str:
        certificate, key = self._files
        return (
            f"certificate {certificate} and key {key} cannot be used: {error}. Both are PEM, the "
            f"certificate with those between it and its authority, the key without a password"
        )


def _state(file: Path) -> tuple[int, int, int] | None:
    try:
        told = file.stat()
    except OSError:
        return None
    return told.st_ino, told.st_mtime_ns, told.st_size
