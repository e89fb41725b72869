# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that people use, through the gateway, each with what it is used for; 10 MB in each direction."""

import hashlib
import json

import pytest
from blob import BLOB, SHA256, WebServer
from gateway import NftMasquerade, Whole

RANGE = "20000-29999"
GATEWAYS = {"nft": lambda: NftMasquerade(RANGE), "bauta": lambda: Whole(RANGE)}


@pytest.fixture(params=GATEWAYS)
def lab(request, make_lab):
    made = make_lab()
    made.use(GATEWAYS[request.param]())
    return made


def digest(data):
    return hashlib.sha256(data).hexdigest()


def test_curl_downloads_and_uploads(lab):
    web = WebServer(lab.B)
    url = f"http://{lab.B.address}/blob"
    down = lab.A.start("curl", "-sS", "-m", "20", url)
    assert digest(down.succeed(20).stdout) == SHA256
    up = lab.A.start("curl", "-sS", "-m", "20", "-T", "-", "-H", "Expect:", "-H", f"Content-Length: {len(BLOB)}",
                     "-H", "Transfer-Encoding:", url, stdin=BLOB)
    assert up.succeed(20).text == SHA256
    assert {address for address, _ in web.peers} == {lab.R.external}


@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
def test_nc_carries_a_file(lab, up):
    sender, receiver = (["-N"], BLOB), (["-d"], None)
    (client_options, client_input), (server_options, server_input) = (sender, receiver) if up else (receiver, sender)
    server = lab.B.start("nc", "-l", "-n", *server_options, lab.B.address, "7000", stdin=server_input)
    lab.B.wait_listening(7000)
    client = lab.A.start("nc", "-n", *client_options, lab.B.address, "7000", stdin=client_input)
    assert digest((server if up else client).succeed(20).stdout) == SHA256


def test_nc_over_udp(lab):
    server = lab.B.start("nc", "-u", "-l", "-n", "-W1", lab.B.address, "7000")
    lab.B.wait_listening(7000, "udp")
    lab.A.start("nc", "-u", "-n", "-q0", lab.B.address, "7000", stdin=b"over UDP\n")
    assert server.succeed().stdout == b"over UDP\n"


# dropbear takes keys from the home directory only: it gets one of its own.
SSH_SERVER = """
set -e
home=$(getent passwd root | cut -d: -f6)
mount -t tmpfs -o mode=700 tmpfs "$home"
mkdir -m 700 "$home/.ssh"
printf '%s\\n' "$2" >"$home/.ssh/authorized_keys"
exec dropbear -F -E -s -r "$1/host_key" -P "$1/pid" -p "$3:2222"
"""


def test_ssh_runs_a_command_and_carries_data_both_ways(lab, tmp_path):
    lab.A.do("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "user_key")
    lab.B.do("dropbearkey", "-t", "ed25519", "-f", tmp_path / "host_key")
    key = (tmp_path / "user_key.pub").read_text(encoding="ascii").strip()
    server = lab.B.start("unshare", "--mount", "sh", "-c", SSH_SERVER, "sh", tmp_path, key, lab.B.address)
    lab.B.wait_listening(2222)
    ssh = ["ssh", "-F", "none", "-p", "2222", "-i", tmp_path / "user_key", "-o", "StrictHostKeyChecking=no", "-o",
           "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={tmp_path}/known",
           f"root@{lab.B.address}"]
    client = lab.A.run(*ssh, "echo $SSH_CONNECTION; sha256sum; head -c 10000000 /dev/zero", stdin=BLOB, limit_s=20)
    assert client.status == 0, client.report() + server.report()
    connection, sha256, zeros = client.stdout.split(b"\n", 2)
    assert connection.split()[0].decode() == lab.R.external
    assert sha256.split()[0].decode() == SHA256
    assert zeros == bytes(10_000_000)


@pytest.mark.parametrize("direction", [[], ["-R"]], ids=["up", "down"])
def test_iperf3(lab, direction):
    lab.B.start("iperf3", "-s", "-B", lab.B.address)
    lab.B.wait_listening(5201)
    client = ["iperf3", "-J", "-c", lab.B.address, *direction]
    tcp = json.loads(lab.A.do(*client, "-n", "10M", limit_s=20))["end"]
    assert tcp["sum_sent"]["bytes"] >= 10 << 20 and tcp["sum_received"]["bytes"] > 1 << 20
    # Slow enough for what a socket buffer holds while the receiver waits for a CPU.
    udp = json.loads(lab.A.do(*client, "-u", "-b", "5M", "-n", "1M", limit_s=20))["end"]
    assert udp["sum"]["bytes"] >= 1 << 20 and udp["sum"]["lost_percent"] < 5


def test_dig_over_udp_and_tcp(lab):
    server = lab.B.start(
        "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
        f"--listen-address={lab.B.address}", "--bind-interfaces", "--host-record=printer.example,192.0.2.53",
    )
    server.wait_text("started, version")
    for how in ("+notcp", "+tcp"):
        answer = lab.A.do("dig", f"@{lab.B.address}", "printer.example", "A", "+short", "+tries=1", "+time=2", how)
        assert answer == "192.0.2.53\n"


def test_many_clients_at_once(lab):
    """Downloads and uploads of two hosts side by side, each whole."""
    WebServer(lab.B)
    url = f"http://{lab.B.address}/"
    downloads = [host.start("curl", "-sS", "-m", "30", url) for host in (lab.A, lab.A2) for _ in range(3)]
    uploads = [host.start("curl", "-sS", "-m", "30", "-H", "Expect:", "-T", "-", "-H", "Transfer-Encoding:", "-H",
                          f"Content-Length: {len(BLOB)}", url, stdin=BLOB) for host in (lab.A, lab.A2)]
    assert {digest(client.succeed(30).stdout) for client in downloads} == {SHA256}
    assert {client.succeed(30).text for client in uploads} == {SHA256}
