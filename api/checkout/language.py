"""The two languages of the cash desk, and how each writes money and time."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.core import negotiate_locale
from babel.dates import format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency
from babel.support import NullTranslations, Translations

from models.money import Money

LANGUAGES: Final = ("en", "zh")
_CATALOGS = Path(__file__).parent.parent / "pages" / "locale"
_HTML = {"en": "en", "zh": "zh-Hans"}
_LOCALE = {"en": "en", "zh": "zh_Hans_CN"}
_ACCEPTED_MAX = 10


class Language:
    """One language: its texts, and how it writes money."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.html = _HTML[code]
        self.translations = _translations(code)

    @property
    def gettext(self) -> Callable[[str], str]:
        return self.translations.gettext

    def money(self, money: Money) -> str:
        """`¥19.99`, as people who read this language write it."""
        return format_currency(money.to_decimal(), money.currency, locale=_LOCALE[self.code])

    def instant(self, value: datetime) -> str:
        """A day and a time of it, in UTC: the page turns it into the payer's own."""
        return f"{format_datetime(value, 'medium', locale=_LOCALE[self.code])} UTC"


@cache
def language(code: str) -> Language:
    return Language(code)


def choose_language(*, asked: str | None, kept: str | None, accepted: str) -> Language:
    """What the payer asked for, else what they asked for before, else what the browser prefers."""
    for code in (asked, kept):
        if code in LANGUAGES:
            return language(code)
    return language(negotiate_locale(_preferred(accepted), LANGUAGES, sep="-") or "en")


def _preferred(header: str) -> Sequence[str]:
    """The languages of an Accept-Language header, the dearest first."""
    weighed = []
    for part in header.split(",")[:_ACCEPTED_MAX]:
        tag, _, quality = part.replace(" ", "").partition(";q=")
        base = tag.strip().split("-")[0].lower()
        if base.isalpha() and _weight(quality) > 0:
            weighed.append((_weight(quality), base))
    return [base for _, base in sorted(weighed, key=lambda pair: -pair[0])]


def _weight(quality: str) -> Decimal:
    digits = quality.replace(".", "", 1)
    return Decimal(quality) if digits.isascii() and digits.isdigit() else Decimal(1)


def _translations(code: str) -> NullTranslations:
    """Texts are written in English; the others are catalogs beside the templates."""
    if code == "en":
        return NullTranslations()
    with (_CATALOGS / code / "LC_MESSAGES" / "checkout.po").open("rb") as source:
        catalog = read_po(source, locale=code)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Translations(compiled)
