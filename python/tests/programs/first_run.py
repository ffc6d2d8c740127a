from mlvlogger import Exp, read

with Exp("runs", "demo", {"lr": 3e-4}, kind="train") as exp:
    with exp.log.span("epoch", n=0) as epoch:
        epoch.event("batch", step=0, loss=0.5)
    (exp.path / "model.txt").write_text("weights")
    exp.log.event("checkpoint", file=exp.attach(exp.path / "model.txt"))
print(exp, read(exp.path).state)
