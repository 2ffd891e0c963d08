"""What Python reads in a text that stands for a parameter, and what a page can send of it."""

from typing import Any

import pytest
from sublet_lab.notebooks.literals import read_literal
from sublet_quota.wire.job_size import MOST_PARAMETER_BYTES
from sublet_quota.wire.notebook_server import LiteralProblem, LiteralReading

KEPT: dict[str, Any] = {
    "3": 3,
    "-1_000": -1000,
    " \n+0x10\t": 16,
    "1e-3": 0.001,
    ".5": 0.5,
    "'it\\'s'": "it's",
    '"""two\nlines"""': "two\nlines",
    'r"\\d+"': r"\d+",
    "R'\\''": r"\'",
    'u"a"': "a",
    '"caf\\u00e9 \\x41 \\U0001F680 \\101"': "café A 🚀 A",
    '"\\d \\\\ \\n \\N{EM DASH}"': "\\d \\ \n —",
    "'a' 'b'": "ab",
    "True": True,
    "None": None,
    "[1, [2, 3], ]  # so many": [1, [2, 3]],
    "(3)": 3,
    '("a")': "a",
    "[0.5, 1e300, 1e21]": [0.5, 1e300, 1e21],
    "9007199254740991": 9007199254740991,
    "{\"a\": [1], 'b': {}}": {"a": [1], "b": {}},
}


@pytest.mark.parametrize("text", KEPT)
def test_a_literal_that_json_keeps_is_told_with_its_type(text: str) -> None:
    value = KEPT[text]
    told = read_literal(text).model_dump_json()
    assert LiteralReading.model_validate_json(told) == LiteralReading(
        type=type(value).__name__, value=value, problem=None
    )


LOST = {
    "12345678901234567891": LiteralProblem.LARGE_INTEGER,
    "[-9007199254740993]": LiteralProblem.LARGE_INTEGER,
    "9" * 400: LiteralProblem.INFINITE,
    "1e999": LiteralProblem.INFINITE,
    "[0.5, -1e999]": LiteralProblem.INFINITE,
    "[0.5, 1.0]": LiteralProblem.WHOLE_FLOAT,
    "-0.0": LiteralProblem.WHOLE_FLOAT,
    "1e20": LiteralProblem.WHOLE_FLOAT,
    '{"a": 1e3}': LiteralProblem.WHOLE_FLOAT,
    "{1: 'cat'}": LiteralProblem.KEY,
    "{None: 1}": LiteralProblem.KEY,
    "{(1, 2): 3}": LiteralProblem.KEY,
    "(1, 2)": LiteralProblem.TUPLE,
    "(1,)": LiteralProblem.TUPLE,
    "()": LiteralProblem.TUPLE,
    '[1, ("a", "b")]': LiteralProblem.TUPLE,
    "{1, 2}": LiteralProblem.NOT_IN_JSON,
    "set()": LiteralProblem.NOT_IN_JSON,
    'b"x"': LiteralProblem.NOT_IN_JSON,
    "[1.0, b'x']": LiteralProblem.WHOLE_FLOAT,
    "1 + 2j": LiteralProblem.NOT_IN_JSON,
    "...": LiteralProblem.NOT_IN_JSON,
    '"\\ud83d"': LiteralProblem.NOT_IN_JSON,
    '{"\\ud83d": 1}': LiteralProblem.NOT_IN_JSON,
}


@pytest.mark.parametrize("text", LOST)
def test_a_literal_that_would_arrive_as_something_else_says_why(text: str) -> None:
    reading = read_literal(text)
    assert reading.problem is LOST[text]
    assert reading.type is not None
    assert LiteralReading.model_validate_json(reading.model_dump_json()) == reading


@pytest.mark.parametrize("text", ["2.0", "12345678901234567891", "-1e20"])
def test_a_number_comes_with_its_value_all_the_same_for_it_may_be_meant_as_a_float(
    text: str,
) -> None:
    assert float(str(read_literal(text).value)) == float(text)


@pytest.mark.parametrize(
    "text",
    [
        '"\\x4"',
        '"\\N{NO SUCH SIGN}"',
        'f"{x}"',
        '"a',
        "",
        "many",
        "1 + 1",
        'open("x")',
        "[1, 2",
        "'open",
        "{[1]: 2}",
        "1 2",
        "1\n2",
        "x = 1",
        "\0",
        "true",
        "9" * 5000,
        "__import__('os').system('true')",
    ],
)
def test_what_is_no_literal_is_none_and_is_not_run(text: str) -> None:
    reading = LiteralReading(type=None, problem=LiteralProblem.NOT_A_LITERAL)
    assert read_literal(text) == reading


@pytest.mark.parametrize(
    "text",
    [
        f"'{'a' * MOST_PARAMETER_BYTES}'",
        "'" + "é" * (MOST_PARAMETER_BYTES // 2) + "'",
        "[" * 150 + "]" * 150,
        "-" * (MOST_PARAMETER_BYTES - 1) + "1",
        "1+" * (MOST_PARAMETER_BYTES // 2),
        "a" + ".b" * (MOST_PARAMETER_BYTES // 2 - 1),
    ],
)
def test_what_is_too_long_or_too_deep_is_too_large_or_no_literal(text: str) -> None:
    assert read_literal(text).problem in {LiteralProblem.TOO_LARGE, LiteralProblem.NOT_A_LITERAL}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"'{'a' * (MOST_PARAMETER_BYTES - 2)}'", None),
        (f"'{'a' * (MOST_PARAMETER_BYTES - 1)}'", LiteralProblem.TOO_LARGE),
        ("[" * 101 + "]" * 101, None),
        ("[" * 102 + "]" * 102, LiteralProblem.TOO_LARGE),
    ],
)
def test_the_largest_and_the_deepest_are_read(text: str, problem: LiteralProblem | None) -> None:
    assert read_literal(text).problem is problem
