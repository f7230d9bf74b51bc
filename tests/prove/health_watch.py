"""An unhurried client of its own process: asks for /livez now and then; told to stop, prints the seconds each took."""

import http.client
import json
import signal
import sys
import time


class Stopped(Exception):
    """SIGTERM."""


def stop(_number: int, _frame: object) -> None:
    raise Stopped


def main(port: int) -> None:
    """By turns on a kept-alive connection and on a new one; what isn't a 200 counts as a minute."""
    signal.signal(signal.SIGTERM, stop)
    took: list[float] = []
    under_way: float | None = None
    kept = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        while True:
            for connection in (kept, http.client.HTTPConnection("127.0.0.1", port, timeout=60)):
                time.sleep(0.1)
                began = under_way = time.perf_counter()
                try:
                    connection.request("GET", "/livez")
                    answer = connection.getresponse()
                    answer.read()
                    took.append(time.perf_counter() - began if answer.status == 200 else 60.0)
                except (OSError, http.client.HTTPException):
                    took.append(60.0)
                    connection.close()
                under_way = None
                if connection is not kept:
                    connection.close()
    except Stopped:
        if under_way is not None:
            took.append(time.perf_counter() - under_way)
        print(json.dumps(took))


if __name__ == "__main__":
    main(int(sys.argv[1]))
