"""Ports for the stack: wished for, remembered from the last time, or chosen free."""

import random
import socket
from collections.abc import Iterable, Mapping

_HOST = "127.0.0.1"
# Below what Linux hands out to outgoing connections (32768 and up), so that nobody takes the port
# of a program while it restarts; above what people run by hand.
_RANGE = range(20_000, 32_000)
_TRIES = 1_000


class PortTaken(Exception):
    """A port that was asked for by name belongs to somebody else."""


def choose_ports(
    names: Iterable[str], *, wished: Mapping[str, int], remembered: Mapping[str, int]
) -> dict[str, int]:
    """A free port for each of `names`.

    A wished port is used or PortTaken is raised; a remembered one is used while it is still free.
    """
    chosen: dict[str, int] = {}
    for name in names:
        wish = wished.get(name, 0)
        if wish and not is_free(wish):
            raise PortTaken(f"port {wish}, wanted for {name}, is in use by another program")
        chosen[name] = wish or _usable(remembered.get(name, 0), chosen) or _free_port(chosen)
    return chosen


def is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_HOST, port))
        except OSError:
            return False
        return True


def _usable(port: int, chosen: Mapping[str, int]) -> int:
    return port if port and port not in chosen.values() and is_free(port) else 0


def _free_port(chosen: Mapping[str, int]) -> int:
    for _ in range(_TRIES):
        port = random.choice(_RANGE)  # noqa: S311 - any free port will do
        if port not in chosen.values() and is_free(port):
            return port
    raise PortTaken(f"no free port found between {_RANGE.start} and {_RANGE.stop}")
