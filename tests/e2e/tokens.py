"""JSON Web Tokens and sets of keys for tests: good ones, and any bytes in place of their parts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

SECRET = b"a-secret-of-more-than-32-bytes-for-tests"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encoded(part: Any) -> str:
    """A part of a token: bytes and text as they are, all else as JSON."""
    if isinstance(part, str):
        part = part.encode()
    return b64(part if isinstance(part, bytes) else json.dumps(part).encode())


def claims(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    made: dict[str, Any] = {"sub": "7", "iss": "https://issuer.test/", "aud": "orders", "iat": now, "exp": now + 600}
    made.update(more)
    return {name: value for name, value in made.items() if value is not None}


def hs256(header: Any = None, payload: Any = None, secret: bytes = SECRET) -> str:
    text = encoded({"alg": "HS256"} if header is None else header) + "." + encoded(
        claims() if payload is None else payload)
    return text + "." + b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *arguments], input=data, capture_output=True)
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(arguments)}: {done.stderr.decode()}")
    return done.stdout


class Signer:
    """A private key: RSA, by RS256."""

    def __init__(self, kid: str, bits: int = 2048) -> None:
        self.kid = kid
        self.folder = tempfile.TemporaryDirectory(prefix="weir-key-")
        self.file = Path(self.folder.name) / "key.pem"
        self.file.write_bytes(openssl("genrsa", str(bits)))
        self.modulus = bytes.fromhex(openssl("rsa", "-in", str(self.file), "-noout", "-modulus").decode()[8:].strip())

    def close(self) -> None:
        self.folder.cleanup()

    def jwk(self, **more: Any) -> dict[str, Any]:
        return {"kty": "RSA", "kid": self.kid, "n": b64(self.modulus), "e": "AQAB", **more}

    def pem(self) -> bytes:
        return openssl("rsa", "-in", str(self.file), "-pubout")

    def token(self, payload: Any = None, header: Any = None) -> str:
        text = encoded({"alg": "RS256", "kid": self.kid} if header is None else header) + "." + encoded(
            claims() if payload is None else payload)
        return text + "." + b64(openssl("dgst", "-sha256", "-sign", str(self.file), data=text.encode()))


def jwks(*signers: Signer) -> str:
    return json.dumps({"keys": [signer.jwk() for signer in signers]})


def example_token(**more: Any) -> str:
    """By the private key of RFC 8037, appendix A.1, whose public one config/gateway.yaml has."""
    seed = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    text = encoded({"alg": "EdDSA", "kid": "2026"}) + "." + encoded(
        claims(iss="https://id.example.com/", aud="shop", **more))
    with tempfile.TemporaryDirectory(prefix="weir-key-") as folder:
        key, data = Path(folder) / "key.der", Path(folder) / "data"
        key.write_bytes(bytes.fromhex("302e020100300506032b657004220420") + seed)
        data.write_text(text)
        signature = openssl("pkeyutl", "-sign", "-rawin", "-inkey", str(key), "-keyform", "DER", "-in", str(data))
    return text + "." + b64(signature)
