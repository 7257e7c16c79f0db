"""Every known way to forge a JWT, by somebody who may even hold the key that signs ours.

RFC 8725 tells most of them: another algorithm or none, a MAC under the public key, keys that the
token brings along or names, and claims of another service or another time.
"""

import hmac
import json
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Json = dict[str, Any]

HEADERS: tuple[Json, ...] = (
    {"alg": "none"},
    {"alg": "None"},
    {"alg": "HS256"},
    {"alg": "ES256"},
    {"alg": "Ed25519"},
    {"typ": "JWT"},
    {"typ": "at+JWT"},
    {"typ": None},
    {"kid": "another"},
    {"kid": None},
    {"kid": ["a", "list"]},
    {"kid": "../../../../etc/passwd"},
    {"kid": "' OR 1=1 --"},
    {"jku": "https://attacker.example/jwks.json"},
    {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}},
    {"x5u": "https://attacker.example/cert.pem"},
    {"x5c": ["AAAA"]},
    {"crit": ["exp"]},
    {"crit": []},
    {"crit": ["b64"], "b64": True},
    {"b64": False, "crit": ["b64"]},
    {"cty": "JWT"},
    {"zip": "DEF"},
)
"""What is put into a header that is otherwise ours."""

CLAIMS: tuple[Json, ...] = (
    {"iss": "another"},
    {"iss": ["storyloom"]},
    {"aud": "another-api"},
    {"aud": ["storyloom-api", "another-api"]},
    {"aud": ""},
    {"sub": "admin"},
    {"sub": 7},
    {"sid": "none"},
    {"exp": "never"},
    {"exp": None},
    {"exp": 10**30},
    {"exp": math.inf},
    {"exp": 0},
    {"exp": -1},
    {"iat": 2**33 - 1},
    {"iat": "now"},
    {"jti": 7},
)
"""What is put into claims that are otherwise ours."""

REQUIRED = ("iss", "aud", "sub", "exp", "iat", "jti", "sid")

RUBBISH = (
    *("", ".", "..", "a.b.c", "null", "é.è.ê", "\ud800.a.b"),
    *("a" * 5000, f"{'e30.' * 400}e30"),
)


@dataclass(frozen=True, slots=True)
class Forger:
    """Holds a good token, and the key that has signed it."""

    good: str
    key: Ed25519PrivateKey

    def forged(
        self, header: Mapping[str, Any] = {}, claims: Mapping[str, Any] = {}, *, without: str = ""
    ) -> str:
        """Return a token with our own signature, and whatever header and claims are given."""
        real_header, real_claims = parts(self.good)
        said = {**real_claims, **claims}
        said.pop(without, None)
        return self._signed(f"{_part({**real_header, **header})}.{_part(said)}")

    def unsigned(self) -> str:
        """Return a token that says that it needs no signature, and has none."""
        return f"{self._body(alg='none')}."

    def under_a_mac(self) -> str:
        """Return a token whose MAC is made with what everybody knows: our public key."""
        body = self._body(alg="HS256")
        mac = hmac.digest(self.key.public_key().public_bytes_raw(), body.encode(), "sha256")
        return f"{body}.{encoded(mac)}"

    def by_another_key(self) -> str:
        """Return the good token, signed by somebody else under our key's name."""
        body = self.good.rpartition(".")[0]
        return f"{body}.{encoded(Ed25519PrivateKey.generate().sign(body.encode()))}"

    def with_a_key_of_its_own(self) -> str:
        """Return a token that brings the key along that it is signed by."""
        own = Ed25519PrivateKey.generate()
        x = encoded(own.public_key().public_bytes_raw())
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": x}
        return Forger(self.good, own).forged({"jwk": jwk})

    def with_another_owner(self) -> str:
        """Return the good token's signature under the claims of somebody else."""
        header, _, signature = self.good.split(".")
        claims = {**parts(self.good)[1], "sub": "01960000-0000-7000-8000-00000000000f"}
        return f"{header}.{_part(claims)}.{signature}"

    def all(self, now: datetime) -> Iterator[tuple[str, str]]:
        """Return every forgery by what is wrong with it."""
        for header in HEADERS:
            yield f"header {header}", self.forged(header)
        for claims in CLAIMS:
            yield f"claims {claims}", self.forged(claims=claims)
        for name in REQUIRED:
            yield f"without {name}", self.forged(without=name)
        yield "expired", self.forged(claims={"exp": int(now.timestamp()) - 60})
        yield "of tomorrow", self.forged(claims={"iat": int(now.timestamp()) + 86_400})
        for act in (
            *(self.unsigned, self.under_a_mac, self.by_another_key),
            *(self.with_a_key_of_its_own, self.with_another_owner),
        ):
            yield act.__name__, act()
        for rubbish in RUBBISH:
            yield f"rubbish {ascii(rubbish)[:12]}", rubbish

    def _body(self, **header: str) -> str:
        return self.forged(header).rpartition(".")[0]

    def _signed(self, body: str) -> str:
        return f"{body}.{encoded(self.key.sign(body.encode()))}"


def parts(token: str) -> tuple[Json, Json]:
    """Return header and claims."""
    header, claims, _ = token.split(".")
    return json.loads(urlsafe_b64decode(header + "==")), json.loads(
        urlsafe_b64decode(claims + "==")
    )


def encoded(data: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _part(content: Json) -> str:
    return encoded(json.dumps(content).encode())
