"""Files in memory: unpacked within bounds, with the hash of the file as it is."""

import gzip
import hashlib
import zlib

import pytest

from polyrve.adapters.content import Content
from polyrve.adapters.registry import FormatError

TEXT = b"".join(b"%d %d %d\n" % (i, i * i, i % 7) for i in range(3000))


def file(tmp_path, data):
    path = tmp_path / "a.ang.gz"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data", [TEXT, gzip.compress(TEXT), gzip.compress(TEXT[:500]) + gzip.compress(TEXT[500:]) + b"\0" * 20]
)
def test_content_and_hash(tmp_path, data):
    content = Content.of(file(tmp_path, data))
    assert bytes(content.data) == TEXT
    assert content.sha256.result() == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(("data", "words"), [
    (gzip.compress(TEXT)[:-200], "it ends early"), (gzip.compress(TEXT)[:50] + b"x" * 500, "intact gzip file"),
    (b"\x1f\x8b", "it ends early"), (b"\x1f\x8b" + b"x" * 100, "intact gzip file"),
    (gzip.compress(b"0" * (40 << 20)), "at most 32 MB unpacked"), (gzip.compress(b"1\n" * (1 << 20)), "in proportion"),
])  # fmt: skip
def test_broken_and_endless_files(tmp_path, data, words):
    with pytest.raises(FormatError, match=words):
        Content.of(file(tmp_path, data))


def test_a_large_file_may_unpack_to_six_times_its_size(tmp_path):
    packer = zlib.compressobj(level=0, wbits=31)
    half = packer.compress(b"x" * (33 << 20)) + packer.flush()
    assert len(Content.of(file(tmp_path, half)).data) == 33 << 20
