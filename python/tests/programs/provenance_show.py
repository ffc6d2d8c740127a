import json

from mlvlogger._environment import snapshot

if __name__ != "__mp_main__":
    found = snapshot.capture(packages=False)
    print("FOUND", json.dumps({name: found[name] for name in ("script", "launcher", "git")}))
