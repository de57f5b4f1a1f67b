"""Every refusal Alipay documents, and what it means for the money: one table.

Sources: error enums per operation and `CommonErrorType` of the v3 models of alipay-sdk-php-all
(OpenAPI document of 2025-12-15); public error codes, opendocs.alipay.com/common/105806. Both read
2026-11-20. The gateway writes public codes with a prefix (`isv.`, `isp.`, `aop.`), v3 without.
"""

from enum import StrEnum

from models.channel import Declined, NotAttempted, Outcome, Unknown


class Meaning(StrEnum):
    """What a refusal says. The first three say nothing final; the others are our decline codes."""

    UNSETTLED = "unsettled"
    NOT_FOUND = "not_found"
    TURNED_AWAY = "turned_away"

    CAPTURE_AMOUNT_INVALID = "capture_amount_invalid"
    CLOSED = "closed"
    EXPIRED = "expired"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    INVALID_REQUEST = "invalid_request"
    LIMIT_EXCEEDED = "limit_exceeded"
    MISCONFIGURED = "misconfigured"
    NOT_REFUNDABLE = "not_refundable"
    PAYER_CODE_INVALID = "payer_code_invalid"
    PAYER_NOT_ALLOWED = "payer_not_allowed"
    REFUND_AMOUNT_INVALID = "refund_amount_invalid"
    REFUSED = "refused"


# 40004: the business said no. Names stand without their `ACQ.`.
#
# Three refusals that sound final are unsettled here: CONTEXT_INCONSISTENT, TRADE_BUYER_NOT_MATCH
# and TRADE_STATUS_ERROR say that this serial already has a trade, which may be paid; so does
# TRADE_HAS_SUCCESS. A query tells. SYSTEM_BUSY and SYSTEM_RATE_LIMIT do not say whether the
# business ran before it gave up, so they do not count as "not attempted".
_BUSINESS: dict[Meaning, str] = {
    Meaning.UNSETTLED: """
        SYSTEM_ERROR SYSTEM_BUSY SYSTEM_RATE_LIMIT REQUEST_PROCESSING BANK_RESPONSE_ERROR
        TRADE_HAS_SUCCESS CONTEXT_INCONSISTENT DISCORDANT_REPEAT_REQUEST TRADE_BUYER_NOT_MATCH
        TRADE_STATUS_ERROR REASON_TRADE_STATUS_INVALID REASON_ILLEGAL_STATUS
        SELLER_BALANCE_NOT_ENOUGH REASON_TRADE_BEEN_FREEZEN TRADE_HAS_FINISHED
        TRADE_CANCEL_TIME_OUT REASON_TRADE_REFUND_FEE_ERR CANCEL_NOT_ALLOWED
        ENTERPRISE_PAY_BIZ_ERROR""",
    Meaning.NOT_FOUND: "TRADE_NOT_EXIST",
    Meaning.CLOSED: "TRADE_HAS_CLOSE",
    Meaning.EXPIRED: "NOW_TIME_AFTER_EXPIRE_TIME_ERROR",
    Meaning.INSUFFICIENT_FUNDS: """
        BUYER_BALANCE_NOT_ENOUGH BUYER_BANKCARD_BALANCE_NOT_ENOUGH
        NO_PAYMENT_INSTRUMENTS_AVAILABLE""",
    Meaning.INVALID_REQUEST: """
        INVALID_PARAMETER EXIST_FORBIDDEN_WORD AMOUNT_OR_CURRENCY_ERROR CURRENCY_NOT_SUPPORT
        SUB_GOODS_SIZE_MAX_COUNT""",
    Meaning.LIMIT_EXCEEDED: """
        TOTAL_FEE_EXCEED BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR
        BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR BEYOND_PAY_RESTRICTION
        BEYOND_PER_RECEIPT_RESTRICTION BEYOND_PER_RECEIPT_SINGLE_RESTRICTION
        BEYOND_PER_RECEIPT_DAY_RESTRICTION PRODUCT_AMOUNT_LIMIT_ERROR REQUEST_AMOUNT_EXCEED
        MERCHANT_PERM_RECEIPT_SUSPEND_LIMIT MERCHANT_PERM_RECEIPT_SINGLE_LIMIT
        MERCHANT_PERM_RECEIPT_DAY_LIMIT CYCLE_PAY_SINGLE_FEE_EXCEED CYCLE_PAY_TOTAL_FEE_EXCEED
        CYCLE_PAY_TOTAL_TIMES_EXCEED OVER_MAX_DEDUCT_COUNT OVER_MAX_UNDER_WAY_DEDUCT_COUNT
        OVER_DEDUCT_PERIOD OVER_MERCHANT_DAILY_DEDUCT_AMOUNT""",
    Meaning.MISCONFIGURED: """
        ACCESS_FORBIDDEN PARTNER_ERROR SELLER_BEEN_BLOCKED SELLER_NOT_EXIST INVALID_STORE_ID
        SUB_MERCHANT_CREATE_FAIL SUB_MERCHANT_TYPE_INVALID AGREEMENT_NOT_EXIST AGREEMENT_INVALID
        AGREEMENT_STATUS_NOT_NORMAL AGREEMENT_ERROR MERCHANT_AGREEMENT_NOT_EXIST
        MERCHANT_AGREEMENT_INVALID MERCHANT_STATUS_NOT_NORMAL MERCHANT_UNSUPPORT_ADVANCE
        ORDER_UNSUPPORT_ADVANCE CYCLE_PAY_DATE_NOT_MATCH SECONDARY_MERCHANT_STATUS_ERROR
        SECONDARY_MERCHANT_ALIPAY_ACCOUNT_INVALID SECONDARY_MERCHANT_ID_INVALID
        SECONDARY_MERCHANT_ID_BLANK SECONDARY_MERCHANT_NOT_MATCH
        SECONDARY_MERCHANT_ISV_PUNISH_INDIRECT INVALID_RECEIVE_ACCOUNT AUTH_NO_ERROR
        AUTH_AMOUNT_NOT_ENOUGH AUTH_TOKEN_IS_NOT_EXIST AUTH_ORDER_NOT_PAID
        AUTH_ORDER_HAS_FINISHED AUTH_ORDER_HAS_CLOSED ZM_AUTH_AMOUNT_EXCEED ZM_CREDIT_AUTH_FAIL
        ZM_AUTH_RULE_LIMIT PRE_AUTH_PROD_CODE_INCONSISTENT TRADE_SETTLE_ERROR
        DEFAULT_SETTLE_RULE_NOT_EXIST SMILE_PAY_MERCHANT_NOT_MATCH RESTRICTED_MERCHANT_INDUSTRY
        PLATFORM_BUSINESS_ACQUIRE_MODE_MUST_MERCHANT_ID ROYALTY_ACCOUNT_NOT_EXIST
        RISK_MERCHANT_IP_NOT_EXIST UN_SUPPORT_TRADE_SCENE APPLY_PC_MERCHANT_CODE_ERROR""",
    Meaning.PAYER_CODE_INVALID: "PAYMENT_AUTH_CODE_INVALID",
    Meaning.PAYER_NOT_ALLOWED: """
        ERROR_BALANCE_PAYMENT_DISABLE BUYER_SELLER_EQUAL BUYER_ENABLE_STATUS_FORBID
        MOBILE_PAYMENT_SWITCH_OFF USER_FACE_PAYMENT_SWITCH_OFF ERROR_BUYER_CERTIFY_LEVEL_LIMIT
        CARD_USER_NOT_MATCH CARD_TYPE_ERROR CERT_EXPIRED BUYER_UNSUPPORT_ADVANCE BUYER_NOT_EXIST
        PAYER_UNMATCHED NOT_SUPPORT_PAYMENT_INST BUYER_NOT_MAINLAND_CERT NOT_CERTIFIED_USER
        USER_LOGONID_DUP""",
    Meaning.REFUSED: "PAYMENT_FAIL PAYMENT_REQUEST_HAS_RISK PULL_MOBILE_CASHIER_FAIL",
}

# 40004 of a refund, where most names mean something else than above. What is declined here is so
# for good under this refund number: Alipay looks the number up before anything else (a known one
# with another amount is DISCORDANT_REPEAT_REQUEST), so these speak of money it has not moved.
#
# SELLER_BALANCE_NOT_ENOUGH and REASON_TRADE_BEEN_FREEZEN moved nothing and may be gone tomorrow:
# after a top-up the same number is sent again, as Alipay asks ("a refund that failed is sent again
# under the same number", summary of alipay.trade.refund). So they are turned away, not declined.
#
# Unsettled although they sound final: TRADE_HAS_CLOSE, TRADE_STATUS_ERROR and
# REASON_TRADE_STATUS_INVALID are the state our own full refund leaves; REFUND_CHARGE_ERROR and
# TRADE_SETTLE_ERROR come after the money was looked at; DISCORDANT_REPEAT_REQUEST says that this
# number is known, with another amount.
_REFUND: dict[Meaning, str] = {
    Meaning.UNSETTLED: """
        SYSTEM_ERROR SYSTEM_BUSY SYSTEM_RATE_LIMIT REQUEST_PROCESSING BANK_RESPONSE_ERROR
        DISCORDANT_REPEAT_REQUEST TRADE_STATUS_ERROR REASON_TRADE_STATUS_INVALID TRADE_HAS_CLOSE
        REFUND_CHARGE_ERROR TRADE_SETTLE_ERROR ENTERPRISE_PAY_BIZ_ERROR""",
    Meaning.NOT_FOUND: "TRADE_NOT_EXIST",
    Meaning.INVALID_REQUEST: "INVALID_PARAMETER CURRENCY_NOT_SUPPORT",
    Meaning.TURNED_AWAY: "SELLER_BALANCE_NOT_ENOUGH REASON_TRADE_BEEN_FREEZEN",
    Meaning.NOT_REFUNDABLE: """
        TRADE_HAS_FINISHED TRADE_NOT_ALLOW_REFUND ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND""",
    Meaning.REFUND_AMOUNT_INVALID: """
        REFUND_AMT_NOT_EQUAL_TOTAL REASON_TRADE_REFUND_FEE_ERR REFUND_FEE_ERROR
        NOT_ALLOW_PARTIAL_REFUND""",
    Meaning.MISCONFIGURED: """
        ALLOC_AMOUNT_VALIDATE_ERROR OVERDRAFT_ASSIGN_ACCOUNT_INVALID
        OVERDRAFT_AGREEMENT_NOT_MATCH REFUND_ACCOUNT_NOT_EXIST
        REFUND_ROYALTY_PAYEE_ACCOUNT_NOT_EXIST REFUNDALLOC_UNAUTH_LIMIT""",
    Meaning.PAYER_NOT_ALLOWED: """
        BUYER_NOT_EXIST BUYER_ENABLE_STATUS_FORBID BUYER_ERROR USER_NOT_MATCH_ERR
        CUSTOMER_VALIDATE_ERROR""",
}

# 20001, 40001, 40002, 40003, 40006: the gateway refused before any business ran.
_GATEWAY: dict[Meaning, str] = {
    Meaning.UNSETTLED: """
        unknow-error unknown-sub-code invalid-response-data access-data-time-out
        decryption-error-unknown unsupport-operation""",
    Meaning.INVALID_REQUEST: """
        invalid-parameter invalid-request-data illegal-json illegal-card-no invalid-encoding
        invalid-charset invalid-format upload-fail invalid-file-extension invalid-file-size
        file-check-fail""",
    Meaning.MISCONFIGURED: """
        insufficient-isv-permissions insufficient-user-permissions illegal-client-ip ip-forbidden
        self-invoke-forbidden app-auth-invoke-limit app-api-punished missing-method
        missing-platform invalid-platform invalid-method forbidden-api missing-signature
        missing-app-access-token missing-signature-type missing-default-signature-type
        missing-signature-key missing-signature-config invalid-signature-type
        invalid-signature-type-said-interface invalid-signature unsupported-expired-app-key-sign
        app-key-security-risk app-cert-expired app-cert-not-exist alipay-cert-not-exist
        missing-app-cert-sn missing-alipay-cert-sn missing-alipay-root-cert-sn
        invalid-alipay-root-cert-sn missing-encrypt-type missing-encrypt-key invalid-encrypt-type
        invalid-encrypt missing-session missing-app-id invalid-app-id missing-timestamp
        invalid-timestamp illegal-timestamp missing-version invalid-version unsupported-version
        invalid-digest-type invalid-digest invalid-app-state invalid-subscribe-relations
        invalid-auth-token auth-token-time-out invalid-app-auth-token
        invalid-app-auth-token-no-api app-auth-token-time-out not-support-app-auth openid-error
        invalid-app-method missing-app-uid invalid-partnerid no-product-reg-by-partner
        decryption-error decryption-error-missing-encrypt-type
        decryption-error-not-valid-encrypt-type decryption-error-not-valid-encrypt-key
        sevice-not-been-subscribed-to suspected-attack invalid-auth-relations invalid-product
        method-forbidden-batch-invoke exist-blank-sub-request-id exist-repeated-sub-request-id
        invalid-app-auth-relations app-unbind-partner app-invalid-oid exceed-api-balance
        inner-app-no-access invalid-inner-invoke-scene invalid-app-api-field-config""",
}

# 40005: called too often; the gateway turns the call away at the door.
_THROTTLE: dict[Meaning, str] = {Meaning.TURNED_AWAY: "app-call-limited method-call-limited"}


def by_name(table: dict[Meaning, str]) -> dict[str, Meaning]:
    """The table turned round: the meaning of each name in it."""
    return {name: meaning for meaning, names in table.items() for name in names.split()}


BUSINESS_CODE = "40004"
_GATEWAY_CODES = ("20001", "40001", "40002", "40003", "40006")
_BY_CODE: dict[str, dict[str, Meaning]] = {
    BUSINESS_CODE: by_name(_BUSINESS),
    "40005": by_name(_THROTTLE),
    **dict.fromkeys(_GATEWAY_CODES, by_name(_GATEWAY)),
}

_REFUND_BY_NAME = by_name(_REFUND)

# The service did not answer in time or not at all, whatever the sub code: nothing is known.
_UNAVAILABLE = "20000"

_PREFIXES = ("isv.", "isp.", "aop.", "ACQ.", "AQC.")


def meaning_of(code: str, sub_code: str) -> Meaning | None:
    """What a refusal means; None for one that is not listed under its code."""
    if code == _UNAVAILABLE:
        return Meaning.UNSETTLED
    return _BY_CODE.get(code, {}).get(bare(sub_code))


def outcome_of_refusal(code: str, sub_code: str, words: str) -> Outcome:
    """The outcome of a refused payment. The caller has checked that Alipay signed the refusal."""
    return outcome_of(meaning_of(code, sub_code), f"{code} {sub_code}".strip(), words)


def outcome_of_refused_refund(code: str, sub_code: str, words: str) -> Outcome:
    """The outcome of a refund refused with Alipay's signature.

    What the gateway refuses (a wrong signature, a lost permission) says nothing about an earlier
    request under the same number, which may have moved the money. So it is never `Declined`: the
    number is sent again once the account is in order.
    """
    meaning = refund_meaning_of(code, sub_code)
    if code in _GATEWAY_CODES and meaning not in {None, Meaning.UNSETTLED}:
        meaning = Meaning.TURNED_AWAY
    return outcome_of(meaning, f"{code} {sub_code}".strip(), words)


def refund_meaning_of(code: str, sub_code: str) -> Meaning | None:
    """What the refusal of a refund means; None for one that is not listed under its code."""
    if code == BUSINESS_CODE:
        return _REFUND_BY_NAME.get(bare(sub_code))
    return meaning_of(code, sub_code)


def is_missing_permission(code: str) -> bool:
    """Whether the gateway turned the call away for who makes it or how, not for what it asks."""
    return code in _GATEWAY_CODES


def outcome_of(meaning: Meaning | None, channel_code: str, words: str) -> Outcome:
    """The outcome of a refusal with this meaning."""
    match meaning:
        case None:
            return Unknown(detail=f"unlisted refusal {channel_code}", channel_code=channel_code)
        case Meaning.UNSETTLED | Meaning.NOT_FOUND:
            return Unknown(detail=words or channel_code, channel_code=channel_code)
        case Meaning.TURNED_AWAY:
            return NotAttempted(detail=words or channel_code, channel_code=channel_code)
        case final:
            return Declined(
                code=final.value, detail=words or channel_code, channel_code=channel_code
            )


def bare(sub_code: str) -> str:
    """`SYSTEM_ERROR` of `aop.ACQ.SYSTEM_ERROR`."""
    for prefix in (*_PREFIXES, *_PREFIXES):
        sub_code = sub_code.removeprefix(prefix)
    return sub_code
