import sys

from mlvlogger import Exp, ExperimentExists

for number in range(10):
    print("ready", flush=True)
    input()
    try:
        with Exp("runs", f"e{number}", {"who": sys.argv[1]}) as exp:
            exp.log.event("x", who=sys.argv[1])
        print("won")
    except ExperimentExists:
        print("lost")
