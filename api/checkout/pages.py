"""The pages of the cash desk: templates, texts in both languages, and headers."""

from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.checkout.language import LANGUAGES, Language
from api.checkout.language import language as language_of
from api.static import static_url
from models.channel import SubmitForm

_TEMPLATES = Path(__file__).parent.parent / "pages"

# Why a try brought nothing, as the payer reads it. Other codes are simply a refusal.
REASONS = {
    "insufficient_funds": "There is not enough money on this account or card.",
    "card_declined": "The bank that issued the card declined it.",
    "authentication_failed": "The bank could not make sure that it is you.",
    "expired_card": "The card has expired.",
    "closed": "The payment was closed on the channel's page.",
    "no_route": "This way to pay is not available right now.",
    "channel_unreachable": "This way to pay cannot be reached right now.",
    "risk_refused": "This payment cannot be taken.",
}
REFUSED = "The payment was refused."
# What methods are called, apart from their own titles, belongs to their channel.
_HEADERS = {
    "cache-control": "no-store",
    # Our own forms say where they come from; nobody else learns the address of a cash desk.
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
}


def headers(form_to: SubmitForm | None = None) -> dict[str, str]:
    """Nothing is loaded from elsewhere; a form goes to us, or to the one channel it is for."""
    forms = "'self'"
    if form_to is not None:
        target = urlsplit(form_to.url)
        forms = f"'self' {target.scheme}://{target.netloc}"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src 'self'; form-action {forms}; frame-ancestors 'none'; base-uri 'none'"
    )
    return _HEADERS | {"content-security-policy": policy}


def page(
    template: str,
    language: Language,
    *,
    status_code: int = 200,
    form_to: SubmitForm | None = None,
    **context: object,
) -> Response:
    """One page in one language."""
    shown = _environment(language.code).get_template(template)
    return HTMLResponse(
        shown.render(language=language, languages=LANGUAGES, **context),
        status_code=status_code,
        headers=headers(form_to) | {"content-language": language.html},
    )


def reason(code: str, language: Language) -> str:
    return language.gettext(REASONS.get(code, REFUSED))


@cache
def _environment(code: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    translations = language_of(code).translations
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]  # added by the extension
    environment.globals["static_url"] = static_url
    return environment
