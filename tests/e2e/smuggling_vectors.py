"""Requests that two parsers may read in two ways. Data only; test_smuggling.py says what is asserted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Fate(Enum):
    REFUSED = "an error status, the connection closed, and the origin received nothing"
    CUT = "the head may have gone, but the origin never received a whole request"
    PASSED = "the origin received exactly this request, well-formed"
    SAFE = "refused, or passed as exactly this request: both are sound"


@dataclass(frozen=True)
class Vector:
    name: str
    data: bytes
    fate: Fate
    status: tuple[int, ...] = (400,)
    want: tuple[str, str, bytes] = ("GET", "/", b"")  # method, target, body at the origin
    ends: bool = False  # Weir rightly closes after the answer


def get(*lines: bytes, start: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: test\r\n") -> bytes:
    return start + b"\r\n" + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def post(*lines: bytes, body: bytes = b"abcde", version: bytes = b"1.1") -> bytes:
    return get(*lines, start=b"POST / HTTP/" + version) + body


def refused(name: str, data: bytes, *status: int) -> Vector:
    return Vector(name, data, Fate.REFUSED, status or (400,))


def cut(name: str, body: bytes) -> Vector:
    return Vector(name, post(b"Transfer-Encoding: chunked", body=body), Fate.CUT)


def passed(name: str, data: bytes, method: str = "GET", target: str = "/", body: bytes = b"",
           ends: bool = False) -> Vector:
    return Vector(name, data, Fate.PASSED, want=(method, target, body), ends=ends)


def safe(name: str, data: bytes, method: str = "GET", target: str = "/", body: bytes = b"") -> Vector:
    return Vector(name, data, Fate.SAFE, (400, 405, 417, 431, 501, 505), (method, target, body))


CHUNKS = b"5\r\nabcde\r\n0\r\n\r\n"
TE = b"Transfer-Encoding: chunked"


def content_lengths() -> Iterator[Vector]:
    yield refused("CL then TE", post(b"Content-Length: 6", TE, body=b"0\r\n\r\nG"))
    yield refused("TE then CL", post(TE, b"Content-Length: 4", body=CHUNKS))
    yield refused("CL 0 and TE", post(b"Content-Length: 0", TE, body=CHUNKS))
    yield refused("CL and TE identity", post(b"Content-Length: 5", b"Transfer-Encoding: identity"))
    yield refused("CL and TE on GET", get(b"Content-Length: 5", TE) + CHUNKS)
    yield refused("CL and TE, other case", post(b"CONTENT-LENGTH: 5", b"tRANSFER-eNCODING: chunked", body=CHUNKS))
    yield refused("two equal CL", post(b"Content-Length: 5", b"Content-Length: 5"))
    yield refused("two unequal CL", post(b"Content-Length: 5", b"Content-Length: 0"))
    yield refused("CL 0 then 5", post(b"Content-Length: 0", b"X: y", b"Content-Length: 5"))
    values = {
        "list of equals": b"5, 5", "list of unequals": b"5,6", "list with empty": b"5,", "plus": b"+5",
        "minus": b"-5", "minus zero": b"-0", "two numbers": b"5 5", "hexadecimal": b"0x5", "fraction": b"5.0",
        "exponent": b"5e0", "empty": b"", "blanks": b"  ", "two to the 63": b"9223372036854775808",
        "two to the 64 and 5": b"18446744073709551621", "99 digits": b"9" * 99, "letters": b"abc",
        "parameter": b"5;x", "quoted": b'"5"', "full-width digit": "５".encode(), "vertical tab before": b"\x0b5",
        "form feed after": b"5\x0c", "NUL after": b"5\x00", "no-break space": b"\xa05", "underscore": b"1_0",
    }
    for name, value in values.items():
        yield refused(f"CL {name}", post(b"Content-Length: " + value))
    yield safe("CL leading zeros", post(b"Content-Length: 005"), "POST", body=b"abcde")
    yield refused("CL space before colon", post(b"Content-Length : 5"))
    yield refused("CL tab before colon", post(b"Content-Length\t: 5"))
    yield refused("CL folded", post(b"Content-Length:\r\n 5"))
    yield passed("CL with blanks and tab", post(b"Content-Length: \t5 \t"), "POST", body=b"abcde")
    yield passed("CL without blank", post(b"Content-Length:5"), "POST", body=b"abcde")
    yield passed("CL of a GET", get(b"Content-Length: 5") + b"abcde", body=b"abcde")
    yield passed("underscored CL counts for nothing", get(b"Content_Length: 5"))
    yield passed("body that looks like a request",
                 post(b"Content-Length: 38", body=b"GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"),
                 "POST", body=b"GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n")


def transfer_encodings() -> Iterator[Vector]:
    values = {
        "xchunked": b"xchunked", "chunked twice": b"chunked, chunked", "chunked then identity": b"chunked, identity",
        "identity": b"identity", "identity first": b"identity, chunked", "chunked then gzip": b"chunked, gzip",
        "gzip alone": b"gzip", "gzip first": b"gzip, chunked", "parameter": b"chunked;q=1", "quoted": b'"chunked"',
        "single quoted": b"'chunked'", "vertical tab before": b"\x0bchunked", "vertical tab after": b"chunked\x0b",
        "NUL after": b"chunked\x00", "cow": b"cow", "empty": b"", "space inside": b"chun ked",
        "no-break space": b"\xa0chunked", "high byte after": b"chunked\xff", "leading comma": b", chunked",
        "trailing comma": b"chunked,", "tab list": b"chunked\tchunked", "unicode k": "chun\u212aed".encode(),
    }
    for name, value in values.items():
        yield refused(f"TE {name}", post(b"Transfer-Encoding: " + value, body=CHUNKS), 400, 501)
    yield refused("TE twice", post(TE, TE, body=CHUNKS))
    yield refused("TE chunked and identity fields", post(TE, b"Transfer-Encoding: identity", body=CHUNKS))
    yield refused("TE identity and chunked fields", post(b"Transfer-Encoding: identity", TE, body=CHUNKS), 400, 501)
    yield refused("TE cow and chunked fields", post(b"Transfer-Encoding: cow", TE, body=CHUNKS), 400, 501)
    yield refused("TE folded", post(b"Transfer-Encoding:\r\n chunked", body=CHUNKS))
    yield refused("TE folded value", post(b"Transfer-Encoding: chunked\r\n , identity", body=CHUNKS))
    yield refused("TE space before colon", post(b"Transfer-Encoding : chunked", body=CHUNKS))
    yield refused("TE NUL in name", post(b"Transfer-Encoding\x00: chunked", body=CHUNKS))
    yield refused("TE leading space", get(b" " + TE) + CHUNKS)
    yield refused("TE behind bare LF", post(b"Content-Length: 5", b"X: y\nTransfer-Encoding: chunked"))
    yield refused("TE behind bare CR", post(b"Content-Length: 5", b"X: y\rTransfer-Encoding: chunked"))
    yield refused("TE in HTTP/1.0", post(TE, body=CHUNKS, version=b"1.0"))
    yield passed("TE other case", post(b"transfer-ENCODING: ChunKed", body=CHUNKS), "POST", body=b"abcde")
    yield passed("TE blanks and tab", post(b"Transfer-Encoding: \tchunked\t ", body=CHUNKS), "POST", body=b"abcde")
    yield passed("underscored TE counts for nothing", post(b"Content-Length: 5", b"Transfer_Encoding: chunked"),
                 "POST", body=b"abcde")
    yield passed("Connection naming CL removes nothing", post(b"Content-Length: 5", b"Connection: content-length"),
                 "POST", body=b"abcde")
    yield passed("Connection naming TE removes nothing", post(TE, b"Connection: transfer-encoding", body=CHUNKS),
                 "POST", body=b"abcde")


def chunks() -> Iterator[Vector]:
    for name, size in {
        "hexadecimal prefix": b"0x5", "plus": b"+5", "minus": b"-5", "leading space": b" 5", "empty": b"",
        "no digit": b"g", "underscore": b"0_5", "17 digits": b"10000000000000005", "all F": b"F" * 16,
        "vertical tab": b"5\x0b", "NUL": b"5\x00", "tab before": b"\t5", "dot": b"5.0",
        "bare LF in extension": b"5;a\nb",
        "bare CR in extension": b"5;a\rb", "NUL in extension": b"5;a\x00", "huge extension": b"5;" + b"a" * 70000,
    }.items():
        yield cut(f"chunk size {name}", size + b"\r\nabcde\r\n0\r\n\r\n")
    yield cut("chunk size ends in LF", b"5\nabcde\r\n0\r\n\r\n")
    yield cut("chunk size ends in CR", b"5\rabcde\r\n0\r\n\r\n")
    yield cut("chunk size ends in CR CR LF", b"5\r\r\nabcde\r\n0\r\n\r\n")
    yield cut("chunk data ends in LF", b"5\r\nabcde\n0\r\n\r\n")
    yield cut("chunk data ends in CR", b"5\r\nabcde\r0\r\n\r\n")
    yield cut("chunk data too long", b"5\r\nabcdef\r\n0\r\n\r\n")
    yield cut("chunk data without end", b"5\r\nabcde0\r\n\r\n")
    yield cut("last chunk ends in LF", b"5\r\nabcde\r\n0\n\r\n")
    yield cut("body ends in LF", b"5\r\nabcde\r\n0\r\n\n")
    yield cut("trailer folded", b"0\r\nX: a\r\n b\r\n\r\n")
    yield cut("trailer leading space", b"0\r\n X: a\r\n\r\n")
    yield cut("trailer space before colon", b"0\r\nX : a\r\n\r\n")
    yield cut("trailer without colon", b"0\r\nGET /smuggled HTTP/1.1\r\n\r\n")
    yield cut("trailer NUL", b"0\r\nX: \x00\r\n\r\n")
    yield cut("trailer bare LF", b"0\r\nX: a\nY: b\r\n\r\n")
    yield cut("trailers too large", b"0\r\n" + b"X: " + b"a" * 70000 + b"\r\n\r\n")
    ok = {
        "extension": b"5;a=b\r\nabcde\r\n0\r\n\r\n", "quoted extension": b'5;a="b;c"\r\nabcde\r\n0\r\n\r\n',
        "extension of the last": b"5\r\nabcde\r\n0;x=y\r\n\r\n", "zeros": b"0005\r\nabcde\r\n000\r\n\r\n",
        "trailer CL": b"5\r\nabcde\r\n0\r\nContent-Length: 50\r\n\r\n",
        "trailer TE": b"5\r\nabcde\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "trailer Host": b"5\r\nabcde\r\n0\r\nHost: evil\r\n\r\n",
        "trailer Authorization": b"5\r\nabcde\r\n0\r\nAuthorization: evil\r\n\r\n",
        "trailer X-Forwarded-For": b"5\r\nabcde\r\n0\r\nX-Forwarded-For: evil\r\n\r\n",
        "capital digits": b"A\r\nabcdeabcde\r\n0\r\n\r\n",
    }
    for name, body in ok.items():
        want = b"abcdeabcde" if name == "capital digits" else b"abcde"
        yield passed(f"chunked {name}", post(TE, body=body), "POST", body=want)
    yield safe("chunk size trailing space", post(TE, body=b"5 \r\nabcde\r\n0\r\n\r\n"), "POST", body=b"abcde")


def lines() -> Iterator[Vector]:
    yield refused("request line ends in LF", b"GET / HTTP/1.1\nHost: test\r\n\r\n")
    yield refused("field ends in LF", get(b"X: y\nZ: a"))
    yield refused("head ends in LF", b"GET / HTTP/1.1\r\nHost: test\r\n\n")
    yield refused("only LF", b"GET / HTTP/1.1\nHost: test\n\n")
    yield refused("request line ends in CR", b"GET / HTTP/1.1\rHost: test\r\n\r\n")
    yield refused("field ends in CR", get(b"X: y\rZ: a"))
    yield refused("field ends in CR CR LF", get(b"X: y\r"))
    for byte in (0x00, 0x01, 0x08, 0x0b, 0x0c, 0x1b, 0x7f):
        yield refused(f"byte {byte:#04x} in a value", get(b"X: a" + bytes([byte]) + b"b"))
    for byte in (0x00, 0x09, 0x20, 0x22, 0x28, 0x2c, 0x2f, 0x3b, 0x40, 0x5b, 0x7b, 0x7f, 0x80, 0xff):
        yield refused(f"byte {byte:#04x} in a name", get(b"X" + bytes([byte]) + b"Y: z"))
    yield refused("folded field", get(b"X: a", b" b"))
    yield refused("folded by tab", get(b"X: a", b"\tb"))
    yield refused("space before the first field", b"GET / HTTP/1.1\r\n Host: test\r\nHost: test\r\n\r\n")
    yield refused("space before colon", get(b"X : y"))
    yield refused("empty name", get(b": y"))
    yield refused("no colon", get(b"X"))
    yield passed("tab and high bytes in a value", get(b"X: a\tb \xe9\xff"))
    yield passed("empty value", get(b"X:"))
    yield passed("one empty line before", b"\r\n" + get())
    yield safe("three empty lines before", b"\r\n\r\n\r\n" + get())
    yield safe("bare LF before", b"\n" + get())
    yield refused("space before", b" " + get())
    yield refused("NUL before", b"\x00" + get())
    yield refused("field of 40 KB", get(b"X: " + b"a" * 40960), 431)
    yield refused("name of 40 KB", get(b"a" * 40960 + b": x"), 431)
    yield refused("200 fields", get(*[b"X%d: y" % i for i in range(200)]), 431)
    yield passed("100 fields", get(*[b"X%d: y" % i for i in range(100)]))


def start_lines() -> Iterator[Vector]:
    for name, start in {
        "two spaces": b"GET  / HTTP/1.1", "tabs": b"GET\t/\tHTTP/1.1", "trailing space": b"GET / HTTP/1.1 ",
        "no version": b"GET /", "no target": b"GET HTTP/1.1", "empty target": b"GET  HTTP/1.1",
        "lower-case version": b"GET / http/1.1", "HTTP/2.0": b"GET / HTTP/2.0", "HTTP/0.9": b"GET / HTTP/0.9",
        "HTTP/1.10": b"GET / HTTP/1.10", "HTTP/01.1": b"GET / HTTP/01.1", "HTTP/1,1": b"GET / HTTP/1,1",
        "HTTP/1": b"GET / HTTP/1", "HTTP/+1.1": b"GET / HTTP/+1.1", "junk after version": b"GET / HTTP/1.1x",
        "words after version": b"GET / HTTP/1.1 HTTP/1.1", "space in target": b"GET /a b HTTP/1.1",
        "NUL in target": b"GET /a\x00b HTTP/1.1", "high byte in target": b"GET /\xe9 HTTP/1.1",
        "method NUL": b"GE\x00T / HTTP/1.1", "method parenthesis": b"G(T / HTTP/1.1",
        "method colon": b"GET: / HTTP/1.1",
        "method high byte": b"G\xcbT / HTTP/1.1", "no method": b" / HTTP/1.1", "asterisk of GET": b"GET * HTTP/1.1",
        "no slash": b"GET a HTTP/1.1", "fragment": b"GET /a#b HTTP/1.1", "fragment in query": b"GET /a?b#c HTTP/1.1",
        "encoded slash": b"GET /a%2Fb HTTP/1.1", "encoded slash, small": b"GET /a%2fb HTTP/1.1",
        "encoded backslash": b"GET /a%5Cb HTTP/1.1", "encoded backslash, small": b"GET /a%5cb HTTP/1.1",
        "backslash": b"GET /a\\b HTTP/1.1", "encoded NUL": b"GET /a%00 HTTP/1.1",
        "dots parameter": b"GET /a/..;/b HTTP/1.1",
        "dots parameter x": b"GET /a/..;x=y/b HTTP/1.1", "encoded dots parameter": b"GET /a/%2e%2e;/b HTTP/1.1",
        "above the root": b"GET /../b HTTP/1.1", "above the root later": b"GET /a/../../b HTTP/1.1",
        "above the root encoded": b"GET /%2e%2E/b HTTP/1.1", "broken escape": b"GET /%zz HTTP/1.1",
        "cut escape": b"GET /a%2 HTTP/1.1", "ftp": b"GET ftp://test/ HTTP/1.1",
        "no authority": b"GET http:///a HTTP/1.1",
        "user info": b"GET http://u:p@test/a HTTP/1.1", "port too large": b"GET http://test:99999/a HTTP/1.1",
        "port of letters": b"GET http://test:a/ HTTP/1.1",
    }.items():
        yield refused(f"start {name}", get(start=start), 400, 505)
    yield refused("start CONNECT", get(start=b"CONNECT test:443 HTTP/1.1"), 400, 405, 501)
    yield refused("target of 9 KB", get(start=b"GET /" + b"a" * 9216 + b" HTTP/1.1"), 414)
    yield refused("request line of 70 KB without end", b"GET /" + b"a" * 71680, 414, 431)
    for name, target, forwarded in (
        ("merge slashes", b"//a///b", "/a/b"), ("dot", b"/a/./b", "/a/b"), ("dots", b"/a/../b", "/b"),
        ("encoded dots", b"/a/%2e%2E/b", "/b"), ("encoded letter", b"/%61%7e", "/a~"),
        ("encoded word stays", b"/%c3%a9%3f", "/%C3%A9%3F"), ("dots at the end", b"/a/b/..", "/a/"),
        ("dot at the end", b"/a/.", "/a/"), ("parameter", b"/a;b=c", "/a;b=c"), ("three dots", b"/...", "/..."),
        ("query is left alone", b"/a?b=%2F..%00#"[:-1], "/a?b=%2F..%00"), ("percent 25 stays", b"/%252F", "/%252F"),
        ("absolute form", b"http://test/x", "/x"), ("absolute form without path", b"http://test", "/"),
    ):
        yield passed(f"target {name}", get(start=b"GET " + target + b" HTTP/1.1"), target=forwarded)
    yield passed("custom method", get(start=b"PURGE / HTTP/1.1"), "PURGE")
    yield safe("HTTP/1.2", get(start=b"GET / HTTP/1.2"))
    yield safe("small method", get(start=b"get / HTTP/1.1"), "get")
    yield safe("encoded line end", get(start=b"GET /a%0d%0aX:y HTTP/1.1"), target="/a%0D%0AX:y")
    yield passed("target of 8000 bytes", get(start=b"GET /" + b"a" * 8000 + b" HTTP/1.1"), target="/" + "a" * 8000)


def hosts() -> Iterator[Vector]:
    for name, host in {
        "missing": b"", "twice": b"Host: test\r\nHost: test\r\n", "two": b"Host: test\r\nHost: evil\r\n",
        "space inside": b"Host: te st\r\n", "path": b"Host: test/evil\r\n", "user": b"Host: a@test\r\n",
        "port of letters": b"Host: test:a\r\n", "two ports": b"Host: test:80:80\r\n", "list": b"Host: test,evil\r\n",
        "URL": b"Host: http://test\r\n", "open bracket": b"Host: [::1\r\n", "space before colon": b"Host : test\r\n",
        "folded": b"Host: test\r\n evil\r\n", "port too large": b"Host: test:65536\r\n", "NUL": b"Host: test\x00\r\n",
        "query": b"Host: test?x\r\n", "fragment": b"Host: test#x\r\n", "backslash": b"Host: test\\x\r\n",
    }.items():
        yield refused(f"Host {name}", get(host=host))
    yield passed("Host IPv6", get(host=b"Host: [::1]:8080\r\n"))
    yield passed("Host of HTTP/1.0 may be missing", b"GET / HTTP/1.0\r\n\r\n", ends=True)
    yield safe("Host empty", get(host=b"Host:\r\n"))
    yield safe("Host other than the absolute form", get(start=b"GET http://outer/ HTTP/1.1"))
    yield safe("unknown Expect", get(b"Expect: the-unexpected"))
    yield passed("upgrade with a body is none", post(b"Content-Length: 5", b"Connection: upgrade",
                                                     b"Upgrade: websocket"), "POST", body=b"abcde")
    yield passed("upgrade to h2c goes no further", get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
                                                       b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"))


VECTORS = [*content_lengths(), *transfer_encodings(), *chunks(), *lines(), *start_lines(), *hosts()]
