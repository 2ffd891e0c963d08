"""Ports of the parts on one machine: nobody else is given them before the parts listen."""

import socket

from sublet_hub.one_machine.ports import held_ports, is_taken

from tests.support.ports import is_kept_for_its_server, ports_of_this_process


def test_every_port_is_kept_for_its_part_and_free_again_afterwards() -> None:
    with held_ports() as ports:
        kept = {ports.public, ports.hub, ports.proxy_api, ports.service}
        assert len(kept) == 4
        assert all(is_kept_for_its_server(port) for port in kept)
        assert kept <= ports_of_this_process()
    # Free for anybody: another process may have been given one already.
    assert not kept & ports_of_this_process()


def test_a_port_that_a_person_named_is_theirs() -> None:
    with held_ports(8000) as ports:
        assert ports.public == 8000
        assert all(is_kept_for_its_server(p) for p in (ports.hub, ports.proxy_api, ports.service))


def test_a_port_is_taken_while_somebody_listens_there_and_not_while_it_is_only_kept() -> None:
    with held_ports() as ports:
        assert not is_taken(ports.public)
        with socket.create_server(("127.0.0.1", ports.public)):
            assert is_taken(ports.public)
