class WeakPasswordError(ValueError):
    pass


def check_password(password, *, min_length, username, email):
    if len(password) < min_length:
        raise WeakPasswordError("short")
