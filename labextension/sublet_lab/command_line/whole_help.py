"""Groups of commands whose help shows the first sentence of each command whole."""

from typing import Final

import click

_ANY_LENGTH: Final = 10_000


class WholeHelp(click.Group):
    """A group whose help folds the commands' summaries, where click cuts them off."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their summaries."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [
            (name, command.get_short_help_str(_ANY_LENGTH))
            for name, command in found
            if command is not None and not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)
