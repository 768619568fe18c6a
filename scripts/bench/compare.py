"""Runs jobs alternately with Attention and PyTorch in processes of their own; prints medians and their ratios."""
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
JOBS = [
    ("add of two 2x2 tensors, no grad", ["op"], ["op"]),
    ("AdamW step over vit_small_patch16_224", ["optimizer", "vit_small_patch16_224"], ["optimizer", "vit_small_patch16_224"]),
    ("vit_small_patch16_224 inference, batch 8", ["model", "vit_small_patch16_224", "--mode", "forward", "--batch", "8"],
     ["model", "vit_small_patch16_224", "forward", "8"]),
    ("vit_small_patch16_224 AdamW step, batch 8", ["model", "vit_small_patch16_224", "--mode", "train", "--batch", "8"],
     ["model", "vit_small_patch16_224", "train", "8"]),
]
# A text file; the recipe's vocabulary is that of Tiny Shakespeare.
TEXT = os.path.join(ROOT, "data", "tinyshakespeare.txt")
SHAKESPEARE = os.path.join(ROOT, "configs", "language", "shakespeare_char.yaml")


# Images for the loader; a folder of class folders. Left out where it is not given or torchvision is missing.
IMAGES = os.environ.get("ATTENTION_BENCH_IMAGES")


def settings():
    """What Attention sets for itself, so that both run alike."""
    env = dict(os.environ, OMP_WAIT_POLICY="passive", OMP_NUM_THREADS=str(len(os.sched_getaffinity(0))))
    with open("/proc/cpuinfo") as info:
        flags = info.read()
    if all(flag in flags for flag in ("avx512f", "avx512bw", "avx512dq", "avx512vl")):
        env["ATEN_CPU_CAPABILITY"] = "avx512"
    return env


def run(command, env):
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)} failed\n{done.stderr}")
    return json.loads(done.stdout)


def data_job():
    """Decoding, random crops and flips on one thread each."""
    if not IMAGES:
        print("data: set ATTENTION_BENCH_IMAGES to a folder of class folders with images to compare the loader", file=sys.stderr)
        return []
    if subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True).returncode != 0:
        print("data: no torchvision (on Debian: apt-get install python3-torchvision); the loader is not compared", file=sys.stderr)
        return []
    return [("decode, random_resized_crop(224), hflip, normalised batches of 50, one thread", ["data", IMAGES], ["data", IMAGES])]


def text_job():
    """A whole training step of nanoGPT's smallest configuration: batch, forward, backward, clipping, AdamW."""
    if not os.path.exists(TEXT):
        print("text: data/tinyshakespeare.txt is not there (see data/README.md); the language model is not compared", file=sys.stderr)
        return []
    return [("training step of configs/language/shakespeare_char.yaml", ["train", SHAKESPEARE, "--set", f"data.path={TEXT}"], ["text", TEXT])]


def main(rounds, seconds, only):
    env = settings()
    print("| job | Attention | PyTorch | ratio | peak memory, Attention / PyTorch |")
    print("|---|---|---|---|---|")
    for name, ours, peers in [job for job in JOBS + text_job() + data_job() if only in job[0]]:
        ours = [os.path.join(ROOT, "attention"), "bench", *ours, "--json"]
        peers = [sys.executable, os.path.join(HERE, "pytorch_peer.py"), *peers]
        if "op" not in ours:
            ours, peers = ours + ["--seconds", str(seconds)], peers + [str(seconds)]
        results = [(run(ours, env), run(peers, env)) for _ in range(rounds)]

        def median(side, key):
            return statistics.median(result[side][key] for result in results)

        if "seconds" in results[0][0]:
            a, b = median(0, "seconds"), median(1, "seconds")
            print(f"| {name} | {a * 1e6:.3f} us | {b * 1e6:.3f} us | {a / b:.2f} of the time | |", flush=True)
            continue
        a, b = median(0, "images_per_second"), median(1, "images_per_second")
        memory = [median(side, "peak_bytes") for side in (0, 1)]
        print(f"| {name} | {a:.2f} images/s | {b:.2f} images/s | {a / b:.2f} times the speed "
              f"| {memory[0] / 2**20:.0f} / {memory[1] / 2**20:.0f} MiB = {memory[0] / memory[1]:.2f} |", flush=True)
    print(f"\n{rounds} rounds each, alternating; PyTorch {results[-1][1]['torch']}, {results[-1][1]['threads']} threads; medians.")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "")
