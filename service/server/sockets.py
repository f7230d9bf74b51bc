"""Socket options and file limits: how many connections a process may have, and how its port closes without a reset."""

import contextlib
import ctypes
import os
import resource
import socket
import struct
import sys

BACKLOG = 2048
"""Connections that may wait to be accepted; the kernel's own bound (`net.core.somaxconn`) counts too."""

RESERVED_FILES = 1280
"""Open files for all but the connections within the limit: bundles, logs, metrics, and excess connections."""

_SO_ATTACH_FILTER = 26  # linux/socket.h; Python doesn't name it
_DROP_SYN = (
    (0x30, 0, 0, 13),  # load the flags of the TCP header
    (0x45, 0, 1, 0x02),  # is SYN set?
    (0x06, 0, 0, 0),  # then drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # else pass it whole
)
"""A classic BPF program: code, jump if true, jump if false, operand."""

_MIN_TTL_OPTIONS = ((socket.IPPROTO_IP, 21), (socket.IPPROTO_IPV6, 73))
"""`IP_MINTTL` and `IPV6_MINHOPCOUNT` of linux/in.h and in6.h, which Python doesn't name."""
_MAX_TTL = 255
"""Hardly any sender starts with this much, and each router subtracts one."""


def raise_open_files(wanted: int) -> int:
    """Raise the limit on open files of this process and its children, as far as allowed; the limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def max_connections(wanted: int) -> int:
    """The wanted number of connections, or what the limit on open files leaves."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - RESERVED_FILES))


def refuse_handshakes(file_descriptor: int) -> None:
    """Drop new TCP handshakes at a listening socket; established connections can still be accepted. On Linux only.

    Closing a listening socket resets the connections that wait at it, so these are accepted first. A client whose SYN
    is dropped retries after a second and finds the port closed. Where the host's limit on BPF filters is reached
    (`net.core.bpf_jit_limit`), a minimum TTL that no packet has drops them: see `accept_packets`.
    """
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _DROP_SYN))
    option = struct.pack("HP", len(_DROP_SYN), ctypes.addressof(program))
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(file_descriptor)) as listening:
        try:
            listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
        except OSError:
            _set_min_ttl(listening, _MAX_TTL)


def accept_packets(connection: socket.socket) -> None:
    """Remove the minimum TTL that a connection has from its listening socket; dropped packets are sent again soon."""
    if sys.platform == "linux":
        _set_min_ttl(connection, 0)


def _set_min_ttl(own: socket.socket, ttl: int) -> None:
    for level, option in _MIN_TTL_OPTIONS:
        with contextlib.suppress(OSError):  # of the other version of IP
            own.setsockopt(level, option, ttl)
