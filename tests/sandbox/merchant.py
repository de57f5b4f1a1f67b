"""A merchant that speaks Alipay's protocol, written from the protocol alone."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_BEIJING = timedelta(hours=8)


@cache
def merchant_key() -> rsa.RSAPrivateKey:
    """One key for the whole run: making one takes long."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def a_number() -> str:
    return f"T{uuid4().hex}"


def beijing(at: datetime) -> str:
    return (at.astimezone(UTC) + _BEIJING).strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True)
class Answered:
    """What came back: the content of the answer, and whether its signature holds."""

    content: dict[str, str]
    signed: bool
    name: str
    certificate_sn: str | None


@dataclass
class Merchant:
    """A registered app. `registered` is what the sandbox said when it was registered."""

    registered: Mapping[str, str]
    client: httpx.AsyncClient
    notify_url: str
    more: dict[str, str] = field(default_factory=dict)

    @property
    def app_id(self) -> str:
        return self.registered["app_id"]

    async def call(self, method: str, **content: object) -> Answered:
        return await self.send(self.signed(method, content))

    async def send(self, params: Mapping[str, str]) -> Answered:
        response = await self.client.post(self.registered["gateway_url"], data=dict(params))
        assert response.status_code == 200
        return self.read(response.content, "gbk" if params["charset"] == "gbk" else "utf-8")

    async def precreate(self, number: str, amount: str = "19.99", **more: object) -> Answered:
        return await self.call(
            "alipay.trade.precreate",
            out_trade_no=number,
            total_amount=amount,
            subject="咖啡豆 500g / beans",
            **more,
        )

    async def query(self, number: str) -> Answered:
        return await self.call("alipay.trade.query", out_trade_no=number)

    async def pay(self, number: str, code: str, amount: str = "19.99") -> Answered:
        return await self.call(
            "alipay.trade.pay",
            out_trade_no=number,
            total_amount=amount,
            subject="咖啡",
            scene="bar_code",
            auth_code=code,
        )

    def page_url(self, number: str, *, method: str, return_url: str | None) -> str:
        content = {"out_trade_no": number, "total_amount": "88.00", "subject": "Page"}
        more = {"return_url": return_url} if return_url else {}
        params = self.signed(method, content, **more)
        return f"{self.registered['gateway_url']}?{urlencode(params)}"

    def signed(self, method: str, content: Mapping[str, object], **more: str) -> dict[str, str]:
        params = {
            "app_id": self.app_id,
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": beijing(datetime.now(UTC)),
            "version": "1.0",
            "notify_url": self.notify_url,
            "biz_content": json.dumps(content, ensure_ascii=False),
            **self.more,
            **more,
        }
        return params | {"sign": self.signature(params)}

    def signature(self, params: Mapping[str, str]) -> str:
        text = "&".join(f"{k}={v}" for k, v in sorted(params.items()) if v and k != "sign")
        raw = merchant_key().sign(
            text.encode(params["charset"]), padding.PKCS1v15(), hashes.SHA256()
        )
        return base64.b64encode(raw).decode()

    def read(self, body: bytes, charset: str = "utf-8") -> Answered:
        """Take the answer apart; its signature is checked over its content's own bytes."""
        text = body.decode(charset)
        envelope = json.loads(text)
        name = next(key for key in envelope if key.endswith("_response"))
        start = text.index("{", 1)
        _, end = json.JSONDecoder().raw_decode(text, start)
        signature = envelope.get("sign", "")
        return Answered(
            content=envelope[name],
            signed=self.is_from_alipay(text[start:end].encode(charset), signature),
            name=name,
            certificate_sn=envelope.get("alipay_cert_sn"),
        )

    def accepts(self, form: Mapping[str, str]) -> bool:
        """Whether a notification, or the way back of a browser, is signed by Alipay."""
        kept = sorted((k, v) for k, v in form.items() if k not in {"sign", "sign_type"} and v)
        text = "&".join(f"{k}={v}" for k, v in kept)
        return self.is_from_alipay(text.encode(), form["sign"])

    def accepts_url(self, url: str) -> dict[str, str]:
        """The signed parameters of a return address."""
        form = dict(parse_qsl(url.partition("?")[2]))
        assert self.accepts({k: v for k, v in form.items() if k != "mine"})
        return form

    def is_from_alipay(self, content: bytes, signature: str) -> bool:
        pem = self.registered["alipay_public_key"].encode()
        key = serialization.load_pem_public_key(pem)
        assert isinstance(key, rsa.RSAPublicKey)
        try:
            key.verify(base64.b64decode(signature), content, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True
