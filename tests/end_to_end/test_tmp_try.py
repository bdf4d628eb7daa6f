import sys, time

sys.path.insert(0, "/work/main/tests/end_to_end")
from test_kill_training import *
from test_kill_training import plan_to, group_in, train
import ray


@ray.remote(num_cpus=1)
class Holder:
    def ping(self):
        return 1


def test_grow(ray_runtime, plan_to, tmp_path, monkeypatch):
    log = []
    t0 = time.time()

    def prog(name, done, total):
        log.append((round(time.time() - t0, 2), done, len(training_processes())))

    two = train(plan_to(tmp_path / "two"), group_in(tmp_path / "two"), ray_runtime, prog)
    print(log)
    log.clear()
    monkeypatch.setattr(fit, "RESIZE_SECONDS", 1.0)
    h = Holder.remote()
    ray.get(h.ping.remote())
    state = {"h": h}

    def prog2(name, done, total):
        prog(name, done, total)
        if done >= 40 and "h" in state:
            ray.kill(state.pop("h"))

    one = train(plan_to(tmp_path / "one"), group_in(tmp_path / "one", least_workers=1), ray_runtime, prog2)
    print(log)
    print({n: float((one[n] - v).abs().max()) for n, v in two.items()})
    print(equal(one, two))
