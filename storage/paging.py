"""Cursors: where the next page of a list begins. Opaque to callers, newest first."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime

from models.errors import InvalidRequest, Problem


@dataclass(frozen=True)
class Cursor:
    """The last row of a page: the next one begins behind it."""

    created_at: datetime
    id: str

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(
            f"{self.created_at.isoformat()} {self.id}".encode()
        ).decode()

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises InvalidRequest for anything we did not make."""
        try:
            plain = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True).decode()
            instant, _, identifier = plain.partition(" ")
            created_at = datetime.fromisoformat(instant)
        except (binascii.Error, ValueError):
            raise _not_a_cursor() from None
        if created_at.tzinfo is None or not identifier or "\x00" in identifier:
            raise _not_a_cursor()
        return cls(created_at=created_at, id=identifier)


def _not_a_cursor() -> InvalidRequest:
    problem = Problem(
        pointer="#/cursor",
        code="cursor-invalid",
        detail="use next_cursor of the page before, unchanged",
    )
    return InvalidRequest("the cursor is not one of ours", problems=(problem,))
