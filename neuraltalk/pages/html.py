"""The frame that all pages share: one self-contained HTML file, style and script inside, nothing fetched from anywhere."""

import base64
import hashlib
import html
import json
import os
import pathlib
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent


def escape(text):
    """`text` as HTML text or as the inside of a quoted attribute: nothing in it is markup any more.

    Control characters (line breaks and tabs included) become spaces: HTML has no way to write them.
    """
    return html.escape(printable(text), quote=True)


def printable(text):
    """`text` with a space for each control character, and for what UTF-8 has no bytes for."""
    return "".join(c if c.isprintable() or c in _KEPT else " " for c in str(text))


_KEPT = "\u200c\u200d\u00a0"  # joiners, which scripts and emoji are spelt with, and the no-break space; not "printable" in Python


def link(path):
    """A file's path as a relative URL, quoted: for src and href of a page that lies beside it."""
    return urllib.parse.quote(os.fsencode(str(path).replace(os.sep, "/")), safe="/~-._")


def carried(name, value, attributes=""):
    """A value for the page's scripts, as the JSON of an element with the id `name`; it is no script and doesn't run."""
    text = json.dumps(value, allow_nan=False).replace("<", "\\u003c")  # only a "<" could end the element
    return f'<script type="application/json" id="{name}"{attributes}>{text}</script>'


def page(title, body, scripts=(), images="data:", style="", connect="'none'"):
    """A whole document.

    title    text; body: HTML whose texts are escaped
    scripts  names of .js files in this folder, put inside the page in this order
    images   where pictures may come from, as a Content-Security-Policy has it: by default only from within the file
    style    CSS of this page alone, behind everyone's
    connect  what its scripts may fetch, as a Content-Security-Policy has it: by default nothing

    The policy forbids everything else, and names its scripts by their hashes: no text in a page could ever load, send or run
    anything.
    """
    style = (HERE / "style.css").read_text(encoding="utf-8") + style
    codes = ["\n" + (HERE / script).read_text(encoding="utf-8") for script in scripts]
    allowed = " ".join(map(_hash, codes)) or "'none'"
    policy = (
        f"default-src 'none'; img-src {images}; style-src 'unsafe-inline'; script-src {allowed}; connect-src {connect}; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n"
        "<noscript><style>.toolbar { display: none; } main { margin-top: 1.4rem; }</style></noscript>\n"
        f"</head>\n<body>\n{body}\n{''.join(f'<script>{code}</script>' for code in codes)}\n</body>\n</html>\n"
    )


def _hash(code):
    """How a Content-Security-Policy names a script within the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
