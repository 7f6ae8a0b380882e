"""The server of `neuraltalk monitor`: it answers only this machine's readers, under its own names, with what it has on its table."""

import contextlib
import json
import os
import pathlib
import socket
import threading
import time

import pytest
from servers import running
from test_runs import entry, write

from neuraltalk.cli import monitor as command
from neuraltalk.pages import server as pages_server
from neuraltalk.pages.server import Answer, Handler, LoopbackServer
from neuraltalk.train.runs import RunFolders


@pytest.fixture(scope="module")
def server():
    table = {"/": lambda: Answer("text/html; charset=utf-8", b"<p>page"), "/runs.json": lambda: Answer("application/json", b"{}")}
    with running(LoopbackServer(table, 0)) as server:
        yield server


def ask(server, request, host="127.0.0.1"):
    """The raw answer to a raw request: (status, headers, body)."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
        lines = [request, *([f"Host: {host}"] if host is not None else []), "", ""]
        connection.sendall("\r\n".join(lines).encode("latin-1"))
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *headers = head.decode("latin-1").split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in headers), body


def test_server_answers_readers(server):
    status, headers, body = ask(server, "GET / HTTP/1.1")
    assert (status, body, headers["Content-Type"]) == (200, b"<p>page", "text/html; charset=utf-8")
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert not any(name.startswith("Access-Control") for name in headers)
    assert ask(server, "GET /runs.json?x=1 HTTP/1.1")[2] == b"{}"
    status, headers, body = ask(server, "HEAD / HTTP/1.1")
    assert (status, body, headers["Content-Length"]) == (200, b"", "7")
    assert ask(server, f"GET / HTTP/1.1\r\nIf-None-Match: {headers['ETag']}")[::2] == (304, b"")
    assert ask(server, "GET /favicon.ico HTTP/1.1")[0] == 204


def test_server_listens_on_the_loopback_address_only(server):
    """Other addresses of this machine lead nowhere, so none of another machine does."""
    assert server.socket.getsockname()[0] == "127.0.0.1" and server.url == f"http://127.0.0.1:{server.server_port}/"


def own_addresses():
    """Addresses of this machine that others could reach."""
    found = set()
    with contextlib.suppress(OSError):
        found |= {entry[4][0] for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; the system chooses an address to send from
        found.add(probe.getsockname()[0])
    return sorted(address for address in found if not address.startswith("127."))


def test_server_is_deaf_on_other_addresses(server):
    for address in [*own_addresses(), "127.0.0.2"]:
        with pytest.raises(OSError), socket.create_connection((address, server.server_port), timeout=2):
            pass


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:1", "127.0.0.1:65535", "[::1]:8484"])
def test_server_knows_its_own_names(server, host):
    assert ask(server, "GET / HTTP/1.1", host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:8484",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "127.0.0.2",
        "0.0.0.0",
        "localhost:",
        "localhost:80:80",
        "127.0.0.1\r\nHost: evil.example",
        "localhost, evil.example",
        "2130706433",
        "[::1",
        "lo\xa0calhost",
        "localhost\0",
        "localhost.",
        "127.1",
        "0",
        "x\r\n localhost",  # a line that goes on in the next
    ],
)
def test_server_refuses_other_names(server, host):
    """What a page of another site could make a browser send, once its name resolves to 127.0.0.1."""
    status, _, body = ask(server, "GET /runs.json HTTP/1.1", host)
    assert status == 403 and b"{}" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "MKCOL", "get"])
def test_server_refuses_to_change_anything(server, method):
    status, headers, body = ask(server, f"{method} / HTTP/1.1")
    assert status in (405, 501) and b"<p>page" not in body
    assert status == 501 or headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "//etc/passwd",
        "///etc/passwd",
        "/./",
        "/../",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/%252e%252e%252fetc%252fpasswd",
        "/%c0%ae%c0%ae/etc/passwd",
        "/..\\..\\etc\\passwd",
        "/..%5c..%5cetc%5cpasswd",
        "/....//....//etc/passwd",
        "/etc/passwd%00",
        "/runs.json%00",
        "/runs.json%00.html",
        "/runs.json\0",
        "/runs.json/",
        "/runs.json/..",
        "/RUNS.JSON",
        "/runs%2ejson",
        "/runs.json;x",
        "/runs.json#x",
        "/status/a_status.json",
        "/a_status.json",
        "/host_toy_a_status.json",
        "/secret.json",
        "/index.html",
        "/.git/config",
        "/C:/x",
        "http://evil.example/",
        "http://127.0.0.1/runs.json",
        "file:///etc/passwd",
        "*",
        "runs.json",
        "/" + "a" * 5000,
        "/" + "../" * 2000 + "etc/passwd",
        "/<script>alert(1)</script>",
        "/\xff\xfe",
    ],
)
def test_server_has_nothing_else(server, path):
    status, _, body = ask(server, f"GET {path} HTTP/1.1")
    assert status == 404 and b"root:" not in body and b"<script>" not in body


def test_server_survives_what_isnt_http(server):
    headers = b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n"
    for junk in (b"\x16\x03\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 70_000, headers, b""):
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
            connection.sendall(junk)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65536)
    assert ask(server, "GET / HTTP/1.1")[0] == 200


def conversation(server, data):
    """All that the server says to these bytes."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
        connection.sendall(data)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def test_one_request_is_answered_on_a_connection(server):
    """So there is no second one for a go-between to take for the first's."""
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
    assert conversation(server, request * 3).count(b"HTTP/1.") == 1
    smuggled = b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /runs.json HTTP/1.1\r\nHost: x\r\n\r\n"
    assert conversation(server, smuggled).endswith(b"<p>page")


def test_the_first_http_has_no_host_and_gets_nothing(server):
    answer = conversation(server, b"GET /\r\n\r\n")
    assert b"<p>page" not in answer and b"403" in answer
    assert conversation(server, b"POST /\r\n\r\n").count(b"<p>page") == 0


def test_hosts_that_are_spelled_oddly_name_nobody(server):
    for line in (b"Host : localhost", b"X: y\r\n Host: localhost", b"X-Forwarded-Host: localhost", b"Host"):
        assert b"403" in conversation(server, b"GET / HTTP/1.1\r\n" + line + b"\r\n\r\n"), line
    assert b"404" in conversation(server, b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n")


def test_nothing_of_a_request_comes_back_in_headers(server):
    answer = conversation(server, b"GET /%0d%0aSet-Cookie:x=1 HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n")
    assert b"404" in answer and b"Set-Cookie" not in answer and b"evil" not in answer


@pytest.fixture
def status(tmp_path):
    """A folder with a run."""
    folder = tmp_path / "status"
    folder.mkdir()
    write(folder, "host_toy_a", [entry(1)])
    return folder


def test_server_shows_new_runs(status):
    with running(LoopbackServer(command.answers(RunFolders([status]), "status"), 0)) as server:
        first = ask(server, "GET /runs.json HTTP/1.1")
        write(status, "new", [entry(1)])
        second = ask(server, f"GET /runs.json HTTP/1.1\r\nIf-None-Match: {first[1]['ETag']}")
        third = ask(server, f"GET /runs.json HTTP/1.1\r\nIf-None-Match: {second[1]['ETag']}")
    assert third[0] == 304 and second[0] == 200 and len(json.loads(second[2])["runs"]) == len(json.loads(first[2])["runs"]) + 1


def served(folder):
    """What the monitor's server gives of a folder: its two answers as one text, in lower case."""
    with running(LoopbackServer(command.answers(RunFolders([folder]), "status"), 0)) as server:
        return b"".join(ask(server, f"GET {path} HTTP/1.1")[2] for path in ("/", "/runs.json")).decode().lower()


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_out_of_the_folder_are_not_followed(status, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    write(outside, "secret", [entry(1)], params={"note": "topsecret"})
    hidden = tmp_path / "passwords.json"
    hidden.write_text('{"password": "topsecret"}')
    (status / "file_status.json").symlink_to(outside / "secret_status.json")
    (status / "relative_status.json").symlink_to("../outside/secret_status.json")
    (status / "through.json").symlink_to(status / ".." / "passwords.json")
    (status / "folder.json").symlink_to(outside)
    (status / "folder").symlink_to(outside)
    (status / "chain.json").symlink_to(status / "through.json")
    (status / "circle.json").symlink_to(status / "circle.json")
    (status / "device.json").symlink_to("/dev/zero")
    (status / "process.json").symlink_to("/proc/self/environ")
    os.mkfifo(status / "pipe.json")
    (status / "inside.json").symlink_to(status / "host_toy_a_status.json")
    text = served(status)
    assert "topsecret" not in text and "password" not in text
    assert "host_toy_a" in text and "a link to a file elsewhere" in text and '"inside"' in text


def test_only_status_files_of_the_folder_itself(status, tmp_path):
    write(tmp_path, "above", [entry(1)])
    (status / "below").mkdir()
    write(status / "below", "below", [entry(1)])
    (status / ".hidden.json").write_text('{"history": [], "params": {"note": "topsecret"}}')
    (status / "notes.txt").write_text("topsecret")
    (status / "other.json").write_text('{"password": "topsecret"}')
    text = served(status)
    assert "topsecret" not in text and '"above"' not in text and '"below"' not in text and "other.json: not a status file" in text


def test_nothing_on_the_disk_changes(status):
    before = {path: path.read_bytes() for path in status.rglob("*")}
    with running(LoopbackServer(command.answers(RunFolders([status]), "status"), 0)) as server:
        for method in ("PUT", "POST", "DELETE", "PATCH", "MOVE", "COPY", "PROPPATCH", "LOCK", "MKCOL"):
            for path in ("/", "/runs.json", "/host_toy_a_status.json"):
                assert ask(server, f"{method} {path} HTTP/1.1\r\nContent-Length: 4\r\n\r\nevil", host="localhost")[0] in (403, 405, 501)
    assert before == {path: path.read_bytes() for path in status.rglob("*")}


# ---- large and slow requests


@pytest.mark.parametrize(
    "request_lines, status",
    [
        ("GET /" + "a" * 70_000 + " HTTP/1.1", 414),
        ("GET / HTTP/1.1\r\nX: " + "a" * 70_000, 431),
        ("GET / HTTP/1.1" + "".join(f"\r\nX-{k}: y" for k in range(200)), 431),
        ("GET / HTTP/1.1\r\nContent-Length: 99999999999999999999", 200),  # a body isn't read
        ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked", 200),
        ("GET / HTTP/1.1\r\nExpect: 100-continue", 200),
        ("GET / HTTP/3.0", 505),
        ("GET / HTTP/1.1 x", 400),
    ],
)
def test_large_and_odd_requests(server, request_lines, status):
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(f"{request_lines}\r\nHost: localhost\r\n\r\n".encode())
        answer = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                answer += part
    codes = [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/")]
    told = codes in ([status], [100, status]) or f"Error code: {status}".encode() in answer  # without a head, to what isn't HTTP
    assert told or not answer and status in (414, 431)  # the rest of the request was in the way of the answer
    assert ask(server, "GET / HTTP/1.1")[0] == 200


@pytest.fixture
def hasty(monkeypatch):
    """A server that waits half a second, for four at a time."""
    monkeypatch.setattr(Handler, "timeout", 0.5)
    monkeypatch.setattr(pages_server, "MOST_CONNECTIONS", 4)
    page = Answer("text/html", bytes(50_000_000))
    with running(LoopbackServer({"/": lambda: Answer("text/html", b"page"), "/large": lambda: page}, 0)) as server:
        yield server


def ended(connection, seconds):
    """Whether the server closes a connection within some seconds, while a byte is sent now and then."""
    until = time.monotonic() + seconds
    connection.settimeout(0.1)
    while time.monotonic() < until:
        try:
            connection.sendall(b"x")
            if not connection.recv(100):
                return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


@pytest.mark.parametrize("begin", [b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_slow_requests_end(hasty, begin):
    """A byte now and then doesn't keep a connection for longer than one that is silent."""
    with socket.create_connection(("127.0.0.1", hasty.server_port)) as connection:
        connection.sendall(begin)
        assert ended(connection, 15)
    assert ask(hasty, "GET / HTTP/1.1")[0] == 200


def test_slow_readers_end(hasty):
    with socket.create_connection(("127.0.0.1", hasty.server_port)) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection.recv(10)
        until = time.monotonic() + 15
        while hasty.places._value < 4 and time.monotonic() < until:
            time.sleep(0.05)
        assert hasty.places._value == 4


def test_too_many_at_once_are_sent_away_and_places_come_back(hasty):
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(socket.create_connection(("127.0.0.1", hasty.server_port))) for _ in range(12)]
        assert all(ended(connection, 15) for connection in waiting)
    assert threading.active_count() < 15
    until = time.monotonic() + 15
    while hasty.places._value < 4 and time.monotonic() < until:
        time.sleep(0.05)
    assert [ask(hasty, "GET / HTTP/1.1")[0] for _ in range(10)] == [200] * 10


def test_this_is_the_only_server():
    """Whoever adds another one adds its tests here."""
    package = pathlib.Path(pages_server.__file__).parent.parent
    listening = [
        path
        for path in package.rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in ("socketserver", "http.server", ".listen("))
    ]
    assert listening == [pathlib.Path(pages_server.__file__)]
