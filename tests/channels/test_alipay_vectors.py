"""Real messages and values made with Alipay's own SDKs, read in place when they are there."""

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from channels.alipay.answers import members_of
from channels.alipay.certificates import (
    read_certificates,
    read_public_key,
    root_serial_number,
    serial_number,
)
from channels.alipay.signing import callback_contents, is_signed_by_any, request_content

VECTORS = Path(__file__).parents[3] / "shared" / "specs" / "alipay" / "vectors"

pytestmark = pytest.mark.skipif(
    not VECTORS.is_dir(), reason="the folder of reference vectors is not beside this checkout"
)


@cache
def node() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / "alipay_node_vectors.json").read_text())
    return loaded


def python_cases() -> list[dict[str, Any]]:
    if not VECTORS.is_dir():
        return []
    cases: list[dict[str, Any]] = json.loads((VECTORS / "alipay_python_requests.json").read_text())[
        "cases"
    ]
    return cases


@pytest.mark.parametrize("case", python_cases(), ids=lambda case: case["name"])
def test_request_content_is_what_the_official_sdk_signs(case: dict[str, Any]) -> None:
    content = request_content(case["params"] | {"sign": "anything", "empty": ""})

    assert content.decode() == case["sign_content"]
    key = read_public_key((VECTORS / "app-public-key.pem").read_text())
    assert is_signed_by_any(content, case["sign"], [key])


def test_a_real_answer_verifies_over_its_own_characters() -> None:
    vector = node()["response"]

    members = members_of(vector["raw"])

    answer = members["alipay_open_file_upload_response"].text
    assert answer == vector["signed_content"]
    key = read_public_key(vector["public_key"])
    assert is_signed_by_any(answer.encode(), vector["sign"], [key])


@pytest.mark.parametrize(("name", "form"), [("notify_v1_trade", 0), ("notify_v2_servicemarket", 1)])
def test_a_real_notice_verifies_in_the_form_its_product_signs(name: str, form: int) -> None:
    vector = node()[name]
    fields = {
        key.encode(): (
            value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        ).encode()
        for key, value in vector["post"].items()
    }

    content = callback_contents(fields)[form]

    assert content.decode() == vector["signed_content"]
    key = read_public_key(vector["public_key"])
    assert is_signed_by_any(content, vector["post"]["sign"], [key])


def test_a_real_signature_does_not_fit_another_text() -> None:
    vector = node()["response"]
    key = read_public_key(vector["public_key"])

    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(vector["sign"]), b"{}", PKCS1v15(), SHA256())
    assert not is_signed_by_any(b"{}", vector["sign"], [key])


@pytest.mark.parametrize(
    ("file", "field"),
    [
        ("appCertPublicKey_2021001161683774.crt", "app_cert_sn"),
        ("alipayCertPublicKey_RSA2.crt", "alipay_cert_sn"),
    ],
)
def test_certificate_serials_are_those_of_the_official_sdks(file: str, field: str) -> None:
    expected = json.loads((VECTORS / "cert_sn.json").read_text())[file][field]

    certificate = read_certificates((VECTORS / file).read_text())[0]

    assert serial_number(certificate) == expected


def test_the_root_serial_passes_over_what_is_not_rsa() -> None:
    file = "alipayRootCert.crt"
    expected = json.loads((VECTORS / "cert_sn.json").read_text())[file]["alipay_root_cert_sn"]

    roots = read_certificates((VECTORS / file).read_text())

    assert root_serial_number(roots) == expected
