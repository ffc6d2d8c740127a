import resource

from mlvlogger import Exp, read

Exp.find("runs/e"), read("runs/e")
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 8 * 2**20, resource.RLIM_INFINITY))
assert Exp.find("runs/e").id == read("runs/e").id
