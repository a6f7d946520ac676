"""A queue's front: POST /jobs puts one in, GET /jobs shows them. Standard library only."""

import argparse
import json
import os
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

QUEUE = Path(os.environ.get("DATA_DIR", ".")) / "queue"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        jobs = [json.loads(path.read_text()) for path in sorted(QUEUE.glob("*.json"))]
        self.answer(200, jobs)

    def do_POST(self):
        length = min(int(self.headers.get("content-length", 0)), 10_000)
        job = {"id": uuid.uuid4().hex, "text": self.rfile.read(length).decode(errors="replace"), "state": "waiting"}
        path = QUEUE / f"{job['id']}.json"
        path.with_suffix(".new").write_text(json.dumps(job))
        path.with_suffix(".new").rename(path)
        self.answer(202, job)

    def answer(self, status, value):
        body = json.dumps(value).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    QUEUE.mkdir(parents=True, exist_ok=True)
    ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler).serve_forever()
