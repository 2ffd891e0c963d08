"""What a query of Prometheus asks for, and whether the service has that."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

SELECTOR: Final = re.compile(r"(sublet_\w+)\{([^}]*)\}")
ADDED: Final = frozenset({"namespace", "le"})
"""By Prometheus itself, and of histograms."""


def wrong_in(query: str, exposed: Mapping[str, set[str]]) -> list[str]:
    """Return what a query asks for that the service does not have."""
    selected = [found.groups() for found in SELECTOR.finditer(query)]
    wrong = [
        f"{name} without a selector"
        for name in re.findall(r"sublet_\w+", query)
        if name not in dict(selected)
    ]
    asked = [
        *((name, set(re.findall(r"(\w+)(?:=~|!=|!~|=)\"", said))) for name, said in selected),
        *_grouped(query),
    ]
    for name, labels in asked:
        if name not in exposed:
            wrong.append(f"{name} is no metric")
        else:
            wrong += [f"{name} has no label {label}" for label in labels - exposed[name] - ADDED]
    wrong += [
        f"{name} of every namespace"
        for name, said in selected
        if 'namespace="$namespace"' not in said
    ]
    return wrong


def _grouped(query: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each metric by which labels it is grouped: the first after the words."""
    for found in re.finditer(r"by \(([^)]*)\)", query):
        metric = SELECTOR.search(query, found.end())
        if metric is not None:
            yield metric[1], {label.strip() for label in found[1].split(",")}
