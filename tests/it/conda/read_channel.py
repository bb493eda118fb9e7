"""Solve and install from a channel that is served over HTTP, as a user would.

Usage: read_channel.py PLACE CHANNEL PREFIX SPEC...   (PLACE is served; CHANNEL is a path below it)
Prints the exact builds, and then every installed file below share/ with its content.
"""
import asyncio
import functools
import http.server
import pathlib
import sys
import tempfile
import threading

import rattler

place, channel, prefix, *specs = sys.argv[1:]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        print(self.command, self.path, self.requestline.split()[-1], *arguments[1:2], file=sys.stderr)


async def main(address, scratch):
    gateway = rattler.Gateway(cache_dir=pathlib.Path(scratch, "repodata"))
    records = await rattler.solve(
        [rattler.Channel(f"{address}/{channel}")], specs, gateway=gateway, platforms=["linux-64", "noarch"]
    )
    for record in sorted(records, key=lambda record: record.name.normalized):
        print(record.name.normalized, record.version, record.build, record.file_name)
    await rattler.install(records, prefix, cache_dir=pathlib.Path(scratch, "packages"), show_progress=False)
    for file in sorted(pathlib.Path(prefix, "share").glob("*.txt")):
        print(file.name, "=", file.read_text().strip())


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=place))
threading.Thread(target=server.serve_forever, daemon=True).start()
with tempfile.TemporaryDirectory() as scratch:
    asyncio.run(main(f"http://127.0.0.1:{server.server_port}", scratch))
