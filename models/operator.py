"""People who work in the console: who they are, and what a login gives them."""

from datetime import datetime

from pydantic import Field

from models.channel import Frozen
from models.merchant import Role


class Operator(Frozen):
    """A person. `must_change`: the password was made by us and opens nothing but its own change."""

    id: str
    login: str
    name: str
    role: Role
    must_change: bool
    created_at: datetime
    disabled_at: datetime | None = None


class OperatorSession(Frozen):
    """One browser in which a person is logged in. `csrf_token` goes into its forms."""

    operator: Operator
    token_hash: bytes = Field(repr=False)
    csrf_token: str = Field(repr=False)
    flash: tuple[str, ...] = ()
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
