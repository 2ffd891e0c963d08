"""The messages of the kubelet's device plugin API, version ``v1beta1``.

Kubernetes describes them in a ``.proto`` file; here is the part that is used, as a table: for
each message its fields with name, number and type. What is not in the table (a device's NUMA
node, say) is skipped by the one who reads it.
"""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE: Final = "v1beta1"
VERSION: Final = "v1beta1"
REGISTER: Final = f"/{PACKAGE}.Registration/Register"
PLUGIN_SERVICE: Final = f"{PACKAGE}.DevicePlugin"
HEALTHY: Final = "Healthy"
UNHEALTHY: Final = "Unhealthy"

_MESSAGES: Final[dict[str, tuple[tuple[str, int, str], ...]]] = {
    "Empty": (),
    "DevicePluginOptions": (
        ("pre_start_required", 1, "bool"),
        ("get_preferred_allocation_available", 2, "bool"),
    ),
    "RegisterRequest": (
        ("version", 1, "string"),
        ("endpoint", 2, "string"),
        ("resource_name", 3, "string"),
        ("options", 4, "DevicePluginOptions"),
    ),
    "Device": (("id", 1, "string"), ("health", 2, "string")),
    "ListAndWatchResponse": (("devices", 1, "[]Device"),),
    "ContainerPreferredAllocationRequest": (
        ("available", 1, "[]string"),
        ("must_include", 2, "[]string"),
        ("allocation_size", 3, "int32"),
    ),
    "PreferredAllocationRequest": (
        ("container_requests", 1, "[]ContainerPreferredAllocationRequest"),
    ),
    "ContainerPreferredAllocationResponse": (("device_ids", 1, "[]string"),),
    "PreferredAllocationResponse": (
        ("container_responses", 1, "[]ContainerPreferredAllocationResponse"),
    ),
    "ContainerAllocateRequest": (("device_ids", 1, "[]string"),),
    "AllocateRequest": (("container_requests", 1, "[]ContainerAllocateRequest"),),
    # On the wire a map is a list of pairs.
    "Variable": (("key", 1, "string"), ("value", 2, "string")),
    "CdiDevice": (("name", 1, "string"),),
    "ContainerAllocateResponse": (
        ("variables", 1, "[]Variable"),
        ("cdi_devices", 5, "[]CdiDevice"),
    ),
    "AllocateResponse": (("container_responses", 1, "[]ContainerAllocateResponse"),),
}

_Field = descriptor_pb2.FieldDescriptorProto
_PLAIN: Final = {
    "string": _Field.TYPE_STRING,
    "bool": _Field.TYPE_BOOL,
    "int32": _Field.TYPE_INT32,
}


def _make_classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="sublet/device_plugin.proto", package="sublet.device_plugin", syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            inner = kind.removeprefix("[]")
            field = message.field.add(name=field_name, number=number)
            field.label = _Field.LABEL_REPEATED if inner != kind else _Field.LABEL_OPTIONAL
            if inner in _PLAIN:
                field.type = _PLAIN[inner]
            else:
                field.type = _Field.TYPE_MESSAGE
                field.type_name = f".{file.package}.{inner}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{name}"))
        for name in _MESSAGES
    }


_CLASSES: Final = _make_classes()

Empty: Final = _CLASSES["Empty"]
DevicePluginOptions: Final = _CLASSES["DevicePluginOptions"]
RegisterRequest: Final = _CLASSES["RegisterRequest"]
Device: Final = _CLASSES["Device"]
ListAndWatchResponse: Final = _CLASSES["ListAndWatchResponse"]
PreferredAllocationRequest: Final = _CLASSES["PreferredAllocationRequest"]
PreferredAllocationResponse: Final = _CLASSES["PreferredAllocationResponse"]
ContainerPreferredAllocationResponse: Final = _CLASSES["ContainerPreferredAllocationResponse"]
AllocateRequest: Final = _CLASSES["AllocateRequest"]
AllocateResponse: Final = _CLASSES["AllocateResponse"]
ContainerAllocateResponse: Final = _CLASSES["ContainerAllocateResponse"]
Variable: Final = _CLASSES["Variable"]
CdiDevice: Final = _CLASSES["CdiDevice"]
