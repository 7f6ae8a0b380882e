"""Opening addresses: certificates, proxies and passwords as pip has them, faults in one line."""

import base64
import http.client
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import NamedTuple

from neuraltalk.errors import UserError

TIMEOUT = 60  # seconds without a byte
FAULTS = (OSError, http.client.HTTPException, ValueError)  # what urllib raises; URLError and time-outs are OSErrors


class Access(NamedTuple):
    """How to reach the network, where it isn't the usual way."""

    certificates: str = ""  # a file of certificates to trust instead of the system's
    proxy: str = ""
    trusted_hosts: tuple = ()  # hosts, or host:port, whose certificate isn't looked at
    credentials: tuple = ()  # (address without name and password, "Basic ..."): for this host and no other


def open_address(address, headers=(), access=None):
    """Open an http, https or file address -> response. Raises what is in FAULTS.

    A name and password in it go to its own host, and not along to another that it may redirect to.
    """
    access = access or Access()
    address, own = split_credentials(address)
    if urllib.parse.urlsplit(address).scheme not in ("http", "https", "file"):
        raise ValueError("neither http, https nor a file")
    known = [(host(other), secret) for other, secret in access.credentials] + ([(host(address), own)] if own else [])
    handlers = [_Redirects(dict(known)), urllib.request.HTTPSHandler(context=_context(address, access))]
    if access.proxy:
        handlers.append(urllib.request.ProxyHandler({"http": access.proxy, "https": access.proxy}))
    request = urllib.request.Request(address, headers={"User-Agent": "neuraltalk", **dict(headers)})
    if host(address) in dict(known):
        request.add_unredirected_header("Authorization", dict(known)[host(address)])
    return urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects; each host gets its own password only."""

    def __init__(self, known):
        self.known = known

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        newurl, _ = split_credentials(newurl)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and host(newurl) in self.known:
            request.add_unredirected_header("Authorization", self.known[host(newurl)])
        return request


def split_credentials(address):
    """An address without its name and password, and these as the header that HTTP wants ("" if there are none)."""
    parts = urllib.parse.urlsplit(address)
    login, at, place = parts.netloc.rpartition("@")
    if not at:
        return address, ""
    secret = base64.b64encode(urllib.parse.unquote(login if ":" in login else login + ":").encode()).decode()
    return parts._replace(netloc=place).geturl(), f"Basic {secret}"


def host(address):
    """Scheme and host, with the port: who gets a password."""
    parts = urllib.parse.urlsplit(address)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()


def shown(address):
    """An address fit for a message: no name, no password, no query."""
    try:
        parts = urllib.parse.urlsplit(split_credentials(address)[0])
        return ascii(parts._replace(query="", fragment="").geturl())[1:-1][:200]
    except ValueError:
        return "an address that is none"


def told(fault):
    """What went wrong, in a few words."""
    if isinstance(fault, urllib.error.HTTPError):
        return f"the server says {fault.code} {fault.reason}"[:100]
    reason = getattr(fault, "reason", None) or getattr(fault, "strerror", None) or fault
    text = " ".join(str(reason).split()) or type(fault).__name__
    return re.sub(r"//[^/@\s]*@", "//", text)[:120]


def _context(address, access):
    if urllib.parse.urlsplit(address).netloc in access.trusted_hosts or urllib.parse.urlsplit(address).hostname in access.trusted_hosts:
        return ssl._create_unverified_context()
    try:
        return ssl.create_default_context(cafile=access.certificates or None)
    except OSError as fault:
        raise UserError(f"{access.certificates}: not a file of certificates ({told(fault)}); see pip's setting `cert`") from None
