"""What ops can search runs by in Temporal UI. Readable by everybody: nothing personal in here."""

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

PAYMENT_STATUS = SearchAttributeKey.for_keyword("PaymentStatus")
CHANNEL = SearchAttributeKey.for_keyword("Channel")
APP_ID = SearchAttributeKey.for_keyword("AppId")
MERCHANT_ID = SearchAttributeKey.for_keyword("MerchantId")
AMOUNT_MINOR = SearchAttributeKey.for_int("AmountMinor")
CURRENCY = SearchAttributeKey.for_keyword("Currency")

# Name and type as the server's command line wants them: `--search-attribute PaymentStatus=Keyword`.
REGISTERED: dict[str, str] = {
    "PaymentStatus": "Keyword",
    "Channel": "Keyword",
    "AppId": "Keyword",
    "MerchantId": "Keyword",
    "AmountMinor": "Int",
    "Currency": "Keyword",
}


def of_order(
    *, app_id: str, merchant_id: str, amount_minor: int, currency: str
) -> TypedSearchAttributes:
    """The attributes a payment starts with."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(PAYMENT_STATUS, "created"),
            SearchAttributePair(APP_ID, app_id),
            SearchAttributePair(MERCHANT_ID, merchant_id),
            SearchAttributePair(AMOUNT_MINOR, amount_minor),
            SearchAttributePair(CURRENCY, currency),
        ]
    )


def of_refund(
    *, app_id: str, merchant_id: str, channel: str, amount_minor: int, currency: str
) -> TypedSearchAttributes:
    """The attributes a refund starts with; a status of a payment it has not."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(CHANNEL, channel),
            SearchAttributePair(APP_ID, app_id),
            SearchAttributePair(MERCHANT_ID, merchant_id),
            SearchAttributePair(AMOUNT_MINOR, amount_minor),
            SearchAttributePair(CURRENCY, currency),
        ]
    )


def of_day(*, app_id: str, channel: str) -> TypedSearchAttributes:
    """The attributes of a reconciliation or a repair: they have no payment's status."""
    return TypedSearchAttributes(
        [SearchAttributePair(CHANNEL, channel), SearchAttributePair(APP_ID, app_id)]
    )
