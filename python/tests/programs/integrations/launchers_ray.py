import ray

from mlvlogger import Exp


@ray.remote
def train() -> None:
    Exp("runs", "e").close()


ray.init(num_cpus=1, include_dashboard=False)
ray.get(train.remote())
