"""Ports are free when chosen, stay the same between starts, and may be fixed."""

import socket

import pytest

from devstack.ports import PortTaken, choose_ports, is_free


def test_every_name_gets_a_free_port_of_its_own() -> None:
    chosen = choose_ports(["api", "sandbox", "postgres"], wished={}, remembered={})

    assert len(set(chosen.values())) == 3
    assert all(is_free(port) for port in chosen.values())


def test_a_remembered_port_is_used_again_while_it_is_free() -> None:
    before = choose_ports(["api"], wished={}, remembered={})

    assert choose_ports(["api"], wished={}, remembered=before) == before


def test_a_remembered_port_that_somebody_took_is_chosen_anew() -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        taken = somebody.getsockname()[1]

        chosen = choose_ports(["api"], wished={}, remembered={"api": taken})

    assert chosen["api"] != taken


def test_two_names_that_remember_the_same_port_do_not_share_it() -> None:
    free = choose_ports(["api"], wished={}, remembered={})["api"]

    chosen = choose_ports(["api", "ui"], wished={}, remembered={"api": free, "ui": free})

    assert chosen["api"] != chosen["ui"]


def test_a_fixed_port_that_somebody_took_is_an_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        taken = somebody.getsockname()[1]

        with pytest.raises(PortTaken, match=rf"{taken}, wanted for api"):
            choose_ports(["api"], wished={"api": taken}, remembered={})
