"""Logging in and out, the own password, the own sessions."""

from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response

from api.console.shell import bare_page, go_to, page
from api.console.visit import (
    COOKIE,
    AnyVisiting,
    Visiting,
    drop_session_cookie,
    new_token,
    own_path,
    set_session_cookie,
    token_hash,
)
from api.dependencies import ApiDependencies, Deps
from api.origin import is_own_origin
from api.passwords import PASSWORD_MAX, PASSWORD_MIN
from api.requests import read_body
from models.errors import InvalidRequest
from models.operator import Operator, OperatorSession
from storage.operators import (
    Credential,
    end_session,
    end_sessions,
    find_credential,
    forget_failures,
    list_sessions,
    open_session,
    record_failure,
    replace_hash,
    set_password,
    waits_until,
)

router = APIRouter(prefix="/console", include_in_schema=False)

# A person mistypes; an office behind one address mistypes more often.
_FREE_TRIES, _FREE_TRIES_OF_ADDRESS = 5, 50
# Longer than any wait that they cost.
_FAILURES_COUNT_FOR = timedelta(hours=1)
_WRONG = "The login or the password is not right."
_LOGIN_MAX = 100
_FORM_MAX, _FIELDS_MAX = 16 * 1024, 10


@router.get("/login")
async def show_login(request: Request) -> Response:
    """The form; `next` is where to go afterwards."""
    return _login_page(request.query_params.get("next", ""))


@router.post("/login")
async def log_in(request: Request, deps: Deps) -> Response:
    """A new session for the right password, after the waits that wrong ones cost."""
    form = await _fields_of(request)
    login, password, path = (form.get(name, "") for name in ("login", "password", "next"))
    login = _as_login(login)
    if not is_own_origin(request, deps):
        return _login_page(path, problem="Please log in from this page.", status_code=403)
    now = deps.clock()
    subjects = (f"login:{login}", f"address:{_address_of(request)}")
    async with deps.database.statement("check login waits") as connection:
        wait = await waits_until(connection, subjects, now=now)
    if wait is not None:
        return _wait_page(path, wait, now)
    operator = await _proven(deps, login, password[: PASSWORD_MAX + 1])
    if operator is None:
        async with deps.database.transaction("count login failure") as connection:
            await record_failure(connection, subjects[0], now=now, free=_FREE_TRIES)
            await record_failure(connection, subjects[1], now=now, free=_FREE_TRIES_OF_ADDRESS)
        return _login_page(path, problem=_WRONG, status_code=401)
    token = await _open(request, deps, operator, now)
    response = go_to("/console/password" if operator.must_change else own_path(path))
    set_session_cookie(response, token, deps)
    return response


@router.post("/logout")
async def log_out(visit: AnyVisiting) -> Response:
    """End this session."""
    async with visit.deps.database.transaction("end session") as connection:
        await end_session(connection, visit.session.token_hash)
    response = go_to("/console/login")
    drop_session_cookie(response, visit.deps)
    return response


@router.get("/password")
async def show_password(visit: AnyVisiting) -> Response:
    """The form for an own password."""
    return await page(visit, "console/password.html", problem=None, least=PASSWORD_MIN)


@router.post("/password")
async def change_password(visit: AnyVisiting) -> Response:
    """A new own password. Every other session of this person ends."""
    deps, operator = visit.deps, visit.operator
    current, new = (str(visit.form.get(name, "")) for name in ("current", "new"))
    problem = _problem_with(operator, new, str(visit.form.get("repeated", "")))
    if problem is None:
        problem = await _problem_with_present(deps, operator, current)
    if problem is None and new == current:
        # Else the password that an admin has seen would become the person's own.
        problem = "Choose another password than the present one."
    if problem is not None:
        return await page(
            visit, "console/password.html", status_code=422, problem=problem, least=PASSWORD_MIN
        )
    hashed = await deps.passwords.hash(new)
    now = deps.clock()
    async with deps.database.transaction("change password") as connection:
        await set_password(connection, operator.id, hashed, must_change=False)
    token = await _open(visit.request, deps, operator, now)
    response = go_to("/console/")
    set_session_cookie(response, token, deps)
    return response


@router.get("/sessions")
async def show_sessions(visit: Visiting) -> Response:
    """Where this person is logged in."""
    async with visit.deps.database.statement("list sessions") as connection:
        sessions = await list_sessions(connection, visit.operator.id, now=visit.deps.clock())
    return await page(visit, "console/sessions.html", sessions=sessions)


@router.post("/sessions/end")
async def end_all_sessions(visit: Visiting) -> Response:
    """Log out everywhere."""
    async with visit.deps.database.transaction("end sessions") as connection:
        await end_sessions(connection, visit.operator.id)
    response = go_to("/console/login")
    drop_session_cookie(response, visit.deps)
    return response


async def _proven(deps: ApiDependencies, login: str, password: str) -> Operator | None:
    """The person, if this is their password. Unknown people take as long as known ones."""
    async with deps.database.statement("find credential") as connection:
        known = await find_credential(connection, login)
    stored = known.password_hash if known else None
    fits = await deps.passwords.verify(stored, password)
    if known is None or not fits or known.operator.disabled_at is not None:
        return None
    if deps.passwords.is_outdated(known.password_hash):
        await _rehash(deps, known, password)
    return known.operator


async def _problem_with_present(
    deps: ApiDependencies, operator: Operator, current: str
) -> str | None:
    """A session alone is no proof, and nobody guesses here faster than at the login."""
    subject, now = f"login:{operator.login}", deps.clock()
    async with deps.database.statement("check login waits") as connection:
        wait = await waits_until(connection, (subject,), now=now)
    if wait is not None:
        return f"Too many wrong passwords: try again in {_seconds_until(wait, now)} s."
    if await _proven(deps, operator.login, current) is not None:
        return None
    async with deps.database.transaction("count login failure") as connection:
        await record_failure(connection, subject, now=now, free=_FREE_TRIES)
    return "The present password is not right."


async def _rehash(deps: ApiDependencies, known: Credential, password: str) -> None:
    """Keep the password under today's parameters: only now is it known."""
    hashed = await deps.passwords.hash(password)
    async with deps.database.transaction("rehash password") as connection:
        await replace_hash(
            connection, known.operator.id, former=known.password_hash, password_hash=hashed
        )


async def _open(request: Request, deps: ApiDependencies, operator: Operator, now: datetime) -> str:
    """A new session instead of the one the browser came with. Gives its token."""
    token = new_token()
    session = OperatorSession(
        operator=operator,
        token_hash=token_hash(token),
        csrf_token=new_token(),
        created_at=now,
        last_seen_at=now,
        expires_at=now + deps.options.session_lifetime,
    )
    async with deps.database.transaction("open session") as connection:
        if former := request.cookies.get(COOKIE):
            await end_session(connection, token_hash(former))
        await open_session(connection, session)
        await forget_failures(
            connection, f"login:{operator.login}", older_than=now - _FAILURES_COUNT_FOR
        )
    return token


async def _fields_of(request: Request) -> dict[str, str]:
    """What was typed. Anybody may send this form, so it is bounded before it is read."""
    raw = await read_body(request, limit=_FORM_MAX)
    try:
        return dict(parse_qsl(raw.content.decode("latin-1"), max_num_fields=_FIELDS_MAX))
    except ValueError as error:
        raise InvalidRequest("the form has too many fields") from error


def _as_login(typed: str) -> str:
    """What was typed, as text that a database can look for."""
    text = typed.encode("utf-8", "replace").decode().replace("\0", "?")
    return text.strip().lower()[:_LOGIN_MAX]


def _problem_with(operator: Operator, new: str, repeated: str) -> str | None:
    if not PASSWORD_MIN <= len(new) <= PASSWORD_MAX:
        return f"Use {PASSWORD_MIN} to {PASSWORD_MAX} characters."
    if new != repeated:
        return "The two new passwords are not the same."
    if operator.login in new.lower():
        return "Leave your login out of it."
    return None


def _login_page(path: str, *, problem: str | None = None, status_code: int = 200) -> Response:
    return bare_page(
        "console/login.html", status_code=status_code, next=own_path(path), problem=problem
    )


def _wait_page(path: str, wait: datetime, now: datetime) -> Response:
    seconds = _seconds_until(wait, now)
    return bare_page(
        "console/login.html",
        status_code=429,
        headers={"retry-after": str(seconds)},
        next=own_path(path),
        problem=f"Too many wrong passwords: try again in {seconds} s.",
    )


def _seconds_until(wait: datetime, now: datetime) -> int:
    return max(1, int((wait - now).total_seconds()) + 1)


def _address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"
