"""What notebooks in pods, and the jobs that they are promoted to, run in tests."""

FILL = """
import json, os
import sublet_agent.simulated.client as gpu
data = gpu.allocate(gib=2)
fingerprint = data.fill(seed=7)
print(json.dumps({"pid": os.getpid(), "intact": data.sha256() == fingerprint}))
"""
CHECK = """
gpu.compute(seconds=0.1)
print(json.dumps({"pid": os.getpid(), "intact": data.sha256() == fingerprint}))
"""
# Goes on from the step that its checkpoint tells of, until a file says that it is enough.
TRAIN = """
import json, os, pathlib
import sublet_agent.simulated.client as gpu
checkpoints = pathlib.Path("checkpoints")
checkpoints.mkdir(exist_ok=True)
kept = sorted(checkpoints.glob("step-*"))
began_with = int(kept[-1].name.split("-")[1]) if kept else 0
data = gpu.allocate(gib=3)
fingerprint = data.fill(seed=11)
step = began_with
while not pathlib.Path("enough").exists():
    gpu.compute(seconds=0.1)
    step += 1
    (checkpoints / f"step-{step:06}").touch()
    pathlib.Path("now.json.part").write_text(
        json.dumps({"pid": os.getpid(), "step": step, "began_with": began_with})
    )
    os.replace("now.json.part", "now.json")
assert data.sha256() == fingerprint, "bytes were lost"
print("trained from", began_with, "to", step)
"""
