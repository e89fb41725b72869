# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's cloud kernels, fetched and unpacked, never installed."""

import contextlib
import dataclasses
import pathlib
import re
import subprocess
import tempfile

META = "linux-image-cloud-amd64"  # depends on the current kernel of the release


@dataclasses.dataclass
class Package:
    release: str  # what uname -r says
    tree: pathlib.Path  # the unpacked package

    @property
    def vmlinuz(self):
        return self.tree / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self):
        return self.tree / "lib" / "modules" / self.release


def obtain(series, cache):
    """The newest kernel of a series ("6.1") that the package lists name; from the cache if it is there."""
    cache.mkdir(parents=True, exist_ok=True)
    name = _newest(series)
    release = name.removeprefix("linux-image-")
    package = Package(release, cache / name)
    if not package.vmlinuz.exists():
        _unpack(name, cache, package.tree)
    return package


def _newest(series):
    names = _names(series)
    if not names:
        # The lists may be old or missing: a fresh machine has none.
        subprocess.run(["apt-get", "-q", "update"], capture_output=True, check=False)
        names = _names(series)
    if not names:
        raise RuntimeError(f"apt knows no linux-image-{series}.*-cloud-amd64: a Debian release that has it is needed")
    listed = subprocess.run(["apt-cache", "depends", META], capture_output=True, text=True, check=False).stdout
    current = [name for name in names if re.search(rf"Depends: {re.escape(name)}$", listed, re.MULTILINE)]
    return (current or sorted(names, key=_version))[-1]


def _names(series):
    """Real packages only: pkgnames would also give those that something else merely mentions."""
    argv = ["apt-cache", "search", "--names-only", rf"^linux-image-{re.escape(series)}\.[0-9].*-cloud-amd64$"]
    found = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in found.splitlines()]


def _version(name):
    return [int(number) for number in re.findall(r"\d+", name)]


def _unpack(name, cache, tree):
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        done = subprocess.run(["apt-get", "-q", "download", name], cwd=folder, capture_output=True, text=True)
        debs = list(pathlib.Path(folder).glob("*.deb"))
        if done.returncode or not debs:
            raise RuntimeError(f"cannot fetch {name}: {done.stderr.strip() or done.stdout.strip()}")
        part = pathlib.Path(folder, "tree")
        subprocess.run(["dpkg-deb", "-x", debs[0], part], check=True)
        subprocess.run(["depmod", "-b", part, name.removeprefix("linux-image-")], check=True)
        with contextlib.suppress(OSError):  # another run was faster
            part.rename(tree)
