"""Makes the chart's `values.schema.json` and its README's tables from what they describe.

The shape of the values is in `helm/values.schema.yaml`. The quota document's schema and the
programs' settings are put into it, so that helm refuses what the programs would.
Run `make schema` after changing any of these.
"""

import json
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Final

import yaml
from sublet_agent.app.application import SubletAgent
from sublet_hub.app.application import SubletHub
from traitlets import Bool, Dict, Enum, Float, Integer, List, TraitType, Unicode, Union
from traitlets.config import Application

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "helm" / "sublet"
SHAPE: Final = ROOT / "helm" / "values.schema.yaml"
QUOTA_SCHEMA: Final = ROOT / "quota" / "quota.schema.json"
HOW: Final = "run: make schema"

SET_BY_THE_CHART: Final[Mapping[type[Application], frozenset[str]]] = {
    SubletHub: frozenset(
        [
            "agent_identity",
            "agent_service_account",
            "agent_socket",
            "agents_port",
            "base_prefix",
            "certificate_file",
            "config_file",
            "database_url",
            "hub_api_url",
            "hub_prefix",
            "ip",
            "job_backend",
            "job_labels",
            "job_priority_class",
            "job_service_account",
            "key_file",
            "kube_jobs_namespace",
            "kube_namespace",
            "kubeconfig",
            "kueue_cluster_queue",
            "kueue_local_queue",
            "kueue_priority_classes",
            "lent_unit_mib",
            "metrics_token_file",
            "node_secrets_folder",
            "notices_ca_file",
            "notices_mail_password_file",
            "notices_webhook_secret_file",
            "port",
            "quota_file",
            "service_url",
            "several_nodes",
            "simulated_socket",
            "state_folder",
            "token_file",
            "writer_lease",
        ]
    ),
    SubletAgent: frozenset(
        [
            "ca_file",
            "cgroup_folder",
            "config_file",
            "device",
            "device_plugin",
            "kubelet_folder",
            "lent_cdi_kind",
            "lent_unit_mib",
            "node",
            "secret_file",
            "service_url",
            "simulated_socket",
            "state_folder",
            "tenant_socket",
            "unsafe_skip_room_check",
        ]
    ),
}
"""Settings that are other values of the chart, or have only one right value in a cluster."""

_BEGIN: Final = "<!-- values: made by tests/support/helm_documents.py -->"
_END: Final = "<!-- end of values -->"
_TEXTS: Final[Mapping[str, Any]] = {"type": "array", "items": {"type": "string"}}
_ONE_ROW: Final = {"resources", "settings"}
_SETTINGS_OF_ALL_PROGRAMS: Final = {"log_level"}


def schema_text() -> str:
    """Return what `values.schema.json` must be."""
    schema = yaml.safe_load(SHAPE.read_text())
    properties = schema["properties"]
    properties["quota"] = _quota(schema["$defs"])
    for part, program in (("service", SubletHub), ("agent", SubletAgent)):
        properties[part]["properties"]["settings"] = _settings(program)
    return json.dumps(schema, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def readme_text(current: str) -> str:
    """Return the README with its tables made anew."""
    before, _, rest = current.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    schema = json.loads(schema_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    lines = ["| value | default | |", "| --- | --- | --- |"]
    for path, about, is_leaf in _described(schema, schema, ""):
        name, shown = (f"`{path}`", _shown(values, path)) if is_leaf else (f"**{path}**", "")
        lines.append(f"| {name} | {shown} | {_in_a_table(about)} |")
    for part, program in (("service", SubletHub), ("agent", SubletAgent)):
        settings = schema["properties"][part]["properties"]["settings"]["properties"]
        lines += ["", f"`{part}.settings` takes, of the options of `{program.name}`:", ""]
        lines += ["| setting | default | |", "| --- | --- | --- |"]
        lines += [
            f"| `{name}` | {_code(about.get('default'))} | {_in_a_table(about['description'])} |"
            for name, about in settings.items()
        ]
    table = "\n".join(lines)
    return f"{before}{_BEGIN}\n\n{table}\n\n{_END}{after}"


def configurable(program: type[Application]) -> dict[str, TraitType[Any, Any]]:
    """Return a program's own options by name."""
    inherited = set(Application.class_traits(config=True)) - _SETTINGS_OF_ALL_PROGRAMS
    traits = program.class_traits(config=True)
    return {name: trait for name, trait in sorted(traits.items()) if name not in inherited}


def resolved(schema: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part of a schema with its reference followed; what stands beside it counts more."""
    reference = about.get("$ref")
    if reference is None:
        return dict(about)
    return {**schema["$defs"][reference.removeprefix("#/$defs/")], **about}


def _quota(definitions: dict[str, Any]) -> dict[str, Any]:
    quota = json.loads(QUOTA_SCHEMA.read_text())
    quota.pop("$schema")
    theirs = quota.pop("$defs")
    met = theirs.keys() & definitions.keys()
    if met:
        message = f"{SHAPE} and the quota document's schema both define {sorted(met)}"
        raise ValueError(message)
    definitions |= theirs
    words = "The quota document: who may have how much of which GPUs. Taken up without a restart."
    return {**quota, "description": words}


def _settings(program: type[Application]) -> dict[str, Any]:
    hidden = SET_BY_THE_CHART[program]
    return {
        "type": "object",
        "additionalProperties": False,
        "description": f"Options of {program.name}, as its `--help-all` says them.",
        "properties": {
            name: _setting(trait)
            for name, trait in configurable(program).items()
            if name not in hidden
        },
    }


def _setting(trait: TraitType[Any, Any]) -> dict[str, Any]:
    about: dict[str, Any] = {"description": " ".join(trait.help.split())}
    match trait:
        case Bool():
            about["type"] = "boolean"
        case Integer() | Float():
            about["type"] = "integer" if isinstance(trait, Integer) else "number"
            bounds = (("minimum", trait.min), ("maximum", trait.max))
            about |= {
                name: bound for name, bound in bounds if bound is not None and isfinite(bound)
            }
        case Enum():
            about["enum"] = [value for value in trait.values or () if isinstance(value, str)]
        case Unicode():
            about["type"] = "string"
        case Union() if any(isinstance(each, Unicode) for each in trait.trait_types):
            # Of what it takes, values have no functions.
            about["type"] = "string"
        case List():
            about |= _TEXTS
        case Dict():
            about |= {"type": "object", "additionalProperties": _TEXTS}
        case _:
            message = f"{trait.name} is a {type(trait).__name__}: teach this module how to say so"
            raise TypeError(message)
    if not isinstance(trait, Enum) and isinstance(trait.default_value, bool | int | float | str):
        about["default"] = trait.default_value
    return about


def _described(
    schema: Mapping[str, Any], about: Mapping[str, Any], path: str
) -> Iterator[tuple[str, str, bool]]:
    """Give each value's path and description, and whether nothing is below it."""
    for name, part in about["properties"].items():
        found = resolved(schema, part)
        here = f"{path}.{name}" if path else name
        is_leaf = here == "quota" or name in _ONE_ROW or not found.get("properties")
        yield here, found["description"], is_leaf
        if not is_leaf:
            yield from _described(schema, found, here)


def _shown(values: Any, path: str) -> str:
    for name in path.split("."):
        values = values.get(name, {})
    return _code(values)


def _code(value: Any) -> str:
    if value is None or value == "":
        return ""
    return f"`{json.dumps(value) if not isinstance(value, str) else value}`"


def _in_a_table(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Write both."""
    (CHART / "values.schema.json").write_text(schema_text())
    readme = CHART / "README.md"
    readme.write_text(readme_text(readme.read_text()))


if __name__ == "__main__":
    main()
