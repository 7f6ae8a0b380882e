"""A file from whatever package index pip is configured for, fetched without pip: pip would run a package's setup.py.

pip itself is asked how it is configured (`pip config list`: files, environment, all of it). An index answers with a page
of links, in HTML or JSON, for a project's name (the "simple repository API"). Folders and pages of pip's `find-links` are
looked through too.
"""

import ast
import html.parser
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from typing import NamedTuple

from neuraltalk.errors import UserError
from neuraltalk.vision.weights import web
from neuraltalk.vision.weights.web import Access

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
MAX_PAGE = 10_000_000  # bytes
PIP_SECONDS = 60


class Indexes(NamedTuple):
    """Where packages come from."""

    indexes: tuple  # addresses, in the order in which they are asked
    links: tuple  # folders and pages with files of any project
    access: Access


def configured(index=None):
    """What pip is configured for -> Indexes; `index` takes the place of its first index."""
    values = {}
    for section in ("global", "install", "download", ":env:"):  # a later one has the last word
        for line in _pip("config", "list").splitlines():
            key, _, value = line.partition("=")
            if key.startswith(section + "."):
                try:
                    values[key[len(section) + 1 :]] = str(ast.literal_eval(value))
                except (ValueError, SyntaxError):
                    continue
    first = index or values.get("index-url")
    if not first:
        default = re.search(r"\(default\s+(https?://[^\s)]+)\)", _pip("download", "--help"))
        if not default:
            raise UserError("this Python has no pip that could tell a package index; give one with --index-url")
        first = default[1]
    without = values.get("no-index", "").lower() in ("1", "true", "yes", "on") and not index
    indexes = () if without else (first, *values.get("extra-index-url", "").split())
    access = Access(values.get("cert", ""), values.get("proxy", ""), tuple(values.get("trusted-host", "").split()))
    return Indexes(indexes, tuple(values.get("find-links", "").split()), access)


def _pip(*arguments):
    """What pip prints, or nothing."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PIP_SECONDS,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "COLUMNS": "1000"},  # its help wraps lines, and addresses in them
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def find_file(project, name, where):
    """The addresses of the file `name` of a project -> list of (address, Access), to be tried in turn.

    Raises UserError if no index has it, saying what each said.
    """
    found, answers = [], []
    for page, own in _pages(project, where):
        access = where.access
        plain, secret = web.split_credentials(page)
        if secret:
            access = access._replace(credentials=((plain, secret),))
        try:
            links = _links(page, access)
        except web.FAULTS as fault:
            answers.append(f"{web.shown(page)}: {web.told(fault)}")
            continue
        there = [link for link in links if same_file(link, name)]
        found += [(link, access) for link in there]
        if own and not there:
            answers.append(f"{web.shown(page)}: no {name} there")
    if not found:
        raise UserError(f"no package index has {name} ({'; '.join(answers) or 'none is configured'})")
    return found


def same_file(address, name):
    """Whether an address is that of a file; projects write their names with - or _ or a dot."""
    last = urllib.parse.unquote(urllib.parse.urlsplit(address).path.rpartition("/")[2])
    return re.sub("[-_.]+", "-", last).lower() == re.sub("[-_.]+", "-", name).lower()


def _pages(project, where):
    """The pages with links: yields (address, whether it is the project's own)."""
    for link in where.links:
        yield _as_address(link), False
    for index in where.indexes:
        yield _as_address(index).rstrip("/") + "/" + re.sub("[-_.]+", "-", project).lower() + "/", True


def _as_address(text):
    """A path as an address."""
    return text if re.match("[a-z]+://", text) else pathlib.Path(text).expanduser().absolute().as_uri()


def _links(page, access):
    """The addresses that a page links to. Raises what is in web.FAULTS."""
    if urllib.parse.urlsplit(page).scheme == "file":
        folder = pathlib.Path(urllib.request.url2pathname(urllib.parse.urlsplit(page).path))
        if folder.is_dir() and not (folder / "index.html").is_file():
            return [path.as_uri() for path in sorted(folder.iterdir())]
        page = (folder / "index.html" if folder.is_dir() else folder).as_uri()
    with web.open_address(page, (("Accept", ACCEPT),), access) as response:
        content = response.read(MAX_PAGE + 1)
        kind = response.headers.get_content_type()
        base = response.url
    if len(content) > MAX_PAGE:
        raise ValueError(f"a page of more than {MAX_PAGE:,} bytes")
    text = content.decode("utf-8", "replace")
    if kind.endswith("json"):
        try:
            hrefs = [file["url"] for file in json.loads(text)["files"]]
        except (LookupError, TypeError, RecursionError) as fault:
            raise ValueError(f"an answer that makes no sense ({fault})") from None
    else:
        anchors = _Anchors()
        anchors.feed(text)
        base, hrefs = urllib.parse.urljoin(base, anchors.base), anchors.hrefs
    return [urllib.parse.urldefrag(urllib.parse.urljoin(base, str(href)))[0] for href in hrefs]


class _Anchors(html.parser.HTMLParser):
    """Collects the links of a page."""

    def __init__(self):
        super().__init__()
        self.base, self.hrefs = "", []

    def handle_starttag(self, tag, attrs):
        href = dict(attrs).get("href")
        if href and tag == "a":
            self.hrefs.append(href)
        elif href and tag == "base":
            self.base = href
