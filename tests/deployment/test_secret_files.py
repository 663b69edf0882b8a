"""Secrets that stand in files, as containers and systemd hand them over."""

import pytest

from config import SettingsError, load

GOOD = {"SECRET_KEY": "".join(map(str, range(40))), "JWT_SECRET_KEY": "".join(map(str, range(50)))}


def test_a_secret_may_stand_in_a_file(tmp_path):
    (tmp_path / "key").write_text(GOOD["SECRET_KEY"] + "\n")
    (tmp_path / "url").write_text("redis://:word@h:6379/0")
    files = {"SECRET_KEY_FILE": str(tmp_path / "key"), "REDIS_URL_FILE": str(tmp_path / "url"), "MAIL_PASSWORD_FILE": " "}
    settings = load({"INSTANCE_PATH": str(tmp_path), **files})
    assert (settings.secret_key, settings.redis_url) == (GOOD["SECRET_KEY"], "redis://:word@h:6379/0")
    assert settings.mail_password is None


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe\xfd" * 20, b"short"])
def test_a_file_without_a_good_secret_is_one_line_that_names_the_setting(tmp_path, content):
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load({"INSTANCE_PATH": str(tmp_path), "SECRET_KEY_FILE": str(file)})
    (line,) = str(caught.value).splitlines()
    assert line.startswith("SECRET_KEY: is shorter" if content == b"short" else "SECRET_KEY_FILE: names a")


def test_a_secret_and_a_file_of_it_exclude_each_other(tmp_path):
    (tmp_path / "key").write_text(GOOD["SECRET_KEY"])
    with pytest.raises(SettingsError, match=r"^SECRET_KEY_FILE: and SECRET_KEY exclude each other; set one of them$"):
        load({"INSTANCE_PATH": str(tmp_path), "SECRET_KEY_FILE": str(tmp_path / "key"), **GOOD})
