"""Where a request begins and ends: what is ambiguous is refused, with one answer, which is a problem with every header."""

import re
import socket

import pytest

from .sockets import ask, is_problem, read_one, talk

MIB = 2**20
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
# What a proxy that reads the length in another way would take for a request of its own.
SMUGGLED = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"

REQUEST_LINES = {
    "nonsense": (b"nonsense\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 400),
    "HTTP/3.7": (b"GET / HTTP/3.7\r\nHost: localhost\r\n\r\n", 400),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\0" * 60 + b"\r\n\r\n", 400),
    "line feeds alone": (b"GET /healthz HTTP/1.1\nHost: localhost\n\n", 400),
    "a method in lower case": (b"get /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a method with brackets": (b"G<>T / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "raw UTF-8": ("GET /é HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), 400),
    "a raw NUL": (b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a raw escape": (b"GET /\x1b[31m HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a space too many": (b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a broken URL": (b"GET http://[evil/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "an unknown method": (b"BREW /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405),
    "a path of 9,000": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "a query of 100,000": (b"GET /?" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "a path of 4,000": (b"GET /" + b"a" * 4000 + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
    "the PROXY protocol": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + GET + b"\r\n", 400),
}
HEADERS = {
    "no colon": (GET + b"nonsense\r\n\r\n", 400),
    "a space before the colon": (GET + b"A : b\r\n\r\n", 400),
    "no name": (GET + b": b\r\n\r\n", 400),
    "a folded line": (GET + b"A: b\r\n c\r\n\r\n", 400),
    "a NUL": (GET + b"A: b\0c\r\n\r\n", 400),
    "a carriage return": (GET + b"A: b\rSet-Cookie: c\r\n\r\n", 400),
    "an escape": (GET + b"A: \x1b[2J\r\n\r\n", 400),
    "a value of 9,000": (GET + b"A: " + b"a" * 9000 + b"\r\n\r\n", 431),
    "200 lines": (GET + b"A: a\r\n" * 200 + b"\r\n", 431),
    "no Host": (b"GET /api/v1/openapi.json HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
    "an empty Host": (b"GET /api/v1/openapi.json HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", 400),
    "Host twice": (GET + b"Host: localhost\r\n\r\n", 400),
    "another Host after ours": (GET + b"Host: evil.test\r\n\r\n", 400),
    "Content-Type twice": (POST + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 400),
    "an expectation nobody knows": (POST + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}", 417),
}
HOSTS = {
    "a foreign host": (ask("GET", "/api/v1/openapi.json", host="evil.test"), 400),
    "a foreign host by HTTP/1.0": (b"GET /api/v1/openapi.json HTTP/1.0\r\nHost: evil.test\r\n\r\n", 400),
    "no host by HTTP/1.0": (b"GET /api/v1/openapi.json HTTP/1.0\r\n\r\n", 400),
    "a foreign URL": (ask("GET", "http://evil.test/api/v1/openapi.json"), 400),
    "a foreign URL with our name in it": (ask("GET", "http://localhost@evil.test/api/v1/openapi.json"), 400),
    "a foreign host with our URL": (ask("GET", "http://localhost/api/v1/openapi.json", host="evil.test"), 400),
    "a tunnel": (ask("CONNECT", "evil.test:443"), 400),
    "a URL without a scheme": (ask("GET", "//evil.test/api/v1/openapi.json"), 404),
}
LENGTHS = {
    "two that differ": (POST + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}" + SMUGGLED, 400),
    "two that are equal": (POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + SMUGGLED, 400),
    "a list": (POST + b"Content-Length: 2, 2\r\n\r\n{}" + SMUGGLED, 400),
    "negative": (POST + b"Content-Length: -1\r\n\r\n{}" + SMUGGLED, 400),
    "with a sign": (POST + b"Content-Length: +2\r\n\r\n{}" + SMUGGLED, 400),
    "hexadecimal": (POST + b"Content-Length: 0x2\r\n\r\n{}" + SMUGGLED, 400),
    "with a fraction": (POST + b"Content-Length: 2.0\r\n\r\n{}" + SMUGGLED, 400),
    "with an underscore": (POST + b"Content-Length: 0_2\r\n\r\n{}" + SMUGGLED, 400),
    "superscript": (POST + b"Content-Length: \xb2\r\n\r\n{}" + SMUGGLED, 400),
    "none": (POST + b"Content-Length:\r\n\r\n{}" + SMUGGLED, 400),
    "5,000 digits": (POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}" + SMUGGLED, 400),
    "more than comes": (POST + b"Content-Length: 40\r\nConnection: close\r\n\r\n{}", 400),
    "more than comes by a third": (POST + b"Content-Length: 3\r\nConnection: close\r\n\r\n{}", 400),
    "10**22": (POST + b"Content-Length: 9999999999999999999999\r\nConnection: close\r\n\r\n{}", 413),
    "length and chunks": (CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "chunks after a length": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
}
CODINGS = {
    "chunked twice": (CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "chunked, chunked": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "chunked, identity": (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "identity": (POST + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}" + SMUGGLED, 400),
    "unknown": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 501),
    "in quotes": (POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n' + SMUGGLED, 501),
    "after a vertical tab": (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "a space before the colon": (POST + b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED, 400),
    "an underscore": (POST + b"Transfer_Encoding: chunked\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", 422),
    "gzip, chunked": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + SMUGGLED, 415),
    "by HTTP/1.0": (CHUNKED.replace(b"1.1", b"1.0") + b"\r\n0\r\n\r\n" + SMUGGLED, 400),
}
CHUNKS = {
    "no number": (b"ZZ\r\n{}\r\n0\r\n\r\n", 400),
    "negative": (b"-2\r\n{}\r\n0\r\n\r\n", 400),
    "with a prefix": (b"0x2\r\n{}\r\n0\r\n\r\n", 400),
    "with an underscore": (b"0_2\r\n{}\r\n0\r\n\r\n", 400),
    "with a space before": (b" 2\r\n{}\r\n0\r\n\r\n", 400),
    "without a number": (b"\r\n{}\r\n0\r\n\r\n", 400),
    "shorter than what comes": (b"1\r\n{}\r\n0\r\n\r\n", 400),
    "longer than what comes": (b"3\r\n{}\r\n0\r\n\r\n", 400),
    "without an end": (b"2\r\n{}XX0\r\n\r\n", 400),
    "with line feeds alone": (b"2\n{}\n0\n\n\r\n", 400),
    "a carriage return in an extension": (b"2;a=b\rc\r\n{}\r\n0\r\n\r\n", 400),
    "a line feed in an extension": (b"2;\nxx\r\n{}\r\n0\r\n\r\n", 400),
    "an extension of 20,000": (b"2;a=" + b"b" * 20_000, 400),
    "a trailer that frames": (b"2\r\n{}\r\n0\r\nContent-Length: 7\r\n\r\n", 400),
    "a trailer that routes": (b"2\r\n{}\r\n0\r\nHost: evil.test\r\n\r\n", 400),
    "a trailer that logs in": (b"2\r\n{}\r\n0\r\nAuthorization: Bearer a\r\n\r\n", 400),
    "a trailer that is none": (b"2\r\n{}\r\n0\r\nnonsense\r\n\r\n", 400),
}
CASES = {
    f"{name}: {which}": case
    for name, cases in {
        "request line": REQUEST_LINES,
        "header": HEADERS,
        "host": HOSTS,
        "length": LENGTHS,
        "coding": CODINGS,
        "chunks": {which: (CHUNKED + b"\r\n" + sent, status) for which, (sent, status) in CHUNKS.items()},
    }.items()
    for which, case in cases.items()
}


def test_what_is_ambiguous_is_refused_once_with_every_header(service):
    for name, (sent, status) in CASES.items():
        cut = "comes" in name or "20,000" in name
        answers = talk(service.address, sent, end=cut)
        assert len(answers) == 1, (name, answers)
        is_problem(answers[0], status)
        check_headers(answers[0])
    assert [answer.status for answer in talk(service.address, ask("GET", "/healthz"))] == [200]


def check_headers(answer):
    headers = answer.headers
    assert headers["server"] == "TaskTracker"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["strict-transport-security"].startswith("max-age=31536000")
    assert headers["cache-control"] == "no-store"
    said = (str(headers) + answer.body.decode()).lower()
    assert not re.search(r"gunicorn|werkzeug|flask|python|sqlite|postgres|\btraceback\b|evil|bearer a", said), said


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/openapi.json", "/api/v1/auth/logout", "/nope"])
def test_chunks_that_nobody_asked_for_get_no_second_answer(service, path):
    """A proxy would hand the second answer to somebody else."""
    for chunks in (
        b"ZZ\r\n",
        b"2\r\n{}XX\r\n",
        b"0\r\nHost: a\r\n\r\n",
        b"5\r\nhello\r\n-1\r\n",
        b"f" * 30 + b"\r\n" + SMUGGLED,
    ):
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        answers = talk(service.address, head + chunks, end=True)
        assert len(answers) == 1, (chunks, answers)
        assert answers[0].status in (200, 401, 404, 405), answers


@pytest.mark.parametrize("which", ["/healthz", "http://localhost/healthz", "/healthz#fragment"])
def test_every_form_of_a_url_is_read(service, which):
    (answer,) = talk(service.address, ask("GET", which))
    assert answer.status == 200


def test_probes_need_no_host(service):
    for path in ("/healthz", "/readyz"):
        for sent in (f"GET {path} HTTP/1.0\r\n\r\n", f"GET {path} HTTP/1.1\r\nHost: 10.0.0.7\r\nConnection: close\r\n\r\n"):
            (answer,) = talk(service.address, sent.encode())
            assert answer.status == 200, answer


def test_extensions_and_trailers_of_chunks_change_nothing(service):
    for chunks in (
        b"2\r\n{}\r\n0\r\n\r\n",
        b'2;a=b;c="d;\\"e"\r\n{}\r\n0;f\r\n\r\n',
        b"2 ;a\r\n{}\r\n0\r\nX-Anything: b\r\nX-Request-ID: trailer\r\n\r\n",
        b"0002\r\n{}\r\n00\r\n\r\n",
        b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    ):
        (answer,) = talk(service.address, CHUNKED + b"Connection: close\r\n\r\n" + chunks)
        is_problem(answer, 422, "validation_failed")
        assert answer.headers["x-request-id"] != "trailer"


@pytest.mark.parametrize(("length", "status"), [(MIB - 1, 422), (MIB, 422), (MIB + 1, 413), (5 * MIB, 413)])
def test_1_mib_is_the_limit_however_it_is_framed(service, length, status):
    body = b'{"username": "a", "password": "' + b"b" * (length - 33) + b'"}'
    assert len(body) == length
    whole = POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % length + body
    pieces = [body[start : start + 9000] for start in range(0, length, 9000)]
    chunks = b"".join(b"%x;extension\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nA: b\r\n\r\n"
    one = b"%x\r\n%b\r\n0\r\n\r\n" % (length, body)
    for sent in (whole, CHUNKED + b"Connection: close\r\n\r\n" + chunks, CHUNKED + b"Connection: close\r\n\r\n" + one):
        (answer,) = talk(service.address, sent)
        is_problem(answer, status)


def test_a_client_that_waits_for_100_sends_its_body_then(service):
    head = POST + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
    with socket.create_connection(service.address, timeout=20) as connection, connection.makefile("rb") as stream:
        connection.sendall(head)
        assert read_one(stream).status == 100
        connection.sendall(b"{}")
        is_problem(read_one(stream), 422)
        assert stream.read() == b""
