"""Decodes with Attention and PyTorch alternately, each run in a process of its own; prints medians and their ratios."""
import os
import statistics
import subprocess
import sys

from compare import HERE, ROOT, run, settings

TYPES = ("fp32", "bf16", "int8")


def machine():
    """What these figures were measured on."""
    with open("/proc/cpuinfo") as info:
        name = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "unknown CPU")
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def main(rounds, tokens):
    env = settings()
    # PyTorch's many small operators are faster when idle threads stay awake between them, as they do unless told otherwise.
    peer_env = {key: value for key, value in env.items() if key != "OMP_WAIT_POLICY"}
    prompt = 16
    results = []
    for _ in range(rounds):
        one = {}
        for dtype in TYPES:
            sizes = [str(prompt), str(tokens)]
            one["ours", dtype] = run([os.path.join(ROOT, "attention"), "bench", "generate", "gpt2", "--dtype", dtype,
                                      "--prompt", sizes[0], "--tokens", sizes[1], "--json"], env)
            one["torch", dtype] = run([sys.executable, os.path.join(HERE, "pytorch_generate.py"), dtype, *sizes], peer_env)
        results.append(one)

    def median(side, dtype, key):
        return statistics.median(each[side, dtype][key] for each in results)

    best = max(median("torch", dtype, "tokens_per_second") for dtype in ("fp32", "bf16"))
    print("| weights | Attention, tokens/s | PyTorch, tokens/s | times PyTorch's best of fp32 and bf16 "
          "| ms a token, first 64 / last 64 | weights read, GB/s |")
    print("|---|---|---|---|---|---|")
    for dtype in TYPES:
        ours, peer = (median(side, dtype, "tokens_per_second") for side in ("ours", "torch"))
        first, last, middle = (median("ours", dtype, key) for key in ("first_ms", "last_ms", "median_ms"))
        read = median("ours", dtype, "weight_bytes") / middle / 1e6
        print(f"| {dtype} | {ours:.1f} | {peer:.1f} | {ours / best:.2f} | {first:.2f} / {last:.2f} | {read:.1f} |")
    sums = statistics.median(each["ours", dtype]["memory_bytes_per_second"] for each in results for dtype in TYPES)
    torch = results[0]["torch", "fp32"]
    print(f"\ngpt2 (124 M parameters), batch 1, prompt of {prompt}, {tokens} tokens, {torch['threads']} threads, {rounds} rounds alternating, "
          f"medians; PyTorch {torch['torch']}, its int8 is quantize_dynamic. {machine()}; a plain sum reads {sums / 1e9:.1f} GB/s.")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
