"""A line of a log is one line, and shows no more than what it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.log_lines.log_text import clean_block, clean_line, escape, quote_foreign

UNPRINTABLE = {
    "a line break": ("a\nb", "a\\nb"),
    "a return": ("a\rb", "a\\rb"),
    "a terminal's sequence": ("\x1b[2Jgone", "\\x1b[2Jgone"),
    "its 8-bit form": ("\x9b2J", "\\x9b2J"),
    "text turned round": ("\u202egpj.exe", "\\u202egpj.exe"),
    "another line break": ("a\u2028b", "a\\u2028b"),
    "half a character": ("\ud800", "\\ud800"),
    "plain text": ("Straße 東京", "Straße 東京"),
}


@pytest.mark.parametrize(("text", "expected"), UNPRINTABLE.values(), ids=UNPRINTABLE)
def test_what_cannot_be_printed_is_written_out(text: str, expected: str) -> None:
    assert clean_line(text) == escape(text) == expected


@given(st.text(max_size=300), st.integers(min_value=40, max_value=100))
def test_a_line_is_short_and_printable_and_stays_as_it_is(text: str, most: int) -> None:
    line = clean_line(text, most=most)
    assert line.isprintable()
    assert len(line) <= most
    assert clean_line(line, most=most) == line


def test_a_long_line_says_how_long_it_was() -> None:
    line = clean_line("x" * 100_000)
    assert len(line) == 4000
    assert line.endswith("(100000 characters)")


def test_a_traceback_keeps_its_lines_and_none_of_them_begins_as_one_of_the_log() -> None:
    text = "Traceback:\n  File x\nValueError: a\n2026-11-30 INFO forged\x1b[0m token=abc"
    lines = clean_block(text).split("\n")
    assert len(lines) == 4
    assert all(line.startswith("    ") and line.isprintable() for line in lines)
    assert "abc" not in lines[-1]
    assert clean_block("\n".join(lines)) == "\n".join(lines)


def test_of_a_long_traceback_the_end_is_kept() -> None:
    block = clean_block("line\n" * 20_000 + "ValueError: this")
    assert len(block) <= 12_000
    assert block.endswith("ValueError: this")
    assert all(line.startswith("    ") for line in block.split("\n"))


SECRET = "0123456789abcdef" * 2


@pytest.mark.parametrize("name", ["access_token=", "Authorization: token ", "password='a b "])
@pytest.mark.parametrize("most", [12_000, 10**6])
def test_a_secret_that_the_cut_goes_through_is_not_shown(name: str, most: int) -> None:
    whole = f"{name}{SECRET} \n"
    for shown in range(8, len(whole), 3):
        for kept in (16_384, 12_000 - 40):
            text = f"{'z' * 100}\n{whole}" + "y" * (kept - shown)
            assert SECRET[-6:] not in clean_block(text, most=most)
            assert SECRET[-6:] not in quote_foreign(text, most=most)


def test_of_a_line_too_what_follows_the_cut_says_whether_it_is_a_secret() -> None:
    # Who has much blotted out brings what was far behind into sight.
    text = f"cookie='{'a' * 16_000}' "
    address = f"https://ada:{SECRET}"
    text += "y" * (16_384 - len(text) - len(address)) + f"{address}@host/"
    line = clean_line(text + "z" * 100)
    assert SECRET not in line
    assert len(line) <= 4000


def test_what_others_say_stands_in_quotes_and_only_its_end() -> None:
    said = quote_foreign('a" INFO all is well\n' + "x" * 2000 + "end\n")
    assert said.startswith('"...')
    assert said.endswith('end"')
    assert len(said) <= 1010
    assert quote_foreign('say "no"') == '"say \\"no\\""'
