"""Every refusal Alipay documents for money that is held first, and what it means.

Sources: error enums of the fund auth operations and of alipay.trade.pay in the v3 models of
alipay-sdk-php-all (OpenAPI document of 2025-12-15), read 2026-11-21.
"""

from channels.alipay.errors import (
    BUSINESS_CODE,
    Meaning,
    bare,
    by_name,
    is_missing_permission,
    meaning_of,
    outcome_of,
)
from models.channel import Outcome

# Of a freeze, and of a code to freeze with. UNIQUE_VIOLATION, FREEZE_ALREADY_SUCCESS and
# ORDER_ALREADY_FINISH say that this number is known, and may hold money: a query tells.
_FREEZE: dict[Meaning, str] = {
    Meaning.UNSETTLED: """
        SYSTEM_ERROR UNIQUE_VIOLATION FREEZE_ALREADY_SUCCESS ORDER_ALREADY_FINISH""",
    Meaning.CLOSED: "ORDER_ALREADY_CLOSED",
    Meaning.INSUFFICIENT_FUNDS: "MONEY_NOT_ENOUGH NO_PAYMENT_INSTRUMENTS_AVAILABLE",
    Meaning.INVALID_REQUEST: """
        ILLEGAL_ARGUMENT EXIST_FORBIDDEN_WORD CURRENCY_VERIFICATION_FAIL
        FOREX_ID_VERIFICATION_FAIL""",
    Meaning.LIMIT_EXCEEDED: "UNSUPPORT_ORDER_AMOUNT PRODUCT_AMOUNT_LIMIT_ERROR",
    Meaning.MISCONFIGURED: """
        ACCESS_FORBIDDEN PAYEE_NOT_EXIST PAYEE_USER_STATUS_LIMIT ILLEGAL_PAYEE_USER_ID
        FORBIDDEN_MERCHANT_INDUSTRY RESTRICTED_MERCHANT_INDUSTRY SECONDARY_MERCHANT_STATUS_ERROR
        SUB_MERCHANT_ORGANIZATION_ID_ERROR SUB_MERCHANT_LEVEL_ERROR SUB_MERCHANT_NO_PERMISSION
        MERCHANT_STATUS_ERROR UNSUPPORTED_BIZ_TYPE""",
    Meaning.PAYER_CODE_INVALID: "PAYMENT_AUTH_CODE_INVALID",
    Meaning.PAYER_NOT_ALLOWED: """
        PAYER_USER_STATUS_LIMIT PAYER_NOT_EXIST ERROR_BALANCE_PAYMENT_DISABLE
        USER_FACE_PAYMENT_SWITCH_OFF PAYER_PAYEE_EQUAL CLIENT_VERSION_NOT_MATCH
        USER_IDENTITY_INFO_VALIDATE_FAIL USER_ACCOUNT_VALIDATE_FAIL USER_BANKCARD_CANCELED
        USER_BANKCARD_EXPRESS_ERROR USER_BANKCARD_FROZEN USER_BANKCARD_PAY_ERROR
        USER_BANKCARD_REPORT_LOSS USER_BANKCARD_STATUS_ERROR""",
    Meaning.REFUSED: "PULL_MOBILE_CASHIER_FAIL SMILE_PRE_AUTH_ZM_CONSULT_FAIL",
}

# Of a question about a hold, its release or its cancelling: what is refused released nothing now,
# and says nothing final about where the money is. Only "no such order" does.
_ABOUT_A_HOLD: dict[Meaning, str] = {
    Meaning.NOT_FOUND: "AUTH_ORDER_NOT_EXIST AUTH_OPERATION_NOT_EXIST",
    Meaning.UNSETTLED: """
        SYSTEM_ERROR ILLEGAL_ARGUMENT ACCESS_FORBIDDEN ENTERPRISE_PAY_BIZ_ERROR HAS_NO_PRIVILEGE
        PAYER_USER_STATUS_LIMIT PAYER_NOT_EXIST ORDER_ALREADY_FINISH ORDER_ALREADY_CLOSED
        CANCEL_OPERATION_TIME_OUT REQUEST_AMOUNT_EXCEED UNIQUE_VIOLATION ILLEGAL_STATUS
        BIZ_ERROR""",
}

# Of the trade that completes a hold, where it differs from a payment. A finished order may have
# been finished by this very trade, whose answer was lost.
_COMPLETION: dict[Meaning, str] = {
    Meaning.UNSETTLED: "AUTH_ORDER_HAS_FINISHED AUTH_ORDER_NOT_PAID",
    Meaning.CLOSED: "AUTH_ORDER_HAS_CLOSED",
    Meaning.CAPTURE_AMOUNT_INVALID: "AUTH_AMOUNT_NOT_ENOUGH REQUEST_AMOUNT_EXCEED",
}

_FREEZE_BY_NAME = by_name(_FREEZE)
_ABOUT_A_HOLD_BY_NAME = by_name(_ABOUT_A_HOLD)
_COMPLETION_BY_NAME = by_name(_COMPLETION)


def freeze_meaning_of(code: str, sub_code: str) -> Meaning | None:
    """What the refusal of a freeze means; None for one that is not listed under its code."""
    if code == BUSINESS_CODE:
        return _FREEZE_BY_NAME.get(bare(sub_code))
    return meaning_of(code, sub_code)


def hold_meaning_of(code: str, sub_code: str) -> Meaning | None:
    """What the refusal of a question about a hold, or of its release, means."""
    if code == BUSINESS_CODE:
        return _ABOUT_A_HOLD_BY_NAME.get(bare(sub_code))
    return meaning_of(code, sub_code)


def completion_meaning_of(code: str, sub_code: str) -> Meaning | None:
    """What the refusal of a completing trade means; None for one that is not listed."""
    if code == BUSINESS_CODE:
        return _COMPLETION_BY_NAME.get(bare(sub_code)) or meaning_of(code, sub_code)
    return meaning_of(code, sub_code)


def outcome_of_refused_freeze(code: str, sub_code: str, words: str) -> Outcome:
    """The outcome of a freeze refused with Alipay's signature."""
    return outcome_of(freeze_meaning_of(code, sub_code), f"{code} {sub_code}".strip(), words)


def outcome_of_refused_completion(code: str, sub_code: str, words: str) -> Outcome:
    """The outcome of a completing trade refused with Alipay's signature.

    What the gateway itself refuses says nothing about an earlier request under the same number,
    which may have taken the money: the number is sent again once the account is in order.
    """
    meaning = completion_meaning_of(code, sub_code)
    if is_missing_permission(code) and meaning not in {None, Meaning.UNSETTLED}:
        meaning = Meaning.TURNED_AWAY
    return outcome_of(meaning, f"{code} {sub_code}".strip(), words)
