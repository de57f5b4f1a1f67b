"""What goes wrong in the console, as pages."""

from urllib.parse import quote

from fastapi import FastAPI, Request, Response

from api.console.calls import ApiRefused
from api.console.shell import bare_page, go_to
from api.console.visit import LoginNeeded, NotFromHere, PasswordChangeNeeded, own_path
from api.errors import request_id_of

_HINTS = {
    403: "Your role may not do this. Ask an admin.",
    404: "It may have been typed wrongly, or it is not there any more.",
    409: "Somebody or something was faster. Look at it again.",
    503: "Something we need is down. Nothing was lost; try again in a moment.",
}


def answer_errors(app: FastAPI) -> None:
    """Let `app` answer what the console raises."""
    app.add_exception_handler(LoginNeeded, _on_login_needed)
    app.add_exception_handler(PasswordChangeNeeded, _on_password_change)
    app.add_exception_handler(NotFromHere, _on_foreign_form)
    app.add_exception_handler(ApiRefused, _on_refused)


def error_page(request: Request, *, status: int, title: str, detail: str) -> Response:
    """One page for every error of the console."""
    return bare_page(
        "console/error.html",
        status_code=status,
        status=status,
        title=title,
        detail=detail,
        hint=_HINTS.get(status, ""),
        request_id=request_id_of(request),
        errors=(),
    )


async def _on_login_needed(request: Request, error: Exception) -> Response:
    assert isinstance(error, LoginNeeded)  # noqa: S101 - registered for this class alone
    path = own_path(error.path)
    suffix = "" if path == "/console/" else f"?next={quote(path)}"
    return go_to(f"/console/login{suffix}")


async def _on_password_change(request: Request, error: Exception) -> Response:
    return go_to("/console/password")


async def _on_foreign_form(request: Request, error: Exception) -> Response:
    return error_page(
        request,
        status=403,
        title="This form is not from here",
        detail="The page it was sent from is too old, or was not ours. Load it again.",
    )


async def _on_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiRefused)  # noqa: S101 - registered for this class alone
    problem = error.problem
    # A role that may not is told apart from a key that is not: 401 would end the session.
    status = 403 if error.status == 401 else error.status  # noqa: PLR2004 - HTTP's own number
    return bare_page(
        "console/error.html",
        status_code=status,
        status=status,
        title=problem.get("title", "Refused"),
        detail=problem.get("detail", ""),
        hint=_HINTS.get(status, ""),
        request_id=problem.get("request_id", ""),
        errors=problem.get("errors", ()),
    )
