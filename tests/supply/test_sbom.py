"""What Sublet is made of is told from the locks, in CycloneDX's form."""

import json
from typing import Any

import locked
import npm_lock
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


ONE = {"version": "1.0.0", "integrity": "sha512-" + "A" * 86 + "=="}


def found_in(packages: dict[str, Any], folder: str = "") -> dict[str, str]:
    """The scopes by name of what is told of a folder."""
    told = list(sbom.of_npm(json.dumps({"packages": packages}), folder))
    return {each["name"]: each["scope"] for each in told}


def test_what_only_builds_is_excluded_unless_it_is_needed_elsewhere() -> None:
    packages = {
        "": {"dependencies": {"needed": "^1"}, "devDependencies": {"builds": "^1"}},
        "node_modules/needed": {**ONE, "dependencies": {"both": "^1"}},
        "node_modules/builds": {**ONE, "dependencies": {"both": "^1"}},
        "node_modules/builds/node_modules/both": ONE,
        "node_modules/both": ONE,
    }
    assert found_in(packages) == {"builds": "excluded", "both": "required", "needed": "required"}


WORKSPACE = {
    "": {"workspaces": ["lab", "lab/shared", "page"]},
    "lab": {"dependencies": {"shared": "1.0.0", "of-lab": "^1"}},
    "lab/shared": {"dependencies": {"of-both": "^1"}, "devDependencies": {"tests": "^1"}},
    "page": {"dependencies": {"shared": "1.0.0"}, "devDependencies": {"of-lab": "^1"}},
    "node_modules/lab": {"resolved": "lab", "link": True},
    "node_modules/shared": {"resolved": "lab/shared", "link": True},
    "node_modules/page": {"resolved": "page", "link": True},
    "node_modules/of-both": ONE,
    "node_modules/of-lab": {**ONE, "version": "2.0.0"},
    "node_modules/tests": ONE,
    "lab/node_modules/of-lab": ONE,
}


def test_of_each_folder_of_a_workspace_is_told_what_it_leads_to_also_by_its_own_packages() -> None:
    assert found_in(WORKSPACE, "lab") == {"of-lab": "required", "of-both": "required"}
    assert found_in(WORKSPACE, "page") == {"of-lab": "excluded", "of-both": "required"}
    assert found_in(WORKSPACE, "lab/shared") == {"of-both": "required", "tests": "excluded"}


def test_a_package_is_that_which_node_finds_first() -> None:
    (of_lab,) = (
        each
        for each in sbom.of_npm(json.dumps({"packages": WORKSPACE}), "lab")
        if each["name"] == "of-lab"
    )
    assert of_lab["version"] == "1.0.0"


def test_nothing_in_the_workspace_s_lock_is_left_out() -> None:
    packages = json.loads(sbom.NPM["front-ends"].read_text())["packages"]
    folders = packages[""]["workspaces"]
    told = {path for folder in folders for path, _ in npm_lock.led_to(packages, folder)}
    assert told == {
        path for path, each in packages.items() if "node_modules/" in path and not each.get("link")
    }


def test_what_a_package_would_only_get_along_with_is_not_told() -> None:
    peers = {
        "peerDependencies": {"other": "^1"},
        "peerDependenciesMeta": {"other": {"optional": True}},
    }
    packages = {
        "": {"dependencies": {"one": "^1"}},
        "node_modules/one": {**ONE, **peers},
        "node_modules/other": ONE,
    }
    assert found_in(packages) == {"one": "required"}


def test_a_lock_that_lacks_what_is_named_in_it_is_refused() -> None:
    with pytest.raises(locked.LockError, match="names gone, which npm's lock does not have"):
        found_in({"": {"dependencies": {"gone": "^1"}}})
    assert found_in({"": {"optionalDependencies": {"for-another-system": "^1"}}}) == {}


def test_a_package_in_a_namespace_is_named_as_its_registry_does() -> None:
    packages = {"": {"dependencies": {"@jupyter/a": "^1"}}, "node_modules/@jupyter/a": ONE}
    told = list(sbom.of_npm(json.dumps({"packages": packages})))
    assert [each["purl"] for each in told] == ["pkg:npm/%40jupyter/a@1.0.0"]


def test_an_npm_lock_without_hashes_is_refused() -> None:
    packages = {"": {"dependencies": {"bare": "^1"}}, "node_modules/bare": {"version": "1.0.0"}}
    with pytest.raises(locked.LockError, match="node_modules/bare has no hash"):
        found_in(packages)
