"""`neuraltalk monitor`: the curves of all runs on a page, which a small server keeps up to date or which stays as a file."""

import datetime
import json
import os
import pathlib

from neuraltalk.cli import console, places
from neuraltalk.cli.arguments import Bound, Parser, whole
from neuraltalk.errors import UserError
from neuraltalk.files import write_text

PORT = 8484
STATUS = "status"  # where training writes

MANUAL = """Show the runs of a status folder in a browser: perplexity over epochs, options that differ, speed, time left.

While a training goes on, or after it:

    neuraltalk monitor
    neuraltalk monitor --output runs.html      a file that needs no server

The server answers this machine alone and only shows; to watch a run on another machine, forward its port:
ssh -L 8484:localhost:8484 MACHINE, and neuraltalk monitor there."""

EPILOG = """Status files of the original NeuralTalk are shown too. Ctrl-C ends the server.

Exit codes: 0 done, 2 a mistake in options
or files."""


def build_parser():
    """The options of neuraltalk monitor."""
    parser = Parser(description=MANUAL, epilog=EPILOG)
    add_folders(parser)
    parser.add_argument(
        "--port", type=whole(Bound(0, 65535)), default=PORT, metavar="N", help=f"on 127.0.0.1; 0: any that is free (default: {PORT})"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write the page into this file and end")
    parser.add_argument(
        "--once", dest="output", action="store_const", const="runs.html", help="the same as --output runs.html"
    )
    return parser


def add_folders(parser):
    """Where the status files are, the same for `monitor` and `plot`."""
    parser.add_argument(
        "folders", metavar="FOLDER", nargs="*", help=f"with status files (default: {STATUS}, where training writes them)"
    )


@console.command
def main(argv=None):
    """Serve until Ctrl-C, or write the page. Returns 0, or raises UserError."""
    from neuraltalk.pages.monitor import monitor_page

    options = build_parser().parse_args(argv)
    if options.output is not None:
        places.check_page_name(options.output)
    folders = open_folders(options.folders)
    place = ", ".join(str(folder) for folder in folders.folders)
    if options.output is None:
        return serve(folders, place, options.port)
    data, now = look(folders)
    if not data["runs"]:
        raise UserError(f"{place}: no status files there; name the folder of another training" + _first(data["faults"]))
    target = pathlib.Path(options.output)
    places.check_output_folder(target.parent, "--output")
    write_text(target, monitor_page(data, place, written=now.strftime("%Y-%m-%d %H:%M")))
    for line in data["faults"]:
        console.say(f"left out    {line}")
    console.say(f"runs        {len(data['runs'])} in {place}")
    print(f"page        {target}  (open it in a browser)")
    return 0


def open_folders(names):
    """RunFolders of the folders named, which have to be there; of `status` without a name."""
    from neuraltalk.train.runs import RunFolders

    for name in names:
        if not pathlib.Path(name).is_dir():
            raise UserError(f"{name}: no such folder; name one with status files, such as {STATUS}")
    return RunFolders(names or [STATUS])


def look(folders, known=None):
    """(the page's data now, now). known: as in monitor_data."""
    from neuraltalk.pages.monitor import monitor_data

    now = datetime.datetime.now().astimezone()
    return monitor_data(*folders.read(), now, known), now


def answers(folders, place):
    """What the server gives: path -> function."""
    from neuraltalk.pages.monitor import monitor_page
    from neuraltalk.pages.server import Answer

    known = {}
    return {
        "/": lambda: Answer("text/html; charset=utf-8", monitor_page(look(folders, known)[0], place, live="runs.json").encode()),
        "/runs.json": lambda: Answer("application/json", json.dumps(look(folders, known)[0], allow_nan=False).encode()),
    }


def serve(folders, place, port):
    """Answer browsers until Ctrl-C."""
    from neuraltalk.pages.server import LoopbackServer

    try:
        server = LoopbackServer(answers(folders, place), port)
    except (OSError, OverflowError) as fault:
        reason = getattr(fault, "strerror", None) or fault
        raise UserError(f"port {port} can't be used ({reason}); is a monitor running already? --port 0 takes a free one") from None
    with server:
        count = len(look(folders)[0]["runs"])
        if count:
            console.say(f"runs        {count} in {place}")
        else:
            console.say(f"runs        none yet in {os.path.abspath(place)}: they appear as they start")
        print(f"open        {server.url}  (Ctrl-C ends this)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            console.say("")
    return 0


def _first(faults):
    return f" ({faults[0]})" if faults else ""
