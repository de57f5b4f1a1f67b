"""Every refusal Stripe documents, and what it means for the money: one table for each kind.

Sources: docs.stripe.com/declines/codes (decline codes), docs.stripe.com/error-codes (codes) and
docs.stripe.com/api/errors (types and HTTP statuses); read 2026-11-20.
"""

from enum import StrEnum

from channels.stripe.answers import ApiError, Refused
from models.channel import Declined, NotAttempted, Outcome, Unknown


class Meaning(StrEnum):
    """Our decline codes, as far as Stripe's refusals need them."""

    ALREADY_REFUNDED = "already_refunded"
    AUTHENTICATION_FAILED = "authentication_failed"
    AUTHENTICATION_REQUIRED = "authentication_required"
    CARD_DETAILS_WRONG = "card_details_wrong"
    CLOSED = "closed"
    DISPUTED = "disputed"
    EXPIRED = "expired"
    EXPIRED_CARD = "expired_card"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    INVALID_REQUEST = "invalid_request"
    LIMIT_EXCEEDED = "limit_exceeded"
    MISCONFIGURED = "misconfigured"
    PAYER_CODE_INVALID = "payer_code_invalid"
    PAYER_NOT_ALLOWED = "payer_not_allowed"
    REFUSED = "refused"


def _by_name(table: dict[Meaning, str]) -> dict[str, Meaning]:
    return {name: meaning for meaning, names in table.items() for name in names.split()}


# `decline_code` of a card error, or its `code` when the issuer gave no reason. Lost, stolen and
# suspicious cards are plain refusals: Stripe asks that the payer is not told more.
DECLINES = _by_name(
    {
        Meaning.INSUFFICIENT_FUNDS: "insufficient_funds",
        Meaning.LIMIT_EXCEEDED: """
            card_velocity_exceeded withdrawal_count_limit_exceeded invalid_amount""",
        Meaning.EXPIRED_CARD: "expired_card",
        Meaning.AUTHENTICATION_REQUIRED: """
            authentication_required authentication_not_handled
            mobile_device_authentication_required offline_pin_required
            online_or_offline_pin_required""",
        Meaning.AUTHENTICATION_FAILED: """
            payment_intent_authentication_failure payment_intent_payment_attempt_expired
            authentication_failed three_d_secure_authentication_upstream_error""",
        Meaning.CARD_DETAILS_WRONG: """
            incorrect_number invalid_number incorrect_cvc invalid_cvc incorrect_zip
            incorrect_postal_code incorrect_address invalid_expiry_month invalid_expiry_year
            incorrect_pin invalid_pin invalid_account new_account_information_available""",
        Meaning.PAYER_NOT_ALLOWED: """
            card_not_supported currency_not_supported not_permitted service_not_allowed
            transaction_not_allowed three_d_secure_authentication_not_supported""",
        Meaning.REFUSED: """
            approve_with_id call_issuer card_declined card_decline_rate_limit_exceeded
            do_not_honor do_not_try_again duplicate_transaction fraudulent generic_decline
            issuer_not_available lost_card merchant_blacklist no_action_taken
            payment_intent_payment_attempt_failed payment_method_customer_decline
            payment_method_provider_decline pickup_card pin_try_exceeded
            previously_declined_do_not_retry processing_error reenter_transaction
            restricted_card revocation_of_all_authorizations revocation_of_authorization
            security_violation stolen_card stop_payment_order testmode_decline try_again_later""",
    }
)

# `code` of an invalid request to pay: Stripe looked at it and made nothing.
REQUESTS = _by_name(
    {
        Meaning.INVALID_REQUEST: """
            amount_too_small country_unsupported email_invalid invalid_charge_amount
            invalid_characters parameter_invalid_empty parameter_invalid_integer
            parameter_invalid_string_blank parameter_invalid_string_empty parameter_missing
            parameter_unknown parameters_exclusive payment_intent_invalid_parameter
            url_invalid""",
        Meaning.LIMIT_EXCEEDED: """
            amount_too_large charge_exceeds_source_limit charge_exceeds_transaction_limit""",
        Meaning.MISCONFIGURED: """
            account_closed account_invalid capability_not_active livemode_mismatch
            payment_method_unactivated testmode_charges_only tls_version_unsupported""",
        Meaning.PAYER_CODE_INVALID: """
            payment_intent_incompatible_payment_method payment_method_invalid_parameter
            payment_method_invalid_parameter_testmode payment_method_not_available
            payment_method_unexpected_state payment_method_unsupported_type token_already_used
            token_in_use""",
        Meaning.PAYER_NOT_ALLOWED: "payment_method_currency_mismatch payment_method_restricted",
    }
)

# `code` of a refused capture: the hold is gone.
CAPTURES = _by_name(
    {
        Meaning.EXPIRED: "capture_charge_authorization_expired charge_expired_for_capture",
        Meaning.INVALID_REQUEST: """
            amount_too_large amount_too_small invalid_charge_amount parameter_invalid_integer
            parameter_missing parameter_unknown""",
    }
)

# `code` of a refused refund: nothing was given back.
REFUNDS = _by_name(
    {
        Meaning.ALREADY_REFUNDED: "charge_already_refunded",
        Meaning.DISPUTED: "charge_disputed refund_disputed_payment",
        Meaning.INSUFFICIENT_FUNDS: "balance_insufficient insufficient_funds",
        Meaning.INVALID_REQUEST: """
            amount_too_large amount_too_small charge_not_refundable invalid_charge_amount
            parameter_invalid_integer parameter_missing parameter_unknown""",
    }
)

# Stripe knows the key and lets it do nothing, or does not know it: it looked at nothing else.
_TURNED_AWAY = frozenset({401, 403})
# A request with the same key is still being worked on, or too many came at once.
SAY_NOTHING = frozenset({409, 429})
CARD_REFUSED = 402
_BAD_REQUEST = 400
_NOT_FOUND = 404

UNEXPECTED_STATE = frozenset(
    {"payment_intent_unexpected_state", "charge_already_captured", "intent_invalid_state"}
)


def card_decline(error: ApiError) -> Declined | None:
    """The refusal of a card, as `error` tells it; None when it tells something else.

    An issuer's new reason for saying no is still a no; another error we do not know is not.
    """
    known = DECLINES.get(error.decline_code or "") or DECLINES.get(error.code or "")
    if known is None and error.type == "card_error":
        known = Meaning.REFUSED
    return _declined(known, error) if known else None


def payment_refused(refused: Refused) -> Outcome:
    """The outcome of a refused request to pay that left no intent behind."""
    error = refused.error
    missing = error.code == "resource_missing" and error.param == "payment_method"
    if missing and refused.status in {_BAD_REQUEST, _NOT_FOUND}:
        return _declined(Meaning.PAYER_CODE_INVALID, error)
    return request_refused(refused, REQUESTS)


def request_refused(refused: Refused, table: dict[str, Meaning]) -> Outcome:
    """The outcome of a refused request by `table`; a code it does not list is Unknown.

    Many invalid requests have no code at all, only words: those were refused for what is in them.
    The same key with other fields, one still being worked on (409) and too many at once (429) say
    nothing about what the first one did.
    """
    error = refused.error
    if refused.status in _TURNED_AWAY:
        return NotAttempted(
            detail=f"Stripe refused the account's key (HTTP {refused.status})",
            channel_code=error.channel_code or f"HTTP {refused.status}",
        )
    if refused.status == _BAD_REQUEST and error.type == "invalid_request_error":
        meaning = table.get(error.code) if error.code else Meaning.INVALID_REQUEST
        if meaning is not None:
            return _declined(meaning, error)
    return unsettled(refused)


def unsettled(refused: Refused) -> Unknown:
    """A refusal that says nothing about the money."""
    said = refused.error.channel_code or refused.error.type
    return Unknown(
        detail=f"HTTP status {refused.status}: {refused.error.words}",
        channel_code=said if said else f"HTTP {refused.status}",
    )


def _declined(meaning: Meaning, error: ApiError) -> Declined:
    return Declined(
        code=meaning.value,
        detail=error.words,
        channel_code=error.channel_code or error.type[:200],
    )
