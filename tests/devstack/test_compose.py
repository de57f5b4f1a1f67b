"""docker-compose.yml and .env.example keep step with the settings, and Compose reads them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from settings import Settings

_PROJECT = Path(__file__).resolve().parents[2]
_COMPOSE = _PROJECT / "docker-compose.yml"
_EXAMPLE = _PROJECT / ".env.example"
_PREFIX = "PAYCENTER_"
_KNOWN = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields}
_REQUIRED = {
    f"{_PREFIX}{name.upper()}" for name, f in Settings.model_fields.items() if f.is_required()
}
# Every process of ours needs the address of Temporal even though a laptop has a default for it.
_NEEDED = _REQUIRED | {"PAYCENTER_TEMPORAL_ADDRESS", "PAYCENTER_PUBLIC_URL"}


def _services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(_COMPOSE.read_text())["services"]
    return services


def _ours() -> dict[str, Any]:
    return {n: service for n, service in _services().items() if service["image"] == "paycenter"}


@pytest.mark.parametrize("path", [_COMPOSE, _EXAMPLE], ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    named = set(re.findall(r"PAYCENTER_[A-Z_]+", path.read_text()))

    assert named - _KNOWN == set()


@pytest.mark.parametrize("service", sorted(_ours()))
def test_every_setting_that_a_process_needs_is_given_to_it(service: str) -> None:
    given = set(_ours()[service]["environment"])

    assert _NEEDED - given == set()


def test_every_variable_that_must_be_set_is_in_the_example() -> None:
    demanded = set(re.findall(r"\$\{([A-Z_]+):\?", _COMPOSE.read_text()))
    listed = set(re.findall(r"^([A-Z_]+)=$", _EXAMPLE.read_text(), re.MULTILINE))

    assert demanded == listed


def test_no_secret_has_a_default() -> None:
    defaults = re.findall(r"\$\{([A-Z_]*(?:PASSWORD|KEYS|TOKEN)):-", _COMPOSE.read_text())

    assert defaults == []


def test_every_port_is_bound_to_the_loopback() -> None:
    ports = [port for service in _services().values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_everything_that_keeps_running_says_whether_it_is_well() -> None:
    lasting = {n: s for n, s in _services().items() if s.get("restart") == "unless-stopped"}

    assert {n for n, service in lasting.items() if "healthcheck" not in service} == {"temporal-ui"}


@pytest.mark.skipif(
    shutil.which("docker-compose") is None,
    reason="docker-compose is not installed (Debian: apt install docker-compose)",
)
def test_docker_compose_reads_the_file_once_the_example_is_filled_in(tmp_path: Path) -> None:
    filled = re.sub(r"^([A-Z_]+)=$", r"\1=something", _EXAMPLE.read_text(), flags=re.MULTILINE)
    (tmp_path / "filled.env").write_text(filled)
    command = ["docker-compose", "--file", str(_COMPOSE)]

    read = subprocess.run(
        [*command, "--env-file", str(tmp_path / "filled.env"), "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        cwd=_PROJECT,
    )
    refused = subprocess.run(
        [*command, "--env-file", str(_EXAMPLE), "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        cwd=_PROJECT,
    )

    assert (read.returncode, read.stderr) == (0, "")
    assert "mandatory value" in refused.stderr
