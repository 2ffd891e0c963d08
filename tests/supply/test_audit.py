"""Known faults fail an audit; where nobody answers, that is what is said."""

import json

import audit
import pytest
from audit import Outcome

ASKED = {"name": "a", "version": "1", "vulns": []}
FAULTY = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": []}]}
SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("dependencies", "outcome", "words"),
    [
        ([ASKED], Outcome.CLEAN, "no fault is known"),
        ([ASKED, FAULTY, SKIPPED], Outcome.FAULTS, "b 2: PYSEC-1"),
        ([ASKED, SKIPPED], Outcome.NOT_ASKED, "nothing is told of 1 of 2 packages, such as c"),
    ],
)
def test_what_pip_audit_says_is_understood(dependencies, outcome, words):
    said = json.dumps({"dependencies": dependencies, "fixes": []})
    assert audit.judge_pip("hub", said, "") == audit.Verdict("hub", outcome, words)


def test_a_pip_audit_that_ended_without_an_answer_is_none():
    verdict = audit.judge_pip("hub", "", "Traceback\nConnectionError: refused\n")
    assert verdict == audit.Verdict("hub", Outcome.NOT_ASKED, "ConnectionError: refused")


@pytest.mark.parametrize(
    ("said", "outcome", "words"),
    [
        ({"vulnerabilities": {}, "metadata": {}}, Outcome.CLEAN, "no fault is known"),
        ({"vulnerabilities": {"ws": {}}, "metadata": {}}, Outcome.FAULTS, "ws"),
        ({"message": "405 Method Not Allowed"}, Outcome.NOT_ASKED, "405 Method Not Allowed"),
        ({"error": {"summary": "no network\nmore"}}, Outcome.NOT_ASKED, "no network"),
    ],
)
def test_what_npm_audit_says_is_understood(said, outcome, words):
    assert audit.judge_npm("proxy", json.dumps(said)) == audit.Verdict("proxy", outcome, words)


def test_tools_that_cannot_be_installed_are_no_answer_about_any_lock(monkeypatch, tmp_path):
    (tmp_path / "tools.txt").write_text("--no-such-option\n")
    (tmp_path / "advisories").write_text('{"vulnerabilities": []}')
    monkeypatch.setattr(audit, "FOLDER", tmp_path)
    monkeypatch.setattr(audit, "ADVISORIES", (tmp_path / "advisories").as_uri())
    (verdict,) = audit.of_pypi()
    assert (verdict.name, verdict.outcome) == ("tools", Outcome.NOT_ASKED)
    assert "pip-audit cannot be installed" in verdict.words


def test_an_npm_audit_that_is_not_there_is_no_answer():
    assert audit.judge_npm("proxy", "").outcome is Outcome.NOT_ASKED
