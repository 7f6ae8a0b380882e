"""A web server for the person at this machine: some pages on the loopback address, to be read and nothing else.

What it refuses, and why. It listens on 127.0.0.1, so no other machine reaches it. A page of another site, open in the same
browser, could: by its own name, once that resolves to 127.0.0.1 (the browser then counts both as one site). Such a request
carries that name as its Host, so only names of the loopback address are answered; any port, for a tunnel has its own. Paths
are keys of a table, never files: there is nothing to climb out of. All methods but GET and HEAD are refused. A request has
some seconds to arrive as a whole, an answer to be taken, and there are only so many at a time: who is slow on purpose holds a place
for that long, and no memory.
"""

import hashlib
import http.server
import io
import os
import re
import socketserver
import sys
import threading
import time
from typing import NamedTuple

ADDRESS = "127.0.0.1"
MOST_CONNECTIONS = 64  # at a time; a browser opens six
OWN_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)


class Answer(NamedTuple):
    """What a path gives."""

    kind: str  # its media type
    body: bytes


class LoopbackServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Serves `table`: path -> function without arguments -> Answer. Functions are called one at a time.

    port 0 takes a free one; `url` tells which. Raises OSError if the port is taken.
    """

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there it would let two servers share a port

    def __init__(self, table, port):
        self.table, self.lock = table, threading.Lock()
        self.places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__((ADDRESS, port), Handler)

    def server_bind(self):
        """As HTTPServer's, without its question to the name service, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address

    def process_request(self, request, client_address):
        """In a thread of its own; without a word if there are too many."""
        if not self.places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread to be had
            self.places.release()
            raise

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    @property
    def url(self):
        return f"http://{self.server_name}:{self.server_port}/"

    def handle_error(self, request, client_address):
        """A browser that went away is none of our business; anything else keeps its traceback."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    timeout = 20  # seconds for a request to arrive, all of it; and for each part of an answer to be taken
    server_version, sys_version = "neuraltalk", ""
    _status = None  # of the answer that is being sent

    def setup(self):
        super().setup()
        self.rfile.close()  # it would wait as long again for each byte
        self.rfile = io.BufferedReader(_Punctual(self.connection, time.monotonic() + self.timeout))

    def do_GET(self):
        if not self._own_host():
            return self.send_error(403, "Only for this machine")
        path = self.path.partition("?")[0]
        if path == "/favicon.ico":
            return self._send(204, None)
        if path not in self.server.table:
            return self.send_error(404, "No such page")
        with self.server.lock:
            answer = self.server.table[path]()
        self._send(200, answer)

    do_HEAD = do_GET

    def _refuse(self):
        self.send_error(405, "Nothing can be changed here")

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = _refuse

    def _own_host(self):
        """Whether the request names this machine, and names it once."""
        hosts = self.headers.get_all("Host", [])
        return len(hosts) == 1 and OWN_HOST.fullmatch(hosts[0].strip()) is not None

    def _send(self, status, answer):
        tag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"' if answer else None
        if tag and self.headers.get("If-None-Match") == tag:
            status = 304
        self.send_response(status)
        if tag:
            self.send_header("ETag", tag)
            self.send_header("Cache-Control", "no-cache")  # asked for again each time, sent only if changed
        if status == 200:
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if status == 200 and self.command == "GET":
            self.wfile.write(answer.body)

    def end_headers(self):
        """With what keeps other sites out of these answers."""
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Content-Security-Policy", "frame-ancestors 'none'")
        self.send_header("Referrer-Policy", "no-referrer")
        if self._status == 405:
            self.send_header("Allow", "GET, HEAD")
        super().end_headers()

    def send_response(self, code, message=None):
        self._status = int(code)
        self.connection.settimeout(self.timeout)  # sendall's, for all of what it is given
        super().send_response(code, message)

    def log_message(self, *arguments):
        """Silence: the page asks every few seconds."""


class _Punctual(io.RawIOBase):
    """What a connection sends until a moment (of time.monotonic); after it TimeoutError, however little is missing."""

    def __init__(self, connection, deadline):
        self.connection, self.deadline = connection, deadline

    def readable(self):
        return True

    def readinto(self, buffer):
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("a request that took too long to arrive")
        self.connection.settimeout(left)
        return self.connection.recv_into(buffer)
