"""What the control API answers when it cannot do as it is told."""

import contextlib
from collections.abc import Iterator

from sandbox.desk import Refused


class Refusal(Exception):
    """A control request that cannot be done, as it is answered."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code = status, code


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Says to the caller why a provider refused a step."""
    try:
        yield
    except Refused as refused:
        raise Refusal(409, "not-payable", refused.reason) from None
