import os
import select
import sys

home, outside = sys.argv[1:]
print("swapping", flush=True)
swaps = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    for name in ("log", "files", "files/d", "meta"):
        folder = os.path.join(home, name)
        aside = f"{folder}.{swaps}"
        try:
            os.rename(folder, aside)
            os.symlink(outside, folder)
            swaps += 1
            os.unlink(folder)
            os.rename(aside, folder)
        except OSError:  # the writer has made a new folder meanwhile
            swaps += os.path.lexists(aside)
print(swaps, flush=True)
sys.stdin.read()
