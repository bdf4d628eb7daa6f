"""An S3 server that can do nothing but list, as fast as its keys are sorted, after a wait that stands for a network and a store.

    python -m benchmarks.lister 100000 --wait 0.2

moto sorts every key again for each thousand that it names, and SeaweedFS walks folders; of a hundred thousand stems that is nearly all
of a scan's time. What is left to the scan itself is measured against this one. It answers ListObjectsV2 without a delimiter, and says of
any single object that it is not there.
"""

from __future__ import annotations

import argparse
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse
from xml.sax.saxutils import escape

PUT_AT = "2026-01-01T00:00:00.000Z"  # long ago, so that it is believed to be unchanged
PAGE = 1000


def page(keys: Sequence[str], size: int, asked: dict[str, str]) -> str:
    """The answer to a request with these arguments, of sorted keys that all have one size."""
    prefix, most = asked.get("prefix", ""), min(PAGE, int(asked.get("max-keys", PAGE)))
    first = (
        bisect_right(keys, asked["continuation-token"]) if "continuation-token" in asked else bisect_left(keys, prefix)
    )
    found = [key for key in keys[first : first + most] if key.startswith(prefix)]
    following = first + len(found)
    more = bool(found) and following < len(keys) and keys[following].startswith(prefix)
    contents = "".join(
        f'<Contents><Key>{escape(key)}</Key><LastModified>{PUT_AT}</LastModified><ETag>"{number:032x}"</ETag>'
        f"<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for number, key in enumerate(found, start=first)
    )
    token = f"<NextContinuationToken>{escape(found[-1])}</NextContinuationToken>" if more else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(found)}</KeyCount><MaxKeys>{most}</MaxKeys>"
        f"<IsTruncated>{str(more).lower()}</IsTruncated>{contents}{token}</ListBucketResult>"
    )


def serve(keys: Sequence[str], size: int, wait: float) -> None:
    """Until the process is ended. Says its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = {name: values[0] for name, values in parse_qs(urlparse(self.path).query).items()}
            assert "list-type" in asked, self.path
            assert "delimiter" not in asked, self.path
            answer = page(keys, size, asked).encode()
            time.sleep(wait)
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_HEAD(self) -> None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


def main() -> None:
    from benchmarks.scan import stems

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, help="stems")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds before each answer")
    arguments = parser.parse_args()
    found = [(f"corpus/{path}", len(data)) for path, data in stems(arguments.count)]
    serve(sorted(key for key, _ in found), found[0][1], arguments.wait)


if __name__ == "__main__":
    main()
