"""The settings of the stack that a data folder keeps, for commands that look into it."""

from pathlib import Path

from devstack.plan import External, StackPlan
from devstack.postgres import EmbeddedPostgres
from devstack.secret_file import read_secrets
from devstack.state import read_state
from models.errors import Unavailable
from settings import Settings

_PREFIX = "PAYCENTER_"


def settings_of(data_directory: Path) -> Settings:
    """What its API and workers run with. Raises Unavailable when no stack was ever started."""
    folder = data_directory.resolve()
    ports = read_state(folder).ports
    if "postgres" not in ports:
        raise Unavailable(f"there is no stack in {folder}")
    plan = StackPlan(
        data_directory=folder,
        ports=ports,
        secrets=read_secrets(folder / "secrets.env"),
        overrides={},
        external=External(),
    )
    server = EmbeddedPostgres(folder / "postgres", ports["postgres"])
    environment = plan.application_environment(server.app_url)
    named = {
        name.removeprefix(_PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(_PREFIX)
    }
    return Settings.model_validate(
        {name: value for name, value in named.items() if name in Settings.model_fields}
    )
