import json
import os

from mlvlogger import Exp

given = json.load(open(os.environ["GIVEN"]))
for name in ("raw", "wide"):
    given["params"][name] = bytes.fromhex(given["params"][name])
params = {**given["params"], "harmless": given["harmless"]}
text = given["text"]
try:
    with Exp(
        given["runs"],
        "e",
        params,
        extra=given["params"],
        variables=["*"],
        diff=True,
        description="see " + text,
        tags=["a", text],
    ) as exp:
        exp.log.event("x", loss=0.5)
        with exp.log.span("epoch"):
            raise RuntimeError("cannot reach " + text)
except RuntimeError:
    pass
with Exp.open(given["runs"] + "/e", {"later": params}, variables=["*"], diff=True):
    pass
