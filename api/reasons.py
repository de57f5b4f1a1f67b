"""Why somebody does something to what is not theirs."""

from api.requests import invalid
from models.errors import Problem
from models.merchant import Caller


def check_reason(caller: Caller, reason: str | None) -> None:
    """Raises InvalidRequest for anybody but the app who gives none: a payment is the app's."""
    if caller.app_id is None and reason is None:
        detail = "say why: the payment is the app's"
        raise invalid(Problem(pointer="#/reason", code="required", detail=detail))
