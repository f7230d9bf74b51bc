"""Who asks, and may they: the gate in front of every route where `SEQSERVE_API_KEYS_FILE` is set.

Without that setting it isn't there at all. What a route needs is in one table; what the table doesn't know needs
`admin`.
"""

import functools
import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as RequestScope

from service.access.key_file import KeyFile
from service.access.keys import Key, Scope
from service.access.usage import Account, Usage
from service.errors import Forbidden, NotReady, Refusal, Unauthenticated
from service.http import problem
from service.telemetry.request_record import SCOPE_KEY

_NOT_KEPT = (b"cache-control", b"no-store")
"""What was answered to a key is nobody else's; caches know that of `Authorization`, but not of `X-API-Key`."""

_OURS = {429, 500, 503, 504}
"""Statuses that a caller isn't charged for unless something was computed."""


REFUSED_KINDS = ("unauthenticated", "forbidden", "rate-limited", "quota-exceeded")
"""Kinds of problem that the gate may answer with."""


class Access:
    """Who asks, for the log, and what their rows are charged to."""

    __slots__ = ("_account", "_is_charged", "client", "key_name")

    def __init__(self, client: str | None) -> None:
        self.client = client
        self.key_name: str | None = None
        self._account: Account | None = None
        self._is_charged = False

    def known(self, key: Key, account: Account | None) -> None:
        """It is the holder of this key. Raises `RateLimited` and `QuotaExceeded` where everything is used up."""
        self.key_name, self._account = key.name, account
        if account is not None:
            account.check()

    def charge(self, num_rows: int) -> None:
        """Count rows that are about to be computed.

        Raises `RateLimited` and `QuotaExceeded`, but only for the first of one request: what has begun is finished.
        """
        if self._account is not None:
            self._account.charge(num_rows, refuse=not self._is_charged)
            self._is_charged = True

    def settle(self, status: int) -> list[tuple[bytes, bytes]]:
        """Charge a request for which nothing was computed as one row. Gives headers for the answer."""
        if self._account is None:
            return []
        if not self._is_charged and status not in _OURS:
            self._account.charge(1, refuse=False)
        return self._account.headers()


class Gate:
    """ASGI middleware inside of the observer.

    Args:
        app: what answers.
        keys: who may ask.
        usage: how much.
        routes: of the application, to name the route of what is refused.
    """

    def __init__(
        self, app: ASGIApp, keys: KeyFile, usage: Usage, scopes: Mapping[str, Scope | None], routes: Sequence[BaseRoute]
    ) -> None:
        self._app = app
        self._keys = keys
        self._usage = usage
        self._routes = routes
        self._scopes = scopes
        self._below = tuple(path for path in scopes if path.endswith("/") and path != "/")

    async def __call__(self, scope: RequestScope, receive: Receive, send: Send) -> None:
        """Answer one request, if it may be."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        access = Access(_address(client[0]) if client else None)
        record = scope[SCOPE_KEY]
        record.is_identified, record.client, record.charge = True, access.client, access.charge
        needed = self._needed(scope["path"])
        if needed is None:
            await self._app(scope, receive, send)
            return

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), _NOT_KEPT, *access.settle(message["status"])]
            await send(message)

        try:
            key = self._key(scope["headers"])
            if needed not in key.scopes:
                access.key_name = key.name
                raise Forbidden(needed)
            access.known(key, self._usage.of(key))
        except Refusal as refusal:
            scope["route"] = next((route for route in self._routes if route.matches(scope)[0] is not Match.NONE), None)
            record.key_name, record.problem = access.key_name, problem.kind_of(refusal)
            await problem.answer(refusal)(scope, receive, send_with_limits)
            return
        record.key_name = access.key_name
        await self._app(scope, receive, send_with_limits)

    def _needed(self, path: str) -> Scope | None:
        """What a path needs; None: nothing."""
        if path in self._scopes:
            return self._scopes[path]
        for prefix in self._below:
            if path.startswith(prefix):
                return self._scopes[prefix]
        return "admin"

    def _key(self, headers: Iterable[tuple[bytes, bytes]]) -> Key:
        """Whose key the request carries. Raises `Unauthenticated`, `NotReady` while the keys aren't known."""
        if self._keys.keyring is None:
            raise NotReady("The keys can't be read; try again later.", retry_after_seconds=1)
        sent = _sent(headers)
        if sent is None:
            raise Unauthenticated("Send a key, as Authorization: Bearer … or as X-API-Key: …", was_sent=False)
        key = self._keys.keyring.find(sent)
        if key is None:
            raise Unauthenticated("The key is none of this service's, or was revoked.", was_sent=True)
        if key.has_expired():
            raise Unauthenticated("The key has expired.", was_sent=True)
        return key


def _sent(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The key that a request carries; `X-API-Key` before `Authorization`, which a proxy may use for itself."""
    bearer = None
    for name, value in headers:
        if name == b"x-api-key":
            return value
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            bearer = value[7:].strip()
    return bearer


@functools.lru_cache(4096)
def _address(host: str) -> str | None:
    """The host, as far as it is an address: what a proxy passes on may be anything."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None
