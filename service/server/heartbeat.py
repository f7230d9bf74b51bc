"""The line between a worker and the process that keeps it: one tells that it lives, either sees the other's end.

A worker sends a byte once it serves, and then one a second, from its event loop: it must turn, not merely be there.
"""

import contextlib
import socket


class Heartbeat:
    """A worker's end of the line."""

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(False)
        self._line = line

    def fileno(self) -> int:
        """For an event loop to see when there is something to read: only the line's end."""
        return self._line.fileno()

    def beat(self) -> None:
        """Tell that the event loop turns."""
        with contextlib.suppress(OSError):  # full, since the keeper is stopped; or cut, which `is_cut` tells
            self._line.send(b".")

    def is_cut(self) -> bool:
        """Whether the keeper has ended."""
        try:
            return not self._line.recv(1)
        except BlockingIOError:
            return False
        except OSError:
            return True
