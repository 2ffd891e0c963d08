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
_AMOUNT: Final = {"type": "string", "pattern": "^[0-9]+[A-Za-z]*$"}
_KEY_OF_A_SECRET: Final = _closed({"name": _TEXT, "key": _TEXT})
_SELECTOR: Final = _closed({"matchLabels": _LABELS})

_KUEUE: Final = "kueue.x-k8s.io/v1beta2"
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
    ("monitoring.coreos.com/v1", "PrometheusRule"): _closed(
        {
            "groups": {
                "type": "array",
                "items": _closed(
                    {
                        "name": _TEXT,
                        "rules": {
                            "type": "array",
                            "items": _closed(
                                {
                                    "alert": _TEXT,
                                    "expr": _TEXT,
                                    "for": {"type": "string", "pattern": "^[0-9]+[smhd]$"},
                                    "labels": _LABELS,
                                    "annotations": _LABELS,
                                }
                            ),
                        },
                    }
                ),
            }
        }
    ),
    (_KUEUE, "ResourceFlavor"): _closed({"nodeLabels": _LABELS}),
    (_KUEUE, "LocalQueue"): _closed({"clusterQueue": _TEXT}),
    (_KUEUE, "ClusterQueue"): _closed(
        {
            "namespaceSelector": _SELECTOR,
            "queueingStrategy": {"enum": ["StrictFIFO", "BestEffortFIFO"]},
            "preemption": _closed(
                {
                    "withinClusterQueue": {"enum": ["Never", "LowerPriority"]},
                    "reclaimWithinCohort": {"enum": ["Never", "LowerPriority", "Any"]},
                }
            ),
            "resourceGroups": {
                "type": "array",
                "items": _closed(
                    {
                        "coveredResources": {"type": "array", "items": _TEXT},
                        "flavors": {
                            "type": "array",
                            "items": _closed(
                                {
                                    "name": _TEXT,
                                    "resources": {
                                        "type": "array",
                                        "items": _closed({"name": _TEXT, "nominalQuota": _AMOUNT}),
                                    },
                                }
                            ),
                        },
                    }
                ),
            },
        },
        cohortName=_TEXT,
    ),
}

_WITHOUT_SPEC: Final = {
    (_KUEUE, "WorkloadPriorityClass"): {"value": {"type": "integer"}, "description": _TEXT},
    # The chart's own: the hub's spawner fills it.
    ("sublet.dev/v1", "OwnerRecords"): {},
}


def validate_custom(manifest: Mapping[str, Any]) -> None:
    """Check an object of another project's kind."""
    of_every_kind = {
        "apiVersion": _TEXT,
        "kind": _TEXT,
        "metadata": _closed(
            {"name": _TEXT, "labels": _LABELS}, namespace=_TEXT, annotations=_LABELS
        ),
    }
    key = (manifest["apiVersion"], manifest["kind"])
    own = _WITHOUT_SPEC[key] if key in _WITHOUT_SPEC else {"spec": SPECS[key]}
    jsonschema.validate(manifest, _closed({**of_every_kind, **own}))


def is_custom(manifest: Mapping[str, Any]) -> bool:
    """Say whether an object is of another project's kind."""
    key = (manifest["apiVersion"], manifest["kind"])
    return key in SPECS or key in _WITHOUT_SPEC
