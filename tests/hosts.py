"""Two machines in one: network namespaces, each with a name, an address and a disk of its own, and one between them."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest


class Host:
    """A namespace in which commands run; `home` is how it reaches the machine between both."""

    def __init__(self, process: "subprocess.Popen[bytes]", kinds: str, home: str = "127.0.0.1"):
        self.pid = process.pid
        self.home = home
        self.prefix = ["nsenter", "-t", str(self.pid), *kinds.split(), "--preserve-credentials"]

    def start(self, *command: str, **options: Any) -> "subprocess.Popen[Any]":
        return subprocess.Popen([*self.prefix, *command], **options)

    def run(self, script: str) -> None:
        subprocess.run([*self.prefix, "sh", "-ec", script], check=True, capture_output=True, text=True)

    def seen(self, path: Path) -> Path:
        """Return where a path of this host lies for the processes outside."""
        return Path(f"/proc/{self.pid}/root{path}")


@contextmanager
def hosts(store: Path) -> Iterator[tuple[Host, Host, Host]]:
    """Yield the machine between and two more, on which the folder `store` is empty and nobody else's; or skip."""
    if not all(map(shutil.which, ("unshare", "nsenter", "ip", "mount"))):
        pytest.skip("this machine has no tools for namespaces")
    with ExitStack() as stack:

        def space(prefix: list[str], kinds: str) -> "subprocess.Popen[bytes]":
            process = subprocess.Popen([*prefix, "unshare", *kinds.split(), "sh", "-c", "echo; exec sleep infinity"],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.kill)
            assert process.stdout is not None
            if not process.stdout.readline():
                pytest.skip("this machine allows no namespaces")
            return process

        between = Host(space([], "--user --map-root-user --net"), "-U -n")
        try:
            between.run("ip link set lo up; echo 1 > /proc/sys/net/ipv4/ip_forward")
            both = []
            for number in (1, 2):
                host = Host(space(between.prefix, "--net --mount --uts"), "-U -n -m -u", f"10.77.{number}.1")
                between.run(
                    f"ip link add to{number} type veth peer name eth0 netns {host.pid};"
                    f"ip addr add {host.home}/24 dev to{number}; ip link set to{number} up"
                )
                host.run(
                    f"hostname host{number}; mount -t tmpfs none '{store}'; ip link set lo up; ip link set eth0 up;"
                    f"ip addr add 10.77.{number}.2/24 dev eth0; ip route add default via {host.home}"
                )
                both.append(host)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this machine allows no hosts in namespaces: {error.stderr.strip()}")
        yield between, both[0], both[1]
