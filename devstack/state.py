"""What a start chose, remembered in the data folder for the next one and for the command line."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class StackState:
    """Ports and addresses of the last start. Empty when there was none."""

    ports: Mapping[str, int] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)


def read_state(data_directory: Path) -> StackState:
    try:
        known = json.loads(_file(data_directory).read_text())
        return StackState(ports=known["ports"], addresses=known["addresses"])
    except (FileNotFoundError, ValueError, KeyError):
        return StackState()


def write_state(data_directory: Path, state: StackState) -> None:
    """Replaces the file as a whole, so that a crash leaves the old one or the new one."""
    unfinished = _file(data_directory).with_suffix(".new")
    unfinished.write_text(json.dumps(asdict(state), indent=2) + "\n")
    unfinished.rename(_file(data_directory))


def _file(data_directory: Path) -> Path:
    return data_directory / "stack.json"
