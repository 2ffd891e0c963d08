"""What Sublet is made of is told from the locks, in CycloneDX's form."""

import json
from typing import Any

import locked
import pytest
import sbom

DOCUMENTS = dict(sbom.documents())


def purls(name: str) -> set[str]:
    return {each["purl"] for each in DOCUMENTS[name]["components"]}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_component_is_named_once_with_its_hashes(name: str) -> None:
    told = DOCUMENTS[name]
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    components: list[dict[str, Any]] = told["components"]
    assert len({each["bom-ref"] for each in components}) == len(components) > 0
    lengths = {"SHA-256": 64, "SHA-512": 128}
    for each in components:
        assert each["hashes"]
        assert all(len(one["content"]) == lengths[one["alg"]] for one in each["hashes"])


def test_the_same_locks_give_the_same_bytes() -> None:
    assert json.dumps(dict(sbom.documents())) == json.dumps(DOCUMENTS)


def test_what_is_locked_for_linux_is_told_and_what_is_for_others_is_not() -> None:
    names = {each.name for each in locked.read((locked.FOLDER / "development.txt").read_text())}
    assert {"tornado", "colorama"} <= names
    told = {purl.partition("@")[0] for purl in purls("development")}
    assert "pkg:pypi/tornado" in told
    assert "pkg:pypi/colorama" not in told


def npm_lock(**packages: Any) -> str:
    paths = {f"node_modules/{path}".replace("__", "/"): each for path, each in packages.items()}
    return json.dumps({"packages": {"": {"name": "own"}, **paths}})


ONE = {"version": "1.0.0", "integrity": "sha512-" + "A" * 86 + "=="}


def test_what_only_builds_is_excluded_unless_it_is_needed_elsewhere() -> None:
    text = npm_lock(
        builds={**ONE, "dev": True},
        both=ONE,
        builds__node_modules__both={**ONE, "dev": True},
    )
    found = {each["name"]: each["scope"] for each in sbom.of_npm(text)}
    assert found == {"builds": "excluded", "both": "required"}


def test_a_package_in_a_namespace_is_named_as_its_registry_does() -> None:
    told = list(sbom.of_npm(json.dumps({"packages": {"node_modules/@jupyter/a": ONE}})))
    assert [each["purl"] for each in told] == ["pkg:npm/%40jupyter/a@1.0.0"]


def test_an_npm_lock_without_hashes_is_refused() -> None:
    with pytest.raises(locked.LockError, match="node_modules/bare has no hash"):
        list(sbom.of_npm(npm_lock(bare={"version": "1.0.0"})))
