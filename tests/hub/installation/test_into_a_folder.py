"""`sublet install` and `sublet uninstall` as commands, on an image's folder."""

import json
import os
import stat

import pytest
from click.testing import CliRunner
from sublet_lab.command_line import main

from tests.support.machine_folders import (
    CONFIGURATION,
    SUBLET,
    everything_below,
    plain_machine,
    tljh_machine,
    write,
)

NEEDS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: accounts are made, and files are root's"
)
COPIES = ("passwd-", "group-", "shadow-", "gshadow-", "subuid-", "subgid-")
"""What useradd and userdel keep of the lists of accounts as they were."""
MACHINES = pytest.mark.parametrize("machine", [plain_machine, tljh_machine])


def run(command, root, *options, answers=""):
    return CliRunner().invoke(main, [command, "--root", str(root), *options], input=answers)


def install(root, *options, answers=""):
    return run("install", root, "--device", "nvidia", *options, answers=answers)


def installed(root, *options):
    result = install(root, "--yes", *options)
    assert result.exit_code == 0, result.output
    return result.output


def uninstalled(root, *options):
    result = run("uninstall", root, "--yes", *options)
    assert result.exit_code == 0, result.output
    return result.output


@NEEDS_ROOT
@MACHINES
def test_uninstall_leaves_the_machine_as_it_was_byte_for_byte(tmp_path, machine):
    root = machine(tmp_path)
    before = everything_below(root, but=COPIES)
    installed(root)
    assert everything_below(root, but=COPIES) != before
    uninstalled(root)
    assert everything_below(root, but=COPIES) == before


@NEEDS_ROOT
@MACHINES
@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_a_dry_run_shows_the_plan_and_changes_nothing(tmp_path, machine, command):
    root = machine(tmp_path)
    if command == "uninstall":
        installed(root)
    before = everything_below(root)
    device = ["--device", "nvidia"] if command == "install" else []
    result = run(command, root, "--dry-run", *device)
    assert result.exit_code == 0
    assert "/etc/systemd/system/sublet-agent.service" in result.output
    assert "Nothing was changed." in result.output
    assert everything_below(root) == before


@NEEDS_ROOT
def test_nothing_is_changed_without_a_yes(tmp_path):
    root = plain_machine(tmp_path)
    before = everything_below(root)
    result = install(root, answers="n\n")
    assert "Do this?" in result.output
    assert everything_below(root) == before


@NEEDS_ROOT
@MACHINES
def test_installing_twice_changes_nothing(tmp_path, machine):
    root = machine(tmp_path)
    installed(root)
    before = everything_below(root)
    assert "nothing to change" in installed(root)
    assert everything_below(root) == before


@NEEDS_ROOT
def test_secrets_are_for_the_service_alone_and_differ(tmp_path):
    root = plain_machine(tmp_path)
    installed(root)
    names = ("service-token", "nodes/this-machine")
    secrets = [root / "etc/sublet" / name for name in names]
    (line,) = [x for x in (root / "etc/passwd").read_text().splitlines() if x.startswith("sublet:")]
    for secret in secrets:
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert secret.stat().st_uid == int(line.split(":")[2]) != 0
    assert len({secret.read_text() for secret in secrets}) == 2
    assert not any(secret.read_text() in installed(root, "--dry-run") for secret in secrets)


@NEEDS_ROOT
def test_a_plain_hub_gets_one_line_and_keeps_its_files_mode(tmp_path):
    root = plain_machine(tmp_path)
    installed(root)
    config = root / "etc/jupyterhub/jupyterhub_config.py"
    included = '__import__("pathlib").Path("/etc/sublet/jupyterhub_config.py").read_text()'
    added = f"exec({included})  # sublet install\n"
    assert config.read_text() == CONFIGURATION + added
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    assert "sublet-local" in (root / "etc/sublet/jupyterhub_config.py").read_text()


@NEEDS_ROOT
def test_a_mistyped_configuration_of_the_hub_is_refused_and_not_made(tmp_path):
    root = plain_machine(tmp_path)
    before = everything_below(root)
    mistyped = "/etc/jupyterhub/jupyterhub_confg.py"
    result = install(root, "--yes", "--hub-config", mistyped)
    assert result.exit_code == 1
    right = "jupyterhub.service starts the hub with /etc/jupyterhub/jupyterhub_config.py"
    assert f"names {mistyped}, which is not there, but {right}" in result.output
    assert everything_below(root) == before


@NEEDS_ROOT
def test_a_configuration_that_the_unit_leaves_open_must_be_named(tmp_path):
    root = plain_machine(tmp_path)
    unit = root / "etc/systemd/system/jupyterhub.service"
    path = "/etc/jupyterhub/jupyterhub_config.py"
    unit.write_text(unit.read_text().replace(path, "$CONFIG"))
    assert "Name the file with --hub-config" in install(root, "--yes").output
    assert "sublet-agent.service" in installed(root, "--hub-config", path)


@NEEDS_ROOT
def test_what_the_admin_wrote_into_the_hubs_configuration_meanwhile_stays(tmp_path):
    root = plain_machine(tmp_path)
    installed(root)
    config = root / "etc/jupyterhub/jupyterhub_config.py"
    config.write_text(config.read_text() + "c.JupyterHub.port = 80\n")
    uninstalled(root)
    assert config.read_text() == CONFIGURATION + "c.JupyterHub.port = 80\n"


@NEEDS_ROOT
def test_the_littlest_jupyterhub_gets_a_file_of_its_own(tmp_path):
    root = tljh_machine(tmp_path)
    installed(root)
    text = (root / "opt/tljh/config/jupyterhub_config.d/zz-sublet.py").read_text()
    assert "'sublet-tljh'" in text
    assert "'/opt/tljh/user/bin/python'" in text
    service = (root / "etc/sublet/sublet_hub_config.py").read_text()
    assert "'http://127.0.0.1:15001/hub/api'" in service


@NEEDS_ROOT
def test_a_file_that_the_admin_changed_stays_on_upgrade_and_on_uninstall(tmp_path):
    root = plain_machine(tmp_path)
    installed(root)
    settings = root / "etc/sublet/sublet_agent_config.py"
    settings.write_text("c.SubletAgent.margin_mib = 2048\n")
    result = installed(root, "--node", "another")
    assert "changed since" in result
    assert "+c.SubletAgent.node = 'another'" in result
    assert settings.read_text() == "c.SubletAgent.margin_mib = 2048\n"
    result = uninstalled(root)
    assert "sublet_agent_config.py: changed by you" in result
    assert settings.read_text() == "c.SubletAgent.margin_mib = 2048\n"
    assert sorted(p.name for p in (root / "etc/sublet").iterdir()) == [settings.name]


@NEEDS_ROOT
def test_an_upgrade_shows_the_difference_and_makes_it(tmp_path):
    root = plain_machine(tmp_path)
    installed(root)
    result = installed(root, "--port", "8902")
    assert "-c.SubletHub.port = 8901" in result
    assert "+c.SubletHub.port = 8902" in result
    assert "8902" in (root / "etc/sublet/sublet_hub_config.py").read_text()


OPTIONS = ("--port", "9000", "--node", "gpu1", "--users-python", "/opt/hub/bin/python3")


@NEEDS_ROOT
def test_the_options_of_the_last_install_count_until_others_are_given(tmp_path):
    root = plain_machine(tmp_path)
    assert "as at the last install" not in installed(root, *OPTIONS)
    before = everything_below(root)
    said = run("install", root, "--yes").output
    (line,) = [each for each in said.splitlines() if "as at the last install" in each]
    assert all(each in line for each in (*OPTIONS, "--device nvidia"))
    assert "nothing to change" in said
    assert everything_below(root) == before
    said = run("install", root, "--yes", "--port", "9001").output
    assert "-c.SubletHub.port = 9000" in said
    assert "--node gpu1" in said
    assert "--port" not in said
    said = run("install", root, "--yes").output
    assert "nothing to change" in said
    assert "--port 9001" in said


@NEEDS_ROOT
def test_options_that_change_no_file_are_kept_too(tmp_path):
    root = plain_machine(tmp_path)
    installed(root)
    unit = "--hub-unit", "jupyterhub.service"
    assert "nothing to change" in installed(root, "--dry-run", *unit)
    assert "--hub-unit" not in installed(root)
    assert "nothing to change" in installed(root, *unit)
    assert " ".join(unit) in installed(root)


@NEEDS_ROOT
def test_options_are_forgotten_when_sublet_is_uninstalled(tmp_path):
    root = plain_machine(tmp_path)
    installed(root, *OPTIONS)
    write(root, "var/lib/sublet/service/ledger.bak", "hours and hours")
    uninstalled(root)
    assert "as at the last install" not in installed(root)


@NEEDS_ROOT
def test_another_release_starts_its_parts_again_also_where_no_file_differs(tmp_path):
    root = plain_machine(tmp_path)
    installed(root)
    manifest = root / "var/lib/sublet/installed.json"
    manifest.write_text(manifest.read_text().replace(SUBLET, "0.0.9", 1))
    assert f"Sublet 0.0.9 is {SUBLET} now" in installed(root)
    assert "nothing to change" in installed(root)


@NEEDS_ROOT
def test_what_a_new_installation_needs_no_more_is_removed(tmp_path):
    root = plain_machine(tmp_path)
    result = run("install", root, "--yes", "--device", "simulated")
    assert result.exit_code == 0, result.output
    unit = root / "etc/systemd/system/sublet-simulated-gpus.service"
    assert unit.exists()
    assert "needed no more" in installed(root)
    assert not unit.exists()
    assert not (unit.parent / "multi-user.target.wants" / unit.name).is_symlink()


@NEEDS_ROOT
def test_what_is_needed_no_more_and_was_changed_is_not_removed_unasked(tmp_path):
    root = plain_machine(tmp_path)
    run("install", root, "--yes", "--device", "simulated")
    unit = root / "etc/systemd/system/sublet-simulated-gpus.service"
    unit.write_text("# mine\n")
    installed(root)
    assert unit.read_text() == "# mine\n"
    assert "changed by you" in uninstalled(root)
    assert unit.read_text() == "# mine\n"


@NEEDS_ROOT
def test_an_account_that_becomes_the_services_is_told_and_stays(tmp_path):
    root = plain_machine(tmp_path)
    accounts = root / "etc/passwd"
    line = "sublet:x:990:990::/var/lib/sublet:/usr/sbin/nologin\n"
    accounts.write_text(accounts.read_text() + line)
    assert "Account:  sublet is there already" in installed(root)
    uninstalled(root)
    assert line in accounts.read_text()
    assert "Account:" not in installed(plain_machine(tmp_path / "another"))


@NEEDS_ROOT
def test_a_persons_account_is_not_taken(tmp_path):
    root = plain_machine(tmp_path)
    accounts = root / "etc/passwd"
    accounts.write_text(accounts.read_text() + "sublet:x:1000:1000::/home/sublet:/bin/bash\n")
    before = everything_below(root)
    assert "sublet is a person's (uid 1000" in install(root, "--yes").output
    assert everything_below(root) == before


@NEEDS_ROOT
def test_the_hub_is_named_that_there_is_where_another_is_asked_for(tmp_path):
    said = install(plain_machine(tmp_path), "--yes", "--hub-unit", "nothere").output
    assert "Choose one that does: jupyterhub.service" in said


@NEEDS_ROOT
def test_what_the_admin_changed_of_units_stays_and_is_named(tmp_path):
    root = plain_machine(tmp_path)
    file = "etc/systemd/system/sublet-agent.service.d/override.conf"
    write(root, file, "[Service]\n")
    assert f"/{file} (changes Sublet's units)" in installed(root)
    said = uninstalled(root)
    assert f"stays      /{file}: yours, and counts again" in said
    assert "Restart the hub" in said
    assert (root / file).exists()


@NEEDS_ROOT
def test_the_hub_is_not_to_be_restarted_where_it_had_forgotten_sublet(tmp_path):
    root = plain_machine(tmp_path)
    installed(root)
    write(root, "var/lib/sublet/service/ledger.bak", "hours and hours")
    assert "Restart the hub" in uninstalled(root)
    assert "Restart the hub" not in uninstalled(root, "--remove-data")


@NEEDS_ROOT
def test_whether_the_hub_starts_with_the_machine_is_seen(tmp_path):
    root = plain_machine(tmp_path)
    assert "systemctl enable jupyterhub.service" in installed(root, "--port", "9000")
    wants = root / "etc/systemd/system/multi-user.target.wants/jupyterhub.service"
    wants.symlink_to("../jupyterhub.service")
    assert "systemctl enable" not in installed(root, "--port", "9001")


@NEEDS_ROOT
def test_data_is_asked_about_after_the_files_that_the_admin_changed(tmp_path):
    root = plain_machine(tmp_path)
    installed(root)
    write(root, "var/lib/sublet/service/ledger.bak", "hours and hours")
    write(root, "etc/sublet/sublet_agent_config.py", "# mine\n")
    said = run("uninstall", root, answers="y\nn\nn\n").output
    assert 0 < said.index("was changed after it was installed") < said.index("Remove the data")
    assert "ledger.bak" not in said
    assert (root / "var/lib/sublet/service/ledger.bak").exists()


@NEEDS_ROOT
def test_data_stays_with_its_account_unless_it_is_to_be_removed(tmp_path):
    root = plain_machine(tmp_path)
    before = everything_below(root, but=COPIES)
    installed(root)
    write(root, "var/lib/sublet/service/ledger.bak", "hours and hours")
    assert "data" in uninstalled(root)
    assert (root / "var/lib/sublet/service/ledger.bak").read_text() == "hours and hours"
    assert "sublet:" in (root / "etc/passwd").read_text()
    assert not (root / "etc/systemd/system/sublet-hub.service").exists()
    uninstalled(root, "--remove-data")
    assert everything_below(root, but=COPIES) == before


@NEEDS_ROOT
def test_data_that_was_kept_is_found_by_the_next_installation(tmp_path):
    root = plain_machine(tmp_path)
    installed(root)
    write(root, "var/lib/sublet/service/ledger.bak", "hours and hours")
    uninstalled(root)
    installed(root)
    assert (root / "var/lib/sublet/service/ledger.bak").read_text() == "hours and hours"
    entries = json.loads((root / "var/lib/sublet/installed.json").read_text())["made"]
    assert [e["path"] for e in entries if e["kind"] == "account"] == ["sublet"]


@NEEDS_ROOT
def test_somebody_elses_file_is_kept_and_comes_back(tmp_path):
    root = plain_machine(tmp_path)
    write(root, "etc/sublet/jupyterhub_config.py", "# mine\n", 0o600)
    before = everything_below(root, but=COPIES)
    assert "replace" in installed(root)
    uninstalled(root)
    assert everything_below(root, but=COPIES) == before


@NEEDS_ROOT
def test_a_quota_document_that_was_edited_is_left_alone_by_upgrades(tmp_path):
    root = plain_machine(tmp_path)
    installed(root)
    quota = root / "etc/sublet/quota.yaml"
    quota.write_text("pools: {}\n")
    assert "quota.yaml" not in installed(root, "--port", "8902")
    assert quota.read_text() == "pools: {}\n"


def test_without_an_installation_there_is_nothing_to_undo(tmp_path):
    result = run("uninstall", tmp_path, "--yes")
    assert (result.exit_code, "Nothing is installed here" in result.output) == (0, True)


def test_a_manifest_that_cannot_be_read_stops_everything(tmp_path):
    write(tmp_path, "var/lib/sublet/installed.json", "{")
    result = run("uninstall", tmp_path, "--yes")
    assert result.exit_code == 1
    assert "cannot be read" in result.output
