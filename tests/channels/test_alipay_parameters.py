import base64
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from channels.http import ChannelHttp
from channels.registry import ChannelRegistry, build_registry
from models.errors import InvalidRequest
from tests.channels.alipay_side import (
    NOW,
    a_key,
    alipay_certificate,
    app_key,
    in_certificate_mode,
    in_key_mode,
    intermediate,
    issue,
    private_pem,
    public_pem,
    root,
)


@pytest.fixture
def registry(http: ChannelHttp) -> ChannelRegistry:
    channel = build_registry(http).get("alipay")
    return ChannelRegistry((channel,), clock=lambda: NOW)


def refusal(registry: ChannelRegistry, parameters: dict[str, str]) -> dict[str, str]:
    """Pointer and words of each problem."""
    with pytest.raises(InvalidRequest) as caught:
        registry.parse_parameters("alipay", parameters)
    return {problem.pointer: problem.detail for problem in caught.value.problems}


@pytest.mark.parametrize(
    "layout", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL]
)
@pytest.mark.parametrize("bare", [True, False])
def test_a_private_key_is_taken_in_every_form_alipays_tools_write(
    registry: ChannelRegistry, layout: serialization.PrivateFormat, bare: bool
) -> None:
    encoding = serialization.Encoding.DER if bare else serialization.Encoding.PEM
    raw = app_key().private_bytes(encoding, layout, serialization.NoEncryption())
    text = base64.b64encode(raw).decode() if bare else raw.decode()

    parsed = registry.parse_parameters("alipay", in_key_mode() | {"app_private_key": text})

    assert registry.split_secrets(parsed)[1] == {"app_private_key": text.strip()}


def test_a_bare_public_key_is_taken(registry: ChannelRegistry) -> None:
    pem = in_key_mode()["alipay_public_key"]
    bare = "".join(pem.splitlines()[1:-1])

    registry.parse_parameters("alipay", in_key_mode() | {"alipay_public_key": bare})


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("app_id", "12", "should match pattern"),
        ("seller_id", "1088000000000001", "should match pattern"),
        ("app_private_key", "not a key", "is no private key"),
        ("app_private_key", "", "at least 1 item"),
        ("alipay_public_key", "not a key", "is no public key"),
        ("surprise", "1", "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_value_is_refused_with_a_pointer_to_it(
    registry: ChannelRegistry, field: str, value: str, words: str
) -> None:
    problems = refusal(registry, in_key_mode() | {field: value})

    assert list(problems) == [f"#/parameters/{field}"]
    assert words in problems[f"#/parameters/{field}"]


def test_a_short_private_key_is_refused_with_its_size(registry: ChannelRegistry) -> None:
    short = private_pem(a_key("short", 1024))

    problems = refusal(registry, in_key_mode() | {"app_private_key": short})

    assert "has 1024 bits" in problems["#/parameters/app_private_key"]


def test_a_short_public_key_is_refused_with_its_size(registry: ChannelRegistry) -> None:
    short = public_pem(a_key("short", 1024))

    problems = refusal(registry, in_key_mode() | {"alipay_public_key": short})

    assert "has 1024 bits" in problems["#/parameters/alipay_public_key"]


def test_a_key_with_a_password_is_refused_in_those_words(registry: ChannelRegistry) -> None:
    locked = app_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )

    problems = refusal(registry, in_key_mode() | {"app_private_key": locked.decode()})

    assert "protected by a password" in problems["#/parameters/app_private_key"]


def test_a_key_that_is_not_rsa_is_refused(registry: ChannelRegistry) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

    problems = refusal(registry, in_key_mode() | {"app_private_key": key.decode()})

    assert "is not an RSA key" in problems["#/parameters/app_private_key"]


def test_the_apps_own_public_key_is_not_taken_for_alipays(registry: ChannelRegistry) -> None:
    problems = refusal(registry, in_key_mode() | {"alipay_public_key": public_pem(app_key())})

    assert "the app's own public key" in problems["#/parameters/alipay_public_key"]


def test_a_refusal_never_repeats_the_key(registry: ChannelRegistry) -> None:
    key = private_pem(a_key("short", 1024))

    with pytest.raises(InvalidRequest) as caught:
        registry.parse_parameters("alipay", in_key_mode() | {"app_private_key": key})

    shown = f"{caught.value!r} {caught.value.problems} {caught.value.__cause__}"
    assert key.splitlines()[1] not in shown


def test_one_of_the_two_modes_must_be_chosen(registry: ChannelRegistry) -> None:
    neither = {k: v for k, v in in_key_mode().items() if k != "alipay_public_key"}
    both = in_key_mode() | in_certificate_mode()

    assert "alipay_public_key alone" in refusal(registry, neither)["#/parameters"]
    assert "alipay_public_key alone" in refusal(registry, both)["#/parameters"]


def test_certificate_mode_needs_all_three_certificates(registry: ChannelRegistry) -> None:
    for missing in ("app_certificate", "alipay_certificate", "alipay_root_certificate"):
        parameters = {k: v for k, v in in_certificate_mode().items() if k != missing}

        assert "all of app_certificate" in refusal(registry, parameters)["#/parameters"]


def test_a_full_chain_is_taken(registry: ChannelRegistry) -> None:
    parsed = registry.parse_parameters("alipay", in_certificate_mode())

    assert registry.split_secrets(parsed)[0].keys() == {
        "app_id",
        "seller_id",
        "app_certificate",
        "alipay_certificate",
        "alipay_root_certificate",
    }


def test_certificates_say_when_they_run_out_and_keys_never_do(registry: ChannelRegistry) -> None:
    parsed = registry.parse_parameters("alipay", in_certificate_mode())
    in_keys = registry.parse_parameters("alipay", in_key_mode())

    found = {one.name: one.expires_at for one in parsed.certificates()}

    assert set(found) == {"app_certificate", "alipay_certificate"}
    own = x509.load_pem_x509_certificate(in_certificate_mode()["app_certificate"].encode())
    assert found["app_certificate"] == own.not_valid_after_utc
    assert in_keys.certificates() == ()


def test_an_alipay_certificate_of_another_root_is_refused(registry: ChannelRegistry) -> None:
    other = issue("other root", authority=True)
    stranger = issue("alipay", by=other)

    problems = refusal(registry, in_certificate_mode() | {"alipay_certificate": stranger.pem})

    assert "is not issued" in problems["#/parameters/alipay_certificate"]


def test_a_certificate_issued_by_one_that_may_not_issue_is_refused(
    registry: ChannelRegistry,
) -> None:
    forged = issue("forged", by=alipay_certificate())
    bundle = f"{forged.pem}\n{alipay_certificate().pem}\n{intermediate().pem}"

    problems = refusal(registry, in_certificate_mode() | {"alipay_certificate": bundle})

    assert "is not issued" in problems["#/parameters/alipay_certificate"]


def test_a_root_that_may_not_issue_is_no_root(registry: ChannelRegistry) -> None:
    no_authority = issue("no authority")
    leaf = issue("alipay", by=no_authority)
    changes = {"alipay_certificate": leaf.pem, "alipay_root_certificate": no_authority.pem}

    problems = refusal(registry, in_certificate_mode() | changes)

    assert "is not issued" in problems["#/parameters/alipay_certificate"]


def test_a_chain_without_its_middle_is_refused(registry: ChannelRegistry) -> None:
    alone = alipay_certificate().pem

    problems = refusal(registry, in_certificate_mode() | {"alipay_certificate": alone})

    assert "is not issued" in problems["#/parameters/alipay_certificate"]


def test_issuers_alone_are_no_alipay_certificate(registry: ChannelRegistry) -> None:
    alone = intermediate().pem

    problems = refusal(registry, in_certificate_mode() | {"alipay_certificate": alone})

    assert "holds only issuers" in problems["#/parameters/alipay_certificate"]


@pytest.mark.parametrize("field", ["app_certificate", "alipay_certificate"])
def test_a_certificate_that_ran_out_is_refused_with_its_dates(
    registry: ChannelRegistry, field: str
) -> None:
    name = "app" if field == "app_certificate" else "alipay"
    old = issue(name, by=root(), start=NOW - timedelta(days=20), end=NOW - timedelta(days=10))

    problems = refusal(registry, in_certificate_mode() | {field: old.pem})

    assert problems == {
        f"#/parameters/{field}": f"{field} is valid from 2026-10-31 to 2026-11-10 only"
    }


def test_an_issuer_that_ran_out_breaks_the_chain(registry: ChannelRegistry) -> None:
    old = issue("root", authority=True, start=NOW - timedelta(9), end=NOW - timedelta(1))

    problems = refusal(registry, in_certificate_mode() | {"alipay_root_certificate": old.pem})

    assert "is not issued" in problems["#/parameters/alipay_certificate"]


def test_an_app_certificate_for_another_key_is_refused(registry: ChannelRegistry) -> None:
    other = issue("somebody else", by=root())

    problems = refusal(registry, in_certificate_mode() | {"app_certificate": other.pem})

    assert "does not belong to app_private_key" in problems["#/parameters/app_certificate"]


def test_text_that_is_no_certificate_is_refused(registry: ChannelRegistry) -> None:
    for field in ("app_certificate", "alipay_certificate", "alipay_root_certificate"):
        problems = refusal(registry, in_certificate_mode() | {field: "nothing"})

        assert "holds no certificate" in problems[f"#/parameters/{field}"]
