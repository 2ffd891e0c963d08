"""Plain values as YAML that reads the same, and values of a text replaced where they stand.

All else of the text stays as it was written, comments too. What cannot be replaced so, because of
how it was written, can only be written anew; who replaces something reads it again to see.
"""

import re
from decimal import Decimal
from typing import Any, Final

import yaml

from sublet_quota.document.problems import KeyPath

_LOOKS_LIKE_MORE: Final = re.compile(
    r"~|null|true|false|y|n|yes|no|on|off|=|<<|[-+]?\.(inf|nan)|"
    r"[-+]?\.?[0-9][0-9a-f_.:]*(e[-+]?[0-9]*)?|[-+]?0[xob][0-9a-f_]*",
    re.IGNORECASE,
)
"""Texts that some reader of YAML, ours or one of another version, takes for something else."""
_UNBROKEN: Final = 2**20
"""No line is broken for its length."""


class _Writer(yaml.SafeDumper):
    """A writer that repeats what is there twice, and writes floats as they are read."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _write_float(writer: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    return writer.represent_scalar("tag:yaml.org,2002:float", format(Decimal(repr(value)), "f"))


def _write_text(writer: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = '"' if _LOOKS_LIKE_MORE.fullmatch(value) else None
    return writer.represent_scalar("tag:yaml.org,2002:str", value, style)


_Writer.add_representer(float, _write_float)
_Writer.add_representer(str, _write_text)


def written(value: Any, *, in_one_line: bool = False) -> str:
    """Return a value as YAML, without a line end behind it; as flow ``in_one_line``."""
    text: str = yaml.dump(
        value,
        Dumper=_Writer,
        default_flow_style=in_one_line,
        allow_unicode=True,
        sort_keys=False,
        width=_UNBROKEN,
    )
    return text.removesuffix("\n").removesuffix("\n...")


def value_at(value: Any, path: KeyPath) -> Any:
    """Return the value at a path of keys; ``None`` where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def with_value_of(text: str, path: KeyPath, values: Any) -> str | None:
    """Return a text in which the key at ``path`` has the value that it has in ``values``.

    ``path``: keys of mappings alone. A value that is empty there is taken out. ``None`` where the
    text has no place for it.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return written(values) + "\n"
    around = _node_at(root, path[:-1])
    if around is None:
        return None
    if not isinstance(around, yaml.MappingNode):
        # A key without content.
        return with_value_of(text, path[:-1], values) if len(path) > 1 else None
    if around.flow_style:
        start, end = around.start_mark.index, around.end_mark.index
        whole = written(value_at(values, path[:-1]) or {}, in_one_line=True)
        return text[:start] + whole + text[end:]
    value = value_at(values, path)
    found = next((each for each in around.value if each[0].value == path[-1]), None)
    column = around.start_mark.column
    lines = "" if not value else written({path[-1]: value}).replace("\n", "\n" + " " * column)
    if found is not None:
        return _replaced(text, found, lines)
    if not lines:
        return text
    end = _line_end(text, _end(text, around))
    return text[:end] + "\n" + " " * column + lines + text[end:]


def _replaced(text: str, found: tuple[yaml.Node, yaml.Node], lines: str) -> str:
    key, value = found
    end = max(_end(text, value), text.index(":", key.end_mark.index) + 1)
    if lines:
        return text[: key.start_mark.index] + lines + text[end:]
    start = key.start_mark.index - key.start_mark.column
    return text[:start] + text[_line_end(text, end) + 1 :]


def _node_at(node: yaml.Node, path: KeyPath) -> yaml.Node | None:
    for key in path:
        if not isinstance(node, yaml.MappingNode):
            return None
        found = next((value for each, value in node.value if each.value == key), None)
        if found is None:
            return None
        node = found
    return node


def _end(text: str, node: yaml.Node) -> int:
    """Return where a value ends, without comments and empty lines that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    return len(text[: node.end_mark.index].rstrip())


def _line_end(text: str, start: int) -> int:
    """Return where the line ends in which a place is."""
    end = text.find("\n", start)
    return len(text) if end < 0 else end
