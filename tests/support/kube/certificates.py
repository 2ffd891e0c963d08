"""The keys of one cluster: its authority, its API server's, and that of service accounts."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

_DAY: Final = dt.timedelta(days=1)
_NAMES: Final = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


@dataclass(frozen=True, slots=True)
class Keys:
    """Files in a cluster's folder."""

    authority: Path
    server_certificate: Path
    server_key: Path
    accounts_key: Path


def make_keys(folder: Path, addresses: Sequence[str], now: dt.datetime) -> Keys:
    """Write a fresh authority, and a server's certificate for its addresses."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sublet-tests")])
    authority = (
        _begun(name, name, authority_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    server_key = ec.generate_private_key(ec.SECP256R1())
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
    reached_at = [x509.DNSName(each) for each in _NAMES]
    reached_by = [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
    server = (
        _begun(server_name, name, server_key.public_key(), now)
        .add_extension(x509.SubjectAlternativeName([*reached_at, *reached_by]), critical=False)
        .add_extension(_key_usage(signs=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    accounts_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    keys = Keys(
        folder / "authority.crt",
        folder / "server.crt",
        folder / "server.key",
        folder / "accounts.key",
    )
    keys.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    keys.server_certificate.write_bytes(server.public_bytes(serialization.Encoding.PEM))
    _write_key(keys.server_key, server_key)
    _write_key(keys.accounts_key, accounts_key)
    return keys


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
    )


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
