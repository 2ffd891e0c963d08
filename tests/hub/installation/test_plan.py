"""What is made on a machine, and what stands already. Pure."""

from pathlib import PurePosixPath

import pytest
from sublet_hub.app.application import SubletHub
from sublet_hub.installation.changes import (
    File,
    Folder,
    Found,
    Kind,
    Line,
    Link,
    Secret,
    digest,
    with_line,
    without_line,
)
from sublet_hub.installation.configuration import service_configuration
from sublet_hub.installation.facts import HubKind, HubSettings
from sublet_hub.installation.manifest import Made, Manifest, entry_for, manifest_of
from sublet_hub.installation.plan import Verdict, changes, obsolete, steps, undo_verdict
from sublet_hub.installation.wishes import Wishes, spawner_for
from traitlets.config.loader import PyFileConfigLoader

from tests.support.installing import a_hub, chosen

PATH = PurePosixPath("/etc/sublet/x")
FILE = File(PATH, "a file", "new\n")
LINE = Line(PATH, "a line", "load()  # mark", "# mark")
OURS = Made("file", str(PATH), "a file", (digest(b"ours\n"),))
UPDATED = Made("file", str(PATH), "a file", (digest(b"new\n"),))


def file(text):
    return Found(Kind.FILE, text.encode())


FILES = {
    "nothing there": (Found(), None, Verdict.MAKE),
    "somebody else's": (file("theirs\n"), None, Verdict.REPLACE),
    "an older one of ours": (file("ours\n"), OURS, Verdict.UPDATE),
    "as it should be": (file("new\n"), UPDATED, Verdict.PRESENT),
    "changed, and we have something new": (file("changed\n"), OURS, Verdict.ASK),
    "changed, and we have nothing new": (file("changed\n"), UPDATED, Verdict.THEIRS),
    "a folder": (Found(Kind.FOLDER), None, Verdict.BLOCKED),
    "a link": (Found(Kind.LINK, target="elsewhere"), None, Verdict.BLOCKED),
}


@pytest.mark.parametrize("name", FILES)
def test_how_a_file_stands(name):
    found, entry, verdict = FILES[name]
    manifest = Manifest() if entry is None else Manifest(made=(entry,))
    (step,) = steps([FILE], manifest, lambda _: found, lambda _: False)
    assert step.verdict is verdict


SECRETS = {
    "nothing there": (Found(), Verdict.MAKE),
    "one word, and private": (Found(Kind.FILE, b"word\n", mode=0o600), Verdict.PRESENT),
    "open to others": (Found(Kind.FILE, b"word\n", mode=0o644), Verdict.MEND),
    "empty": (Found(Kind.FILE, b"\n", mode=0o600), Verdict.MEND),
    "a folder": (Found(Kind.FOLDER), Verdict.BLOCKED),
}


@pytest.mark.parametrize("name", SECRETS)
def test_how_a_secret_stands(name):
    found, verdict = SECRETS[name]
    (step,) = steps(
        [Secret(PATH, "a secret", "sublet")], Manifest(), lambda _: found, lambda _: False
    )
    assert step.verdict is verdict


UNDONE = {
    "ours": (file("ours\n"), OURS, Verdict.REMOVE),
    "ours in place of another": (
        file("ours\n"),
        Made("file", str(PATH), "", (digest(b"ours\n"),), original="/o"),
        Verdict.RESTORE,
    ),
    "as it was before": (
        file("theirs\n"),
        Made("file", str(PATH), "", (), original="/o", replaced=digest(b"theirs\n")),
        Verdict.GONE,
    ),
    "changed since": (file("changed\n"), OURS, Verdict.ASK),
    "a folder in its place": (Found(Kind.FOLDER), OURS, Verdict.ASK),
    "gone": (Found(), OURS, Verdict.GONE),
    "a link of ours": (
        Found(Kind.LINK, target="../x"),
        entry_for(Link(PATH, "", "../x")),
        Verdict.REMOVE,
    ),
    "another link": (
        Found(Kind.LINK, target="../y"),
        entry_for(Link(PATH, "", "../x")),
        Verdict.GONE,
    ),
    "our line": (file("a\nload()  # mark\n"), entry_for(LINE), Verdict.RESTORE),
    "no line of ours": (file("a\n"), entry_for(LINE), Verdict.GONE),
    "a file where our folder was": (file(""), entry_for(Folder(PATH, "")), Verdict.GONE),
}


@pytest.mark.parametrize("name", UNDONE)
def test_what_becomes_of_what_was_made(name):
    found, entry, verdict = UNDONE[name]
    assert undo_verdict(entry, lambda _: found) is verdict


@pytest.mark.parametrize("before", ["", "a\n", "a", "load()  # mark\n", "old()  # mark\na\n"])
def test_a_line_is_added_once_and_taken_out_again(before):
    once = with_line(before.encode(), LINE)
    assert with_line(once, LINE) == once
    assert once.endswith(b"load()  # mark\n")
    assert b"mark" not in without_line(once, LINE.mark)


def test_the_hub_hears_of_it_last():
    plain, tljh = chosen(), chosen(a_hub(kind=HubKind.TLJH, prefix=PurePosixPath("/opt/tljh")))
    assert isinstance(changes(plain)[-1], Line)
    assert changes(tljh)[-1].path.name == "zz-sublet.py"


def test_nothing_of_an_installation_is_obsolete_for_itself():
    wanted = changes(chosen())
    manifest = Manifest(made=tuple(map(entry_for, wanted)))
    assert obsolete(wanted, manifest, lambda _: Found()) == []


def test_a_base_url_is_in_every_address():
    hub = a_hub(settings=HubSettings(base_url="/jupyter", api_url="http://127.0.0.1:1/j/hub/api"))
    choices = chosen(hub)
    assert choices.service_url == "http://127.0.0.1:8901/jupyter/services/sublet/"
    assert choices.hub_prefix == "/jupyter/hub/"
    assert choices.hub_api_url == "http://127.0.0.1:1/j/hub/api"


def test_the_service_is_told_where_users_have_origins_of_their_own():
    hub = a_hub(settings=HubSettings(subdomain_host="https://hub.test"))
    assert "c.SubletHub.subdomain_host = 'https://hub.test'" in service_configuration(chosen(hub))


@pytest.mark.parametrize(
    ("hook", "host"),
    [
        ("idna", "sublet--service.hub.test"),
        ("legacy", "services.hub.test"),
        (f"{__name__}:as_domain", "hub.test"),
    ],
)
def test_the_service_names_origins_as_the_hub_does(hook, host, tmp_path):
    hub = a_hub(settings=HubSettings(subdomain_host="https://hub.test", subdomain_hook=hook))
    (tmp_path / "service.py").write_text(service_configuration(chosen(hub)))
    config = PyFileConfigLoader("service.py", path=str(tmp_path)).load_config()
    names = SubletHub(config=config).subdomains()
    assert names.hook("sublet", "hub.test", "service") == host


def as_domain(name, domain, kind):
    """A hook of an admin's: one name for all."""
    return f"{name}{kind}" and domain


@pytest.mark.parametrize(
    ("kind", "present", "wished", "spawner"),
    [
        (HubKind.PLAIN, "", None, "sublet-local"),
        (HubKind.PLAIN, "systemdspawner.SystemdSpawner", None, "sublet-systemd"),
        (HubKind.PLAIN, "sublet-systemd", None, "sublet-systemd"),
        (HubKind.PLAIN, "systemd", "sublet-local", "sublet-local"),
        (HubKind.TLJH, "tljh.user_creating_spawner.UserCreatingSpawner", None, "sublet-tljh"),
    ],
)
def test_the_spawner_fits_the_hub(kind, present, wished, spawner):
    hub = a_hub(kind=kind, settings=HubSettings(spawner=present))
    assert spawner_for(hub, Wishes(spawner=wished)) == spawner


def test_a_manifest_is_read_as_it_was_kept():
    manifest = Manifest("1.0", (OURS, entry_for(LINE)), {"port": "9000"})
    assert manifest_of(manifest.to_json(), "here") == manifest


def test_a_manifest_of_a_release_that_kept_no_options_is_read():
    assert manifest_of(b'{"version": "1.0", "made": []}', "here") == Manifest("1.0")
