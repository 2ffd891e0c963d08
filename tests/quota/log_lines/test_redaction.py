"""What could be a secret does not stand in a log, and what is none still does."""

import time

import pytest
from sublet_quota.log_lines.redaction import redact

CANARY = "canary-0123456789abcdef"

WITH_SECRETS = {
    "a token in a query": f"GET /api/jobs?owner=&access_token={CANARY}&limit=3",
    "a token alone in a query": f"GET /api/share?token={CANARY}",
    "the code of a login": f"GET /oauth_callback?code={CANARY}&state=x",
    "the state of a login": f"/oauth_callback?state={CANARY}",
    "a header": f"Authorization: token {CANARY}",
    "a header as Python shows it": f"{{'Authorization': 'Bearer {CANARY}', 'Host': 'a'}}",
    "a header of an unknown scheme": f"authorization={CANARY}",
    "a bearer in a sentence": f"refused: bearer {CANARY} is unknown",
    "a cookie": f"Cookie: session={CANARY}; other=1",
    "a cookie as Python shows it": f"{{'Cookie': 'a=1; b={CANARY}', 'Host': 'here'}}",
    "a cookie that is set": f"Set-Cookie: sublet={CANARY}; Path=/",
    "an xsrf": f"_xsrf={CANARY}",
    "a variable": f"JUPYTERHUB_API_TOKEN={CANARY}",
    "a variable as Python shows it": f"{{'HF_TOKEN': '{CANARY}'}}",
    "a pair as Python shows it": f"('WANDB_API_KEY', '{CANARY}')",
    "a variable with spaces": f"DB_PASSWORD = '{CANARY}'",
    "a secret in JSON": f'{{"client_secret": "{CANARY}"}}',
    "a secret of a setting": f"secret: {CANARY}",
    "a password in an address": f"postgresql+psycopg://sublet:{CANARY}@db/sublet",
    "a password of some words": f'password="a {CANARY} b"',
    "a password of some words, as Python shows it": f"{{'password': 'a {CANARY} b'}}",
    "a password with an apostrophe": f'password="it\'s {CANARY}"',
    "a password with a quote": f'{{"password": "a \\" {CANARY}"}}',
    "a password in JSON in JSON": f'{{"said": "{{\\"password\\": \\"a {CANARY}\\"}}"}}',
    "a password whose quote is cut away": f'password="a {CANARY}',
    "a token in a query in a query": f"/hub/login?next=%2Fhub%2Fx%3Fa%3D1%26token%3D{CANARY}",
    "one in a query in that": f"/login?next=%252Fhub%252Fx%253Ftoken%253D{CANARY}",
    "a token of odd characters in one": f"/login?next=%2Fx%3Ftoken%3Da%2B{CANARY}%26b",
    "the code of a login in one": f"/login?next=%2Foauth_callback%3Fcode%3D{CANARY}%26state%3Dx",
    "a private key": f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("text", WITH_SECRETS.values(), ids=WITH_SECRETS)
def test_a_secret_is_blotted_out(text: str) -> None:
    clean = redact(text)
    assert CANARY not in clean
    assert "[secret]" in clean
    assert redact(clean) == clean


SHAPES = [
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefgh",
    "ghp_0123456789abcdefghij",
    "glpat-0123456789abcdefghij",
    "hf_abcdefghijABCDEFGHIJ",
    "AKIA0123456789ABCDEF",
]


@pytest.mark.parametrize("secret", SHAPES)
def test_a_known_shape_is_blotted_out_wherever_it_stands(secret: str) -> None:
    assert secret not in redact(f"could not read {secret} at line 3")


WITHOUT = [
    "the agent of node-a is connected (epoch 3)",
    "slice 0123456789abcdef0123456789abcdef is released",
    "no token: set token_file to a file with the service's API token",
    "--token-file=/srv/sublet/token",
    "GET /api/jobs?owner=ada&limit=3",
    "state=resident code=3",
    "the secret is the one of node node-a, not of node-b",
    'the token "x" of a query is "limit=3", and no more',
    "/hub/login?next=%2Fhub%2Fx%3Fowner%3Dada%26limit%3D3",
    "listening at http://127.0.0.1:8901/services/sublet/",
    "too many unknown tokens are being checked with the hub: try again",
]


@pytest.mark.parametrize("text", WITHOUT)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_what_stands_behind_a_secret_in_quotes_stays() -> None:
    assert redact('password="a b", then more') == 'password="[secret]", then more'
    assert redact("token='a', then 'more'") == "token='[secret]', then 'more'"
    nested = "/login?next=%2Fx%3Ftoken%3Dabc%26limit%3D3&more=1"
    assert redact(nested) == "/login?next=%2Fx%3Ftoken%3D[secret]%26limit%3D3&more=1"


def test_a_secret_of_the_process_goes_wherever_it_stands() -> None:
    assert redact(f"odd{CANARY}place", (CANARY, "")) == "odd[secret]place"


def test_a_token_alone_goes_from_what_others_say() -> None:
    token = "0123456789abcdef" * 2
    assert token not in redact(f"failed with {token}", foreign=True)


@pytest.mark.parametrize("before", ["", "-", "a-", "x.", "a-eyJ-", "eyJ.", "=", "/"])
def test_a_web_token_is_blotted_out_behind_anything(before: str) -> None:
    header, claims, mac = SHAPES[0].split(".")
    clean = redact(f"{before}{SHAPES[0]}, {SHAPES[0]}")
    assert not any(part in clean for part in (header, claims, mac))
    assert clean.startswith(before.removesuffix("eyJ-"))


def test_a_long_private_key_is_blotted_out_to_its_end() -> None:
    key = f"-----BEGIN PRIVATE KEY-----\n{CANARY * 400}-{CANARY}\n-----END PRIVATE KEY-----, and"
    expected = "-----BEGIN PRIVATE KEY-----[secret]-----END PRIVATE KEY-----, and"
    assert redact(key) == redact(expected) == expected


PIECES = [
    *("a", "0", " ", "-", "a-", "a.", "token", "token-", "token ", "token=", "token: a", "cookie"),
    *("cookie=", "cookie='", "authorization: token ", "bearer aaaaaaaa", "sk-", "-sk-", "-hf_"),
    *("eyJ", "eyJ-", "-eyJaaaaaaaa", "eyJaaaaaaaa.", "eyJaaaaaaaa.aaaaaaaa", "a://", "a://a:"),
    *(
        "token='",
        'token="',
        "token'='",
        "token='\\",
        "token%3D",
        "token%3D%",
        "%3Fcode%253D",
        "%25",
    ),
    *("a://b:c", "=", "&code=", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "deadbeef"),
]


@pytest.mark.parametrize("piece", PIECES)
def test_the_time_to_read_a_text_grows_no_faster_than_the_text(piece: str) -> None:
    def cost_of(length: int) -> float:
        text = (piece * length)[:length]
        costs = []
        for _ in range(5):
            began_s = time.thread_time()
            redact(text, foreign=True)
            costs.append(time.thread_time() - began_s)
        return min(costs)

    # Sixteen times as long takes sixteen times as long, and not two hundred and fifty-six.
    assert cost_of(65_536) / cost_of(4096) < 64
