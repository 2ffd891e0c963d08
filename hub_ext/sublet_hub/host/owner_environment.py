"""The environment of an owner's process on this machine, and what nobody may ask for in it."""

from sublet_quota.wire.api import AccountTemplate

from sublet_hub.host.accounts import user_name_of

_OURS = ("JUPYTERHUB_", "JPY_", "SUBLET_", "CONFIGPROXY_")


_CAPS = frozenset(
    {
        "CUDA_VISIBLE_DEVICES",
        "NVIDIA_VISIBLE_DEVICES",
        "PYTORCH_ALLOC_CONF",
        "PYTORCH_CUDA_ALLOC_CONF",
        "XLA_CLIENT_MEM_FRACTION",
        "XLA_PYTHON_CLIENT_PREALLOCATE",
        "TF_FORCE_GPU_ALLOW_GROWTH",
    }
)


_PLAIN = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}


def is_reserved(name: str) -> bool:
    """Whether the variable is the hub's or Sublet's to set."""
    return name.upper().startswith(_OURS) or name.upper() in _CAPS


def owner_environment(account: AccountTemplate) -> dict[str, str]:
    """Return the environment of a process of the owner's, before any slice is added."""
    name = user_name_of(account)
    allowed = {k: v for k, v in account.environment.items() if not is_reserved(k)}
    return {**_PLAIN, **allowed, "HOME": account.home, "USER": name, "LOGNAME": name}
