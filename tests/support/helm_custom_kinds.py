"""What the chart's objects of other projects' kinds may look like; their own schemas are not here.

Each is as small as what the chart uses, and closed: a new field is looked up in that project's
documentation, and added.
"""

from collections.abc import Mapping
from typing import Any, Final

import jsonschema

_LABELS: Final = {"type": "object", "additionalProperties": {"type": "string"}}


def _closed(required: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": {**required, **more},
    }


_TEXT: Final = {"type": "string", "minLength": 1}
_KEY_OF_A_SECRET: Final = _closed({"name": _TEXT, "key": _TEXT})
_SELECTOR: Final = _closed({"matchLabels": _LABELS})

SPECS: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = {
    ("monitoring.coreos.com/v1", "ServiceMonitor"): _closed(
        {
            "selector": _SELECTOR,
            "namespaceSelector": _closed({"matchNames": {"type": "array", "items": _TEXT}}),
            "endpoints": {
                "type": "array",
                "items": _closed(
                    {
                        "port": _TEXT,
                        "path": {"type": "string", "pattern": "^/"},
                        "interval": _TEXT,
                        "authorization": _closed({"credentials": _KEY_OF_A_SECRET}),
                    }
                ),
            },
        }
    ),
}


def validate_custom(manifest: Mapping[str, Any]) -> None:
    """Check an object of another project's kind."""
    jsonschema.validate(
        manifest,
        _closed(
            {
                "apiVersion": _TEXT,
                "kind": _TEXT,
                "metadata": _closed(
                    {"name": _TEXT, "labels": _LABELS}, namespace=_TEXT, annotations=_LABELS
                ),
                "spec": SPECS[manifest["apiVersion"], manifest["kind"]],
            }
        ),
    )
