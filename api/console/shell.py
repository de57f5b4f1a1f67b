"""How console pages look: one frame with navigation, filters for money and time, safe headers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlencode

from fastapi import Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from api.console.visit import Visit
from api.static import static_url
from models.merchant import Role
from models.money import exponent_of
from storage.operators import set_flash

_TEMPLATES = Path(__file__).parent.parent / "pages"

PAGE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
}


@dataclass(frozen=True)
class Item:
    """One entry of the navigation, for those who may go there."""

    label: str
    path: str
    roles: tuple[Role, ...] = (Role.OPS, Role.FINANCE, Role.ADMIN)


NAVIGATION: tuple[tuple[str, tuple[Item, ...]], ...] = (
    (
        "Operations",
        (
            Item("Overview", "/console/"),
            Item("Payments", "/console/payments"),
            Item("Queues", "/console/queues"),
            Item("Approvals", "/console/approvals"),
            Item("Notifications", "/console/notifications"),
            Item("Channels", "/console/channels"),
        ),
    ),
    (
        "Finance",
        (
            Item("Reconciliation", "/console/reconciliation"),
            Item("Discrepancies", "/console/discrepancies"),
            Item("Balances", "/console/balances"),
        ),
    ),
    (
        "Accounts",
        (
            Item("Apps", "/console/apps", (Role.ADMIN,)),
            Item("Merchants", "/console/merchants", (Role.ADMIN,)),
            Item("Channel accounts", "/console/accounts", (Role.ADMIN,)),
            Item("Keys", "/console/keys", (Role.ADMIN,)),
            Item("People", "/console/people", (Role.ADMIN,)),
            Item("Changes", "/console/changes", (Role.ADMIN,)),
        ),
    ),
)


async def page(
    visit: Visit, template: str, *, status_code: int = 200, **context: object
) -> Response:
    """A page for a person who is logged in, with what the last action had to say."""
    flash = visit.session.flash
    if flash:
        async with visit.deps.database.transaction("forget flash") as connection:
            await set_flash(connection, visit.session.token_hash, ())
    shown = render(
        template,
        visit=visit,
        flash=flash,
        navigation=_navigation(visit),
        path=visit.request.url.path,
        now=visit.deps.clock(),
        **context,
    )
    return HTMLResponse(shown, status_code=status_code, headers=PAGE_HEADERS)


def bare_page(
    template: str,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: object,
) -> Response:
    """A page for nobody in particular: the login, and errors before it."""
    shown = render(template, **context)
    return HTMLResponse(shown, status_code=status_code, headers=PAGE_HEADERS | dict(headers or {}))


def go_to(path: str) -> Response:
    """After a form: the browser gets the page with GET, so that a reload repeats nothing."""
    return RedirectResponse(path, status_code=303, headers=PAGE_HEADERS)


def render(template: str, **context: object) -> str:
    """A template of `api/pages` with everything in it escaped."""
    return _ENVIRONMENT.get_template(template).render(**context)


def _navigation(visit: Visit) -> list[tuple[str, list[Item]]]:
    shown = [
        (title, [item for item in items if visit.may(*item.roles)]) for title, items in NAVIGATION
    ]
    return [(title, items) for title, items in shown if items]


# ---- filters ----------------------------------------------------------------------------------


def money_text(amount_minor: int | None, currency: str) -> str:
    """`1,234.50 CNY`, with the digits the currency has."""
    if amount_minor is None:
        return "–"
    digits = exponent_of(currency)
    return f"{Decimal(amount_minor).scaleb(-digits):,.{digits}f} {currency}"


def when(value: datetime | str | None) -> Markup:
    """An instant, to the second and in UTC, as a machine can read it too."""
    instant = _instant(value)
    if instant is None:
        return Markup("–")
    return Markup('<time datetime="{}">{}</time>').format(
        instant.isoformat(), f"{instant:%Y-%m-%d %H:%M:%S}"
    )


def ago(value: datetime | str | None, now: datetime) -> str:
    """How long ago, or in how long, in the largest unit that says enough."""
    instant = _instant(value)
    if instant is None:
        return "–"
    seconds = (now - instant).total_seconds()
    text = _span(abs(seconds))
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def _instant(value: datetime | str | None) -> datetime | None:
    if not value:
        return None
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    return instant.astimezone(UTC)


def words(code: str) -> str:
    """`requires_action` as people read it."""
    return code.replace("_", " ").replace("-", " ")


def with_query(path: str, query: Mapping[str, object], **changes: object) -> str:
    """`path` with the query as it is and some of it changed; what is None or empty goes."""
    merged = {**query, **changes}
    given = {name: value for name, value in merged.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"money": money_text, "when": when, "ago": ago, "words": words}
    environment.globals |= {"static_url": static_url, "with_query": with_query}
    return environment


_ENVIRONMENT = _environment()
