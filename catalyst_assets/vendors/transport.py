"""How every vendor is spoken to over HTTP: own timeouts, a hard deadline, one careful repeat, and secrets out of every text.

Belongs here: the session the client libraries are given in place of their own, and redaction. Does not belong here: what a
vendor's paths, bodies or errors mean.

The client libraries give no timeout (Alpaca, Alpha Vantage), a fixed one (NewsAPI 30 s, Finnhub 10 s) and, once a body
drips, no end at all; they repeat a POST (Alpaca) or nothing. :class:`VendorSession` decides all of that in one place.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import requests
import urllib3

REDACTED = "[redacted]"
_NAMED_SECRETS = re.compile(
    r"(?i)((?:apikey|api_key|api-key|token|crumb|secret|password|APCA-API-[A-Z-]+|Authorization|X-Finnhub-Token)"
    r"[\"']?\s*[=:]\s*[\"']?)([^\s&\"',;}\]]+)"
)
_ECHOED_KEY = re.compile(r"(?i)(API key as )(\S+)")
"""Alpha Vantage writes the caller's key into its rate limit message."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
REPEATABLE_STATUS = frozenset({502, 503, 504})
"""Answers of a gateway, not of the vendor: repeating a safe request is worth one try. 429 is not: it asks for fewer."""
MAX_SENTENCE = 300


class VendorAnswerError(ValueError):
    """The vendor answered, and the answer is an error or not what its interface promises. The text may hold secrets."""


class Redactor:
    """Takes known secrets, and whatever stands where a secret usually stands, out of texts and JSON."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {
            form
            for secret in secrets
            if len(secret) >= 4
            for form in (secret, quote(secret, safe=""), quote_plus(secret))
        }
        self._forms = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """``text`` without secrets."""
        for form in self._forms:
            text = text.replace(form, REDACTED)
        text = _ECHOED_KEY.sub(rf"\1{REDACTED}", text)
        return _NAMED_SECRETS.sub(rf"\1{REDACTED}", text)

    def value(self, value: Any) -> Any:
        """A JSON value with every text in it redacted (keys are left alone)."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {key: self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


class RedactingFilter(logging.Filter):
    """A log filter that redacts the finished message. urllib3 logs whole URLs, keys included, at DEBUG."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._redact(record.getMessage()), None
        return True


def guard_logs(
    redact: Redactor, names: Iterable[str] = ("urllib3.connectionpool", "yfinance", "alpaca", "requests")
) -> None:
    """Put a :class:`RedactingFilter` on the libraries' loggers, replacing an earlier one."""
    for name in names:
        logger = logging.getLogger(name)
        for old in [item for item in logger.filters if isinstance(item, RedactingFilter)]:
            logger.removeFilter(old)
        logger.addFilter(RedactingFilter(redact))


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one request may take, in seconds: to connect, between two pieces of the answer, and altogether."""

    connect: float = 3.05
    read: float = 10.0

    @property
    def total(self) -> float:
        """The hard end of one request, repeats and a dripping body included."""
        return self.connect + self.read


class VendorSession(requests.Session):
    """A ``requests`` session with its own idea of time.

    - connect and read timeouts on every request, whatever the client library asked for;
    - a hard deadline over repeats and the whole body (a body of one byte a second otherwise never times out);
    - one repeat after a lost connection or a gateway error, only for safe methods: a POST is never sent twice;
    - ``routes``: address prefixes replaced by others, for libraries without a knob for another base URL;
    - ``spacing``: seconds between the starts of two requests, for vendors with a limit per second.

    ``sent`` counts the requests that went out. Raises what ``requests`` raises; those texts may hold secrets.
    """

    def __init__(
        self,
        patience: Patience = Patience(),
        *,
        repeats: int = 1,
        repeat_pause: float = 0.25,
        routes: Mapping[str, str] | None = None,
        spacing: float = 0.0,
        max_bytes: int = 256 * 1024 * 1024,
    ) -> None:
        super().__init__()
        self.patience = patience
        self.sent = 0
        self._repeats = repeats
        self._repeat_pause = repeat_pause
        self.routes = dict(routes or {})
        self._spacing = spacing
        self._max_bytes = max_bytes
        self._next_start = 0.0
        self._pace = threading.Lock()
        self._surroundings: dict[tuple[Any, ...], Any] = {}

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        verb = (method.decode() if isinstance(method, bytes) else method).upper()
        address = self._routed(url.decode() if isinstance(url, bytes) else url)
        kwargs.pop("timeout", None)
        kwargs["stream"] = True
        deadline = time.monotonic() + self.patience.total
        attempts = 1 + (self._repeats if verb in SAFE_METHODS else 0)
        while True:
            attempts -= 1
            self._keep_pace()
            left = deadline - time.monotonic()
            if left <= 0:
                raise requests.ReadTimeout("no answer in time")
            kwargs["timeout"] = (min(self.patience.connect, left), min(self.patience.read, left))
            try:
                self.sent += 1
                response = super().request(verb, address, *args, **kwargs)
                self._read_body(response, deadline)
            except (requests.ReadTimeout, requests.TooManyRedirects, requests.exceptions.InvalidURL):
                raise
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                if attempts <= 0 or time.monotonic() + self._repeat_pause >= deadline:
                    raise
            else:
                if (
                    response.status_code not in REPEATABLE_STATUS
                    or attempts <= 0
                    or time.monotonic() + self._repeat_pause >= deadline
                ):
                    return response
            time.sleep(self._repeat_pause)

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """As the library's, which looks through the whole environment for a proxy at every request; here once per host."""
        if proxies:
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        key = (urlsplit(str(url)).netloc, stream, verify, cert)
        found = self._surroundings.get(key)
        if found is None:
            found = self._surroundings[key] = super().merge_environment_settings(url, {}, stream, verify, cert)
        return {**found, "proxies": dict(found["proxies"])}

    def _routed(self, url: str) -> str:
        for prefix, replacement in self.routes.items():
            if url.startswith(prefix):
                return replacement + url.removeprefix(prefix)
        return url

    def _keep_pace(self) -> None:
        if self._spacing <= 0:
            return
        with self._pace:
            now = time.monotonic()
            start = max(now, self._next_start)
            self._next_start = start + self._spacing
        if start > now:
            time.sleep(start - now)

    def _read_body(self, response: requests.Response, deadline: float) -> None:
        """Read the whole body piece by piece, so that the deadline and the size are looked at between two pieces."""
        body = bytearray()
        try:
            while piece := response.raw.read1(65_536, decode_content=True):
                body += piece
                if time.monotonic() > deadline:
                    raise requests.ReadTimeout("the answer did not end in time", response=response)
                if len(body) > self._max_bytes:
                    raise VendorAnswerError("the answer is larger than allowed")
        except urllib3.exceptions.ReadTimeoutError as error:
            raise requests.ReadTimeout(error, response=response) from error
        except urllib3.exceptions.HTTPError as error:
            raise requests.exceptions.ChunkedEncodingError(error, response=response) from error
        except (requests.RequestException, VendorAnswerError):
            response.close()
            raise
        response._content = bytes(body)
        response._content_consumed = True  # type: ignore[attr-defined]
        response.raw.release_conn()


def certainly_not_sent(error: BaseException) -> bool:
    """True when the request cannot have reached the vendor: no connection was ever made."""
    seen: set[int] = set()
    current: Any = error
    while isinstance(current, BaseException) and id(current) not in seen:
        seen.add(id(current))
        if isinstance(
            current,
            requests.ConnectTimeout | urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError,
        ):
            return True
        reason = getattr(current, "reason", None)
        current = reason if isinstance(reason, BaseException) else (current.args[0] if current.args else None)
    return False


def sentence(error: BaseException, redact: Redactor, patience: Patience | None = None) -> str:
    """What went wrong in one redacted sentence of bounded length, for a stored row or a log line."""
    if isinstance(error, requests.ConnectTimeout):
        text = "could not connect in time" + (f" ({patience.connect:g} s)" if patience else "")
    elif isinstance(error, requests.Timeout | TimeoutError):
        text = "no complete answer in time" + (f" ({patience.total:g} s)" if patience else "")
    elif isinstance(error, requests.ConnectionError):
        text = "could not connect" if certainly_not_sent(error) else "the connection was lost"
    elif isinstance(error, json.JSONDecodeError | requests.JSONDecodeError):
        text = "the answer is not JSON"
    else:
        text = f"{type(error).__name__}: {error}" if not isinstance(error, VendorAnswerError) else str(error)
    text = " ".join(redact(text).split())
    return text if len(text) <= MAX_SENTENCE else text[: MAX_SENTENCE - 1] + "…"
