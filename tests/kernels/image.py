# SPDX-License-Identifier: GPL-2.0-or-later
"""The initial RAM disk that a machine boots: programs with the libraries they need, kernel modules, what was built."""

import dataclasses
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading


@dataclasses.dataclass
class Test:
    name: str
    command: str  # words, the first a path within the project
    limit_s: int

    @property
    def program(self):
        return self.command.split()[0]


# Debian packages whose programs the probes, the demo and the start-up script use. What needs one that is not installed
# fails by name.
PACKAGES = """
    bash dash coreutils findutils grep sed mawk util-linux mount procps kmod bsdutils libc-bin
    iproute2 nftables netcat-openbsd bind9-dnsutils dnsmasq-base tcpdump iputils-ping ethtool bpftool
""".split()
FILES = """
    /usr/bin/nc /usr/bin/awk
    /etc/passwd /etc/group /etc/services /etc/protocols /etc/nsswitch.conf
""".split()  # nc and awk are alternatives, which stand in no package

# With all that they depend on. Those that a kernel does not know, or has built in, are fine.
MODULES = """
    veth tun dummy bridge 8021q vxlan geneve wireguard ipip ifb ppp_generic overlay
    sch_ingress cls_bpf act_bpf sch_netem
    nf_tables nft_ct nft_nat nft_masq nft_chain_nat nft_redir nft_reject_inet nft_limit nft_log nft_hash nft_quota
    nft_fib_inet nft_compat nf_conntrack nf_conntrack_netlink nfnetlink
    inet_diag tcp_diag udp_diag raw_diag unix_diag netlink_diag af_packet_diag
""".split()
WANTED = re.compile(r"(/usr)?/s?bin/[^/]+$")

_lock = threading.Lock()  # two kernels share the system's archive


def make(package, root, cache, folder, tests):
    """Returns the path of the image, in `folder`, for a kernel and these Tests, which it will run in this order.

    It is three archives, one behind the other: modules and system, which rarely change and are kept, and the project.
    """
    key = _key()
    parts = [
        _cached(cache / f"modules-{package.release}-{key}.cpio", lambda tree: _add_modules(tree, package)),
        _cached(cache / f"system-{key}.cpio", _add_system),
        _archive(folder / "project.cpio", lambda tree: _add_project(tree, root, tests)),
    ]
    disk = folder / "initrd"
    with open(disk, "wb") as out:
        for part in parts:
            out.write(part.read_bytes())
            out.write(b"\0" * (-out.tell() % 512))
    return disk


def _key():
    """Changes with this file and with every installation of a package."""
    state = hashlib.sha256(pathlib.Path(__file__).read_bytes())
    state.update(str(os.stat("/var/lib/dpkg/status").st_mtime_ns).encode())
    return state.hexdigest()[:12]


def _cached(archive, fill):
    with _lock:
        if not archive.exists():
            for old in archive.parent.glob(archive.name.replace(_key(), "*")):
                old.unlink(missing_ok=True)
            _archive(archive, fill)
        return archive


def _archive(archive, fill):
    """Makes a cpio archive of a folder that `fill` puts files into."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        tree = pathlib.Path(folder, "tree")
        for name in ("bin", "sbin", "lib", "lib64"):
            (tree / "usr" / name).mkdir(parents=True)
            (tree / name).symlink_to(f"usr/{name}")
        fill(tree)
        files = subprocess.run(["find", ".", "-print0"], cwd=tree, capture_output=True, check=True).stdout
        part = pathlib.Path(folder, "archive")
        with open(part, "wb") as out:
            argv = ["cpio", "--quiet", "--null", "-o", "-H", "newc", "-R", "0:0"]
            subprocess.run(argv, cwd=tree, input=files, stdout=out, check=True)
        part.rename(archive)
    return archive


# ---- modules ----


def _add_modules(tree, package):
    wanted = set()
    for name in MODULES:
        argv = ["modprobe", "-d", package.tree, "-S", package.release, "--show-depends", name]
        shown = subprocess.run(argv, capture_output=True, text=True)
        wanted.update(re.findall(r"^insmod (\S+)", shown.stdout, re.MULTILINE))
    target = tree / "lib" / "modules" / package.release
    target.mkdir(parents=True)
    for module in wanted:
        copy = pathlib.Path(shutil.copy(module, target))
        if copy.suffix == ".xz":  # unpacked here, where that is fast
            subprocess.run(["xz", "-d", copy], check=True)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(package.modules / name, target)
    subprocess.run(["depmod", "-b", tree, package.release], check=True)


# ---- programs ----


def _add_project(tree, root, tests):
    """What was built and what starts it, in /bauta, and the libraries that it needs."""
    project = tree / "bauta"
    for folder in ("demo", "tests/kernels"):
        if (root / folder).exists():
            shutil.copytree(root / folder, project / folder)
    with open(project / "tests.list", "w") as out:
        for test in tests:
            print(test.limit_s, test.name, test.command, file=out)
    programs = {test.program for test in tests} | {"build/bauta"}
    for program in sorted(programs):
        binary, copy = root / program, project / program
        if binary.exists() and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["strip", "-g", "-o", copy, binary], check=True)
            for library in _libraries(binary):
                _copy(tree, library)
    shutil.copy(root / "tests" / "kernels" / "init", tree)


def _add_system(tree):
    listed = list(FILES)
    for name in PACKAGES:
        listed += subprocess.run(["dpkg", "-L", name], capture_output=True, text=True).stdout.splitlines()
    for path in map(pathlib.Path, listed):
        if not path.is_file() or not (path in map(pathlib.Path, FILES) or WANTED.match(str(path))):
            continue
        _copy(tree, path)
        if not path.is_symlink():
            for library in _libraries(path):
                _copy(tree, library)


def _libraries(binary):
    """Every shared library it needs, the loader included, by the paths it is looked for at."""
    shown = subprocess.run(["ldd", binary], capture_output=True, text=True)
    return set(map(pathlib.Path, re.findall(r"(/\S+) \(0x", shown.stdout)))


def _copy(tree, path):
    """Copies a file to its place; of a link, also what it points to."""
    target = tree / path.relative_to("/")
    if os.path.lexists(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        pointed = os.readlink(path)
        target.symlink_to(pointed)
        _copy(tree, pathlib.Path(os.path.normpath(path.parent / pointed)))
    else:
        shutil.copy(path, target)
