"""The option that asks for a group of the quota document, with all below it."""

from typing import Final

import click

OF_GROUP: Final = click.option(
    "--of",
    metavar="GROUP",
    help="What a group of the quota document pays, and all below it (its admins, and admins).",
)
