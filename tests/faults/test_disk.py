"""The disk of the embedded database is full: it is read and not written, and all is well again when there is room."""

import os
import resource
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from flask_migrate import upgrade

from ..core.another import another
from ..people import PASSWORD
from ..post import do_jobs
from ..queue import empty, make_due, waiting
from .site import Site

Disk = tuple[Path, Callable[[], AbstractContextManager[None]]]
MOUNT = ("mount", "-t", "tmpfs", "-o", "size=12m,mode=0777", "tmpfs")


@contextmanager
def limited(folder: Path) -> Iterator[Disk]:
    """The system refuses this process every byte that it writes to a file (EFBIG)."""

    @contextmanager
    def full() -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    yield folder, full


@contextmanager
def mounted(folder: Path) -> Iterator[Disk]:
    """A small file system of its own without a free byte (ENOSPC), or the limit where root may not mount, as in containers."""
    if subprocess.run([*MOUNT, folder], capture_output=True, check=False).returncode != 0:
        with limited(folder) as disk:
            yield disk
        return
    filler = folder / "filler"

    @contextmanager
    def full() -> Iterator[None]:
        with pytest.raises(OSError, match="No space left"):
            fill(filler)
        try:
            yield
        finally:
            filler.unlink()

    try:
        yield folder, full
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as opened:
        while opened.write(b"\0" * 4096):
            pass


@pytest.fixture(scope="module", params=[limited, mounted] if os.geteuid() == 0 else [limited], ids=lambda way: way.__name__)
def disk(request, tmp_path_factory):
    """Filled in each way: who is not root has the limit alone."""
    with request.param(tmp_path_factory.mktemp("disk")) as made:
        yield made


@pytest.fixture(scope="module")
def site(disk, environments):
    folder, _ = disk
    with another(environments("sqlite"), INSTANCE_PATH=str(folder), DATABASE_URL="") as app:
        with app.app_context():
            upgrade()
        yield Site.of(app)


def test_a_full_disk_is_read_and_not_written(site, disk):
    folder, full = disk
    site.is_well()
    login = {"username": site.ada.username, "password": PASSWORD}
    with full():
        for _ in range(100):  # What was freed within the files may still be used.
            answer = site.write()
            if answer.status_code != 201:
                break
        site.is_away(answer)
        assert site.read().status_code == 200
        site.is_away(site.ask(site.ada.post, "/tasks", {"title": "a", "description": secrets.token_hex(4000)}))
        if (folder / "filler").exists():
            site.lacks("disk")
        else:
            site.is_away(site.ask(site.app.test_client().post, "/api/v1/auth/login", json=login))
            site.is_away(site.ask(site.ada.post, "/auth/logout"))
        assert site.read().status_code == 200
        assert site.probe("/healthz").status_code == 200
    site.is_well()
    assert site.ask(site.app.test_client().post, "/api/v1/auth/login", json=login).status_code == 200


def test_no_half_of_a_letter_stays_on_a_full_disk(disk, environments, applications):
    folder, full = disk
    empty(applications("postgresql"))
    with another(environments("postgresql"), MAIL_SERVER="", INSTANCE_PATH=str(folder)) as app:
        person = Site.of(app).ada
        assert person.post("/auth/forgot-password", {"email": person.email}).status_code == 202
        with full():
            assert do_jobs(app) == 1
            (job,) = waiting(app)
            assert (job.attempts, job.failed_at) == (1, None)
            assert job.last_error.startswith("OSError")
            assert list((folder / "mail").iterdir()) == []
        make_due(app)
        assert do_jobs(app) == 1
        (letter,) = (folder / "mail").iterdir()
        assert person.email in letter.read_text()
        assert waiting(app) == []
