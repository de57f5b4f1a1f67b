"""Reads a gateway request and checks all that is common to every method: who, when, how signed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.alipay.certificates import Authority, serial_of
from sandbox.alipay.signing import is_signed, read_public_key, sign_content
from sandbox.alipay.words import GatewayError, from_beijing
from sandbox.books import App, Books

CHARSETS = {"utf-8": "utf-8", "gbk": "gbk", "gb2312": "gbk"}
_CLOCK_SKEW_MAX = timedelta(days=1)  # our reading: the provider names no bound
_NOT_SIGNED = frozenset({"sign"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """A registered app with its keys parsed. `certificate_sn` is set in certificate mode."""

    app: App
    key: rsa.RSAPublicKey
    certificate_sn: str | None


@dataclass(frozen=True, slots=True)
class GatewayRequest:
    """The merged parameters of a request, read but not yet trusted."""

    params: Mapping[str, str]
    charset: str

    @property
    def method(self) -> str:
        return self.params.get("method", "")

    def content(self) -> dict[str, object]:
        """The biz_content, empty when there is none that can be read."""
        try:
            content = json.loads(self.params.get("biz_content") or "{}")
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}


def read_request(query: bytes, body: bytes) -> GatewayRequest:
    """Merge query and body, as the gateway does; the body wins. Text is in the charset it names."""
    for charset in ("utf-8", "gbk"):
        params = _parse(query, charset) | _parse(body, charset)
        named = CHARSETS.get(params.get("charset", "utf-8").lower(), "utf-8")
        if named == charset:
            return GatewayRequest(params, charset)
    return GatewayRequest(params, charset)


class AppRegistry:
    """The apps of the books with their keys parsed once."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._parsed: dict[str, Credentials] = {}

    def save(self, app: App) -> Credentials:
        """Register an app or replace its keys. Raises ValueError for keys that cannot work."""
        credentials = _parse_app(app)
        self._books.save_app(app)
        self._parsed[app.app_id] = credentials
        return credentials

    def find(self, app_id: str) -> Credentials | None:
        known = self._parsed.get(app_id)
        if known is not None:
            return known
        app = self._books.find_app(app_id)
        if app is None:
            return None
        return self._parsed.setdefault(app_id, _parse_app(app))


class RequestCheck:
    """All that must be right about a request whatever its method."""

    def __init__(
        self, registry: AppRegistry, authority: Authority, now: Callable[[], datetime]
    ) -> None:
        self._registry = registry
        self._authority = authority
        self._now = now

    def credentials(self, request: GatewayRequest) -> Credentials:
        """Who sent it, proved. Raises GatewayError with the provider's codes."""
        params = request.params
        _require(params, "app_id", "isv.missing-app-id")
        credentials = self._registry.find(params["app_id"])
        if credentials is None:
            raise _invalid("isv.invalid-app-id", "无效的AppID参数")
        self._check_form(params)
        self._check_certificates(params, credentials)
        text = sign_content(params, without=_NOT_SIGNED).encode(request.charset)
        if not is_signed(credentials.key, text, params["sign"]):
            raise _invalid("isv.invalid-signature", "验签出错，请检查签名与公钥是否匹配")
        return credentials

    def _check_form(self, params: Mapping[str, str]) -> None:
        _require(params, "sign_type", "isv.missing-signature-type")
        _require(params, "sign", "isv.missing-signature")
        _require(params, "timestamp", "isv.missing-timestamp")
        _require(params, "version", "isv.missing-version")
        if params["sign_type"] != "RSA2":
            raise _invalid("isv.invalid-signature-type", "无效签名类型")
        if params["version"] != "1.0":
            raise _invalid("isv.invalid-version", "无效的版本")
        if params.get("format", "JSON").upper() != "JSON":
            raise _invalid("isv.invalid-format", "无效的数据格式")
        if params.get("charset", "utf-8").lower() not in CHARSETS:
            raise _invalid("isv.invalid-charset", "字符集错误")
        self._check_timestamp(params["timestamp"])

    def _check_timestamp(self, text: str) -> None:
        try:
            skew = self._now() - from_beijing(text)
        except ValueError:
            skew = None
        if skew is None or abs(skew) > _CLOCK_SKEW_MAX:
            raise _invalid("isv.invalid-timestamp", "非法的时间戳参数")

    def _check_certificates(self, params: Mapping[str, str], credentials: Credentials) -> None:
        if credentials.certificate_sn is None:
            return
        _require(params, "app_cert_sn", "isv.missing-app-cert-sn")
        _require(params, "alipay_root_cert_sn", "isv.missing-root-cert-sn")
        if params["app_cert_sn"] != credentials.certificate_sn:
            raise _invalid("isv.invalid-app-cert-sn", "应用公钥证书序列号无效")
        if params["alipay_root_cert_sn"] != self._authority.root_sn:
            raise _invalid("isv.invalid-root-cert-sn", "支付宝根证书序列号无效")


def _parse(text: bytes, charset: str) -> dict[str, str]:
    return dict(parse_qsl(text.decode("ascii", "replace"), True, encoding=charset))


def _parse_app(app: App) -> Credentials:
    if app.certificate is None:
        return Credentials(app, read_public_key(app.public_key), None)
    certificate = x509.load_pem_x509_certificate(app.certificate.encode())
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("the certificate holds no RSA key")
    return Credentials(app, key, serial_of(certificate))


def _require(params: Mapping[str, str], name: str, sub_code: str) -> None:
    if not params.get(name):
        raise GatewayError("40001", sub_code, f"缺少{name}参数")


def _invalid(sub_code: str, sub_msg: str) -> GatewayError:
    return GatewayError("40002", sub_code, sub_msg)
