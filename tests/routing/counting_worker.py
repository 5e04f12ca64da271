"""A process that counts: each line on its standard input is a number of requests of legacy; it answers when they are written.

`fork` makes a child, which goes on reading in its place while the parent waits for it; `fork-away` lets the parent be killed.
"""

import os
import sys

from counted import side, snapshot

from cutover.routing.snapshot import Snapshot
from cutover.routing.worker_files import WorkerFolder

folder, share = sys.argv[1:]
counted = 0


def read() -> list[Snapshot]:
    return [snapshot(legacy=side([0.01] * counted), share=share, hanging=1)]


worker = WorkerFolder(folder, read=read, every=3600)
for line in sys.stdin:
    if line.strip() == "fork":
        parent = os.getpid()
        if child := os.fork():
            os.waitpid(child, 0)
            break
        counted = 0
        print(parent, flush=True)
        continue
    counted += int(line)
    worker.write()
    print("written", flush=True)
