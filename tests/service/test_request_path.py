"""How many of our files a request crosses, from its bytes to those of the response."""

import gc
import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from service.http.codec import Call
from service.server.server import Server
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
OURS = tuple(str(ROOT / room) for room in ("service", "bundle"))


class RunningServer:
    """The service in a thread of this process, with one connection; counts the files of ours that a request crosses."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._server = Server(Settings())
        self._thread = threading.Thread(target=self._server.run, args=([self._listening],))
        self._is_counting = False
        self.files: set[str] = set()

    def __enter__(self) -> "RunningServer":
        threading.setprofile(self._note)
        self._thread.start()
        threading.setprofile(None)
        self._connection = socket.create_connection(self._listening.getsockname())
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._server.should_exit = True
        self._thread.join(60)

    def post(self, path: str, payload: Any, status: str = "HTTP/1.1 200") -> None:
        body = json.dumps(payload).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._connection.sendall(head.encode() + body)
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
            answer += self._connection.recv(65536)
        assert answer.startswith(status.encode()), answer

    def count(self, path: str, payload: Any) -> set[str]:
        """Files that one request crosses, after some of the same kind."""
        for _ in range(5):
            self.files.clear()
            self.post(path, payload)
        return self.files

    def _note(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(OURS):
            if code.co_name == "data_received":
                self._is_counting = True
            if self._is_counting:
                self.files.add(code.co_filename.removeprefix(f"{ROOT}/"))
        if event == "return" and code.co_name == "_flush" and code.co_filename.startswith(OURS):
            self._is_counting = False


@pytest.fixture(scope="module")
def server(tiny_store: Path) -> Iterator[RunningServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQSERVE_STORE", str(tiny_store))
        with RunningServer() as server:
            yield server


@pytest.mark.parametrize(
    ("path", "payload", "most"),
    [
        ("/classify", {"model": "spam", "inputs": "running late, see you at 8"}, 14),
        ("/forecast", {"model": "ridership", "values": [1, 2, 3, 4, 5, 6, 7] * 4, "horizon": 7}, 16),
    ],
)
def test_a_request_crosses_few_files(server: RunningServer, path: str, payload: Any, most: int) -> None:
    crossed = server.count(path, payload)
    assert len(crossed) <= most, "\n".join(sorted(crossed))
    assert len(crossed) > 5, sorted(crossed)


@pytest.mark.parametrize("values", [[1, 2, 3, 4, 5, 6, 7] * 4, [1e300] * 28], ids=["answered", "refused"])
def test_no_connection_keeps_what_a_request_held(server: RunningServer, values: list[float]) -> None:
    server.post("/forecast", {"model": "ridership", "values": values}, "HTTP/1.1 ")
    assert [one for one in gc.get_objects() if isinstance(one, Call)] == []


def test_profiling_ended() -> None:
    assert sys.getprofile() is None
