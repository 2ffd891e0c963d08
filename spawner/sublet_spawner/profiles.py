"""KubeSpawner's profiles, as far as a choice of a slice must live beside them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

_PROFILE: Final = "profile"
_OPTION_PREFIX: Final = "profile-option-"
_SIZE: Final = "slice_size"


def option_keys(profiles: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the keys of ``user_options`` that KubeSpawner reads for these profiles."""
    keys = {_PROFILE}
    for profile in profiles:
        for name in profile.get("profile_options") or {}:
            keys |= {name, f"{name}--unlisted-choice"}
    return frozenset(keys)


def split_form(form: Mapping[str, list[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return a form's fields as those of profiles, and the rest."""
    of_profiles = {
        key: values
        for key, values in form.items()
        if key == _PROFILE or key.startswith(_OPTION_PREFIX)
    }
    return of_profiles, {key: values for key, values in form.items() if key not in of_profiles}


def with_own_size(profiles: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return a sentence for each profile that fixes the size."""
    return tuple(
        f"{profile['display_name']!r} comes with a slice of its own ({', '.join(sizes)}), "
        "whatever is chosen above."
        for profile in profiles
        if (sizes := list(dict.fromkeys(_sizes(profile))))
    )


def _sizes(profile: Mapping[str, Any]) -> Iterator[str]:
    yield from _size_in(profile)
    for option in (profile.get("profile_options") or {}).values():
        for choice in (option.get("choices") or {}).values():
            yield from _size_in(choice)


def _size_in(entry: Mapping[str, Any]) -> Iterator[str]:
    size = (entry.get("kubespawner_override") or {}).get(_SIZE)
    if isinstance(size, str) and size:
        yield size
