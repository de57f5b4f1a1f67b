"""Rules of the house that a tool can see, beyond the import contracts."""

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from channels.http import ChannelHttp
from channels.registry import build_registry

ROOT = Path(__file__).parent.parent.parent
PACKAGES = (
    "activities", "api", "channels", "domain", "engine", "models", "observability", "storage",
    "workflows",
)  # fmt: skip
ALL_CODE = (*PACKAGES, "sandbox", "devstack", "bench", "tests")
LINES_MAX = 400
# Where a fraction is a duration in seconds or a share of load, never money.
FLOATS_ALLOWED = {"observability", "engine"}


def _files(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("file", list(_files(*ALL_CODE)), ids=lambda f: str(f.relative_to(ROOT)))
def test_no_file_is_longer_than_it_can_be_read(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= LINES_MAX


def test_packages_are_marked_by_empty_files() -> None:
    marked = [file for file in _files(*ALL_CODE) if file.name == "__init__.py"]

    assert [file for file in marked if file.read_text()] == []


def test_nothing_is_named_after_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "core", "misc", "manager"}

    assert [file for file in _files(*ALL_CODE) if file.stem in vague] == []


def test_money_is_never_a_float() -> None:
    """Looks at every annotation and call that puts `float` next to a name of an amount."""
    found = [
        f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        for file in _files(*(p for p in PACKAGES if p not in FLOATS_ALLOWED))
        for node in ast.walk(ast.parse(file.read_text()))
        if _is_float_money(node)
    ]

    assert found == []


def _is_float_money(node: ast.AST) -> bool:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return _names_money(node.target.id) and "float" in ast.unparse(node.annotation)
    if isinstance(node, ast.arg) and node.annotation is not None:
        return _names_money(node.arg) and "float" in ast.unparse(node.annotation)
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "float":
        return any(_names_money(ast.unparse(argument)) for argument in node.args)
    return False


def _names_money(name: str) -> bool:
    return any(word in name.lower() for word in ("amount", "minor", "money", "fee", "balance"))


def test_every_adapter_is_registered_simulated_and_tested() -> None:
    adapters = _adapters()
    http = ChannelHttp(connect_timeout=timedelta(seconds=1), read_timeout=timedelta(seconds=1))

    assert set(build_registry(http).names()) == adapters
    for name in adapters:
        assert (ROOT / "sandbox" / name).exists() or (ROOT / "sandbox" / f"{name}.py").exists()
        assert (ROOT / "tests" / "contract" / "sides" / f"{name}.py").exists()


def test_adapters_know_no_other_adapter_and_nobody_above_knows_one() -> None:
    """What pyproject.toml says of those it names, said of every adapter there will be."""
    found = [
        f"{file.relative_to(ROOT)} knows {name}"
        for name in _adapters()
        for file in _files("channels", "activities", "api", "workflows", "domain", "storage")
        if f"channels.{name}" in file.read_text()
        and not file.is_relative_to(ROOT / "channels" / name)
        and file != ROOT / "channels" / f"{name}.py"
    ]

    assert found == []


def _adapters() -> set[str]:
    shared = {"__init__", "__pycache__", "base", "http", "registry"}
    found = {p.stem for p in (ROOT / "channels").iterdir() if p.suffix == ".py" or p.is_dir()}
    return found - shared


def test_only_the_entry_points_read_the_environment() -> None:
    readers = [
        str(file.relative_to(ROOT))
        for file in _files(*PACKAGES)
        if "os.environ" in file.read_text() or "getenv" in file.read_text()
    ]

    assert readers == []


def test_workflows_never_choose_their_own_timeouts() -> None:
    """Timeouts and retries live in `workflows/options.py`, each with its reason."""
    found = [
        f"{file.name}:{number}"
        for file in _files("workflows")
        if file.name != "options.py"
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if "_to_close_timeout=" in line or "RetryPolicy(" in line
    ]

    assert found == []
