"""Numbers that are typed for `make up`, `make demo` and `sublet install`, and cannot be."""

import pytest
from click import Command
from click.testing import CliRunner
from sublet_hub.installation.command_line import install
from sublet_hub.one_machine.__main__ import main as up
from sublet_hub.one_machine.demo.__main__ import main as demo

A_PORT = "write one from 1 to 65535"
A_FACTOR = "write one above 0, such as 1 or 2.5"


@pytest.mark.parametrize(
    ("command", "option", "typed", "what_to_write"),
    [
        (install, "--port", "x", A_PORT),
        (install, "--port", "70000", A_PORT),
        (up, "--port", "8000/tcp", A_PORT),
        (up, "--port", "0", A_PORT),
        (up, "--port", "65536", A_PORT),
        (up, "--speed", "fast", A_FACTOR),
        (up, "--speed", "0", A_FACTOR),
        (up, "--speed", "nan", A_FACTOR),
        (up, "--speed", "inf", A_FACTOR),
        (demo, "--speed", "-1", A_FACTOR),
    ],
)
def test_a_number_that_cannot_be_is_told_with_what_can(
    command: Command, option: str, typed: str, what_to_write: str
) -> None:
    ended = CliRunner().invoke(command, [option, typed])
    assert ended.exit_code == 2
    told = f"Invalid value for '{option}': '{typed}' is no number that fits here: {what_to_write}"
    assert told in ended.output
