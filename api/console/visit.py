"""A person's request to the console: who it is, that it is theirs, and what they may see."""

import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from starlette.datastructures import FormData, UploadFile

from api.console.calls import ApiCalls
from api.dependencies import ApiDependencies, Deps
from api.errors import request_id_of
from api.origin import is_own_origin
from models.merchant import Caller, Role
from models.operator import Operator, OperatorSession
from storage.operators import read_session, set_flash, touch_session

COOKIE = "paycenter_session"
CSRF_FIELD = "csrf_token"
_TOKEN_BYTES = 32
# Being seen is written down at most this often: a page costs no write.
_SEEN_EVERY = timedelta(minutes=1)
_READING = frozenset({"GET", "HEAD"})
# Of forms without a file; the API bounds files itself.
_FIELDS_MAX, _FILES_MAX = 200, 1


class LoginNeeded(Exception):
    """Nobody is logged in, or not any more; `path` is where they wanted to go."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class PasswordChangeNeeded(Exception):
    """The password was made by us: nothing else works before it is changed."""


class NotFromHere(Exception):
    """A form that does not come from a page of this session."""


@dataclass(frozen=True)
class Visit:
    """One request of a person who is logged in."""

    request: Request
    deps: ApiDependencies
    session: OperatorSession
    api: ApiCalls
    form: FormData

    @property
    def operator(self) -> Operator:
        return self.session.operator

    def may(self, *roles: Role) -> bool:
        """Whether the person has one of `roles`: for what to show. The API decides."""
        return self.operator.role in roles

    def text(self, name: str) -> str:
        """A field of the form, or of the query; empty when it was not given."""
        value = self.form.get(name, self.request.query_params.get(name, ""))
        return value.strip() if isinstance(value, str) else ""

    def given(self, *names: str) -> dict[str, str]:
        """Those of the fields that say something."""
        return {name: self.text(name) for name in names if self.text(name)}

    async def file(self, name: str) -> bytes:
        """The content of an uploaded file; nothing when there is none."""
        value = self.form.get(name)
        return await value.read() if isinstance(value, UploadFile) else b""

    async def flash(self, message: str) -> None:
        """Say something once, on the next page."""
        async with self.deps.database.transaction("keep flash") as connection:
            await set_flash(connection, self.session.token_hash, (message,))


async def visit_of(request: Request, deps: Deps) -> AsyncIterator[Visit]:
    """Raises LoginNeeded, PasswordChangeNeeded, or NotFromHere for a form that is not ours."""
    try:
        visit = await _visit(request, deps)
        if visit.operator.must_change:
            raise PasswordChangeNeeded
        yield visit
    finally:
        await request.close()  # files of a form lie in the file system until then


async def any_visit_of(request: Request, deps: Deps) -> AsyncIterator[Visit]:
    """Like `visit_of`, also before an own password was set."""
    try:
        yield await _visit(request, deps)
    finally:
        await request.close()


async def _visit(request: Request, deps: ApiDependencies) -> Visit:
    session = await _session_of(request, deps)
    if session is None:
        raise LoginNeeded(wanted_path(request))
    form = FormData()
    if request.method not in _READING:
        form = await request.form(max_fields=_FIELDS_MAX, max_files=_FILES_MAX)
        sent = form.get(CSRF_FIELD)
        fits = isinstance(sent, str) and hmac.compare_digest(
            sent.encode(), session.csrf_token.encode()
        )
        if not fits or not is_own_origin(request, deps):
            raise NotFromHere
    caller = Caller(key_id=session.operator.id, role=session.operator.role)
    calls = ApiCalls(request.app, caller, request_id=request_id_of(request))
    return Visit(request=request, deps=deps, session=session, api=calls, form=form)


Visiting = Annotated[Visit, Depends(visit_of)]
AnyVisiting = Annotated[Visit, Depends(any_visit_of)]


async def _session_of(request: Request, deps: ApiDependencies) -> OperatorSession | None:
    token = request.cookies.get(COOKIE, "")
    if not token:
        return None
    now = deps.clock()
    async with deps.database.statement("read session") as connection:
        session = await read_session(
            connection, token_hash(token), now=now, idle=deps.options.session_idle
        )
        if session is not None and now - session.last_seen_at >= _SEEN_EVERY:
            await touch_session(connection, session.token_hash, now)
    return session


def new_token() -> str:
    """43 characters of base64url."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def set_session_cookie(response: Response, token: str, deps: ApiDependencies) -> None:
    response.set_cookie(
        COOKIE,
        token,
        path="/console",
        httponly=True,
        # Lax: a link from a mail finds the person logged in. Forms have their token.
        samesite="lax",
        secure=_is_https(deps),
        max_age=int(deps.options.session_lifetime.total_seconds()),
    )


def drop_session_cookie(response: Response, deps: ApiDependencies) -> None:
    response.delete_cookie(
        COOKIE, path="/console", httponly=True, samesite="lax", secure=_is_https(deps)
    )


def wanted_path(request: Request) -> str:
    """Where a person wanted to go, to be led there after the login. Only pages are."""
    if request.method not in _READING:
        return "/console/"
    query = f"?{request.url.query}" if request.url.query else ""
    return request.url.path + query


def own_path(text: str) -> str:
    """`text` if it is a path of the console, else its start: nobody is led elsewhere."""
    parts = urlsplit(text)
    is_ours = (
        text.startswith("/console/")
        and not parts.scheme
        and not parts.netloc
        and "\\" not in text
        and text.isprintable()
        and "/../" not in f"{parts.path}/"
    )
    return text if is_ours else "/console/"


def _is_https(deps: ApiDependencies) -> bool:
    return deps.options.public_url.startswith("https://")
