"""What spreadsheets take for formulas: no text of anybody's may stand in a table as one."""

from typing import Final

FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What some spreadsheet takes for the beginning of a formula, or passes over before one; the last
four are the first ones as wide as a Chinese character.
"""
