"""Request bodies are read to the letter."""

import ast
import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from sublet_quota.wire.api import KeepRequest, LendingSwitch
from sublet_quota.wire.jobs import JobRequest
from sublet_quota.wire.schema import read_request

ROOT = Path(__file__).parents[3]
PACKAGES = (
    "quota/sublet_quota",
    "spawner/sublet_spawner",
    "hub_ext/sublet_hub",
    "hub_ext/sublet_agent",
    "labextension/sublet_lab",
)


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (KeepRequest, b'{"minutes": true}'),
        (KeepRequest, b'{"minutes": "3"}'),
        (KeepRequest, b'{"minutes": 3.0}'),
        (KeepRequest, b'{"minutes": 3, "more": 1}'),
        (LendingSwitch, b'{"lending": 1}'),
        (LendingSwitch, b'{"lending": "true"}'),
        (JobRequest, b'{"notebook": "a.ipynb", "environment": {"A": 1}}'),
        (JobRequest, b'{"notebook": "a.ipynb", "take_along": "data"}'),
        (JobRequest, b'{"notebook": "a.ipynb", "name": "\\ud800"}'),
    ],
)
def test_nothing_passes_for_what_it_is_not(model, body):
    with pytest.raises(ValidationError):
        read_request(model, body)


def test_what_clients_write_is_read():
    asked = JobRequest(
        notebook="a.ipynb", parameters={"rate": 0.5, "on": True}, take_along=("data", "b")
    )
    assert read_request(JobRequest, asked.model_dump_json(exclude_unset=True).encode()) == asked


@pytest.mark.parametrize(
    "text", [r"\u0000", r"a\u0000", r"\\\u0000", r"\\\\\u0000", r"\n\u0000", r"\u0000\u0000"]
)
@pytest.mark.parametrize(
    "body", ['{"notebook": "%s"}', '{"notebook": "a", "parameters": {"a": "%s"}}']
)
def test_a_nul_is_refused_wherever_it_is(body, text):
    with pytest.raises(ValueError, match="NUL"):
        read_request(JobRequest, (body % text).encode())


@pytest.mark.parametrize("text", [r"\\u0000", r"\\\\u0000", "u0000", r"\u00001"[1:]])
def test_a_text_that_looks_like_a_nul_is_none(text):
    body = f'{{"notebook": "{text}"}}'.encode()
    assert "\0" not in read_request(JobRequest, body).notebook


def _patterns(source: str):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            first = node.args[0] if node.args else None
            flags = ast.unparse(node)
            if node.func.attr in {"compile", "match", "search"} and "MULTILINE" not in flags:
                value = getattr(first, "value", None)
                if isinstance(value, str | bytes):
                    yield node.lineno, value if isinstance(value, str) else value.decode("latin1")


@pytest.mark.parametrize("package", PACKAGES)
def test_no_pattern_takes_a_newline_for_the_end(package):
    """``$`` fits before a last newline, too: a whole text is matched by ``fullmatch``."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, pattern in _patterns(path.read_text())
        if re.search(r"(?<!\\)\$$", pattern) and not re.search(r"(\\s|\.)\*\$$", pattern)
    ]
    assert found == []
