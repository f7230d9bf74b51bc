"""The gate: middleware that requires API keys, installed where `SEQSERVE_API_KEYS_FILE` is set.

Deny by default: a path without a declared scope is refused to every key, for HTTP and websockets alike.
"""

import contextlib
import functools
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as RequestScope

from service.access.key_file import KeyFile
from service.access.keys import Key, Scope
from service.access.usage import Account, Usage
from service.errors import Forbidden, NotReady, Refusal, Unauthenticated
from service.http import problem
from service.telemetry.request_record import SCOPE_KEY, RequestRecord

Scopes = Mapping[str, Scope | None]
"""Needed scope by path; a path that ends in "/" holds for all paths below it, "/" itself excepted. None: public."""

_NO_STORE = (b"cache-control", b"no-store")
"""Caches don't share answers to `Authorization`, but know nothing of `X-API-Key`."""

_FREE_STATUSES = {429, 500, 503, 504}
"""Not charged unless something was computed."""

REFUSED_KINDS = ("unauthenticated", "forbidden", "rate-limited", "quota-exceeded")
"""Kinds of problem that the gate may answer with."""


def needed_scope(scopes: Scopes, path: str) -> Scope | None:
    """The scope that a path needs; None: it is public. Raises `LookupError` where none is declared."""
    if path in scopes:
        return scopes[path]
    for prefix, scope in scopes.items():
        if len(prefix) > 1 and prefix[-1] == "/" and path.startswith(prefix):
            return scope
    raise LookupError(path)


@dataclass(slots=True)
class _Charge:
    """What one request is charged to the account of its key, if it has one."""

    account: Account | None = None
    is_charged: bool = False

    def rows(self, num_rows: int) -> None:
        """Charge rows that are about to be computed.

        Raises `RateLimited` and `QuotaExceeded`, but only for the first rows of a request: what has begun is finished.
        """
        if self.account is not None:
            self.account.charge(num_rows, refuse=not self.is_charged)
            self.is_charged = True

    def settle(self, status: int) -> list[tuple[bytes, bytes]]:
        """Charge one row if nothing was computed; headers for the answer."""
        if self.account is None:
            return []
        if not self.is_charged and status not in _FREE_STATUSES:
            self.account.charge(1, refuse=False)
        return self.account.headers()


@dataclass(frozen=True)
class Gate:
    """ASGI middleware that requires a key."""

    app: ASGIApp
    keys: KeyFile
    usage: Usage
    scopes: Scopes
    routes: Sequence[BaseRoute]
    """Of the application, to name the route of a refused request."""

    async def __call__(self, scope: RequestScope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it with problem+json; so is a websocket, in place of its handshake."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        record: RequestRecord = scope.setdefault(SCOPE_KEY, RequestRecord())
        client = scope.get("client")
        charge = _Charge()
        record.client = _ip_address(client[0]) if client else None
        record.charge = charge.rows
        needed, is_public = None, False
        with contextlib.suppress(LookupError):
            needed = needed_scope(self.scopes, scope["path"])
            is_public = needed is None
        if is_public:
            await self.app(scope, receive, send)
            return

        async def send_with_limits(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start", "websocket.accept"}:
                own = charge.settle(message.get("status", 101))
                message["headers"] = [*message.get("headers", ()), _NO_STORE, *own]
            await send(message)

        try:
            key = self._key(scope["headers"])
            record.key_name = key.name
            if needed is None or needed not in key.scopes:
                raise Forbidden(needed)
            charge.account = self.usage.account(key)
            if charge.account is not None:
                charge.account.check()
        except Refusal as refusal:
            scope["route"] = next((route for route in self.routes if route.matches(scope)[0] is not Match.NONE), None)
            record.problem = problem.kind_of(refusal)
            await problem.answer(refusal)(scope, receive, send_with_limits)
            return
        await self.app(scope, receive, send_with_limits)

    def _key(self, headers: Iterable[tuple[bytes, bytes]]) -> Key:
        """The key of a request. Raises `Unauthenticated`, and `NotReady` until the key file was read."""
        if self.keys.keyring is None:
            raise NotReady("The keys can't be read; try again later.", retry_after_seconds=1)
        text = _sent_key(headers)
        if text is None:
            raise Unauthenticated("Send a key, as Authorization: Bearer … or as X-API-Key: …", was_sent=False)
        key = self.keys.keyring.find(text)
        if key is None:
            raise Unauthenticated("The key is none of this service's, or was revoked.", was_sent=True)
        if key.has_expired():
            raise Unauthenticated("The key has expired.", was_sent=True)
        return key


def _sent_key(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The key in a request's headers; `X-API-Key` before `Authorization`, which a proxy may use for itself."""
    bearer = None
    for name, value in headers:
        if name == b"x-api-key":
            return value
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            bearer = value[7:].strip()
    return bearer


@functools.lru_cache(4096)
def _ip_address(host: str) -> str | None:
    """The address, or None: what a proxy passes on may be anything."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None
