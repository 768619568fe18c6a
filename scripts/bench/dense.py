"""Times the operators of detectors with Attention and torchvision alternately, each run in a process of its own; prints medians and ratios."""
import os
import statistics
import sys

from compare import HERE, ROOT, run, settings


def main(rounds, seconds, part):
    env = settings()
    ours, peers = [], []
    for _ in range(rounds):
        ours.append(run([os.path.join(ROOT, "attention"), "bench", "dense", "--only", part, "--seconds", str(seconds), "--json"], env))
        peers.append(run([sys.executable, os.path.join(HERE, "dense_peer.py"), str(seconds), part], env))

    def median(side, case, key):
        values = [result[case][key] for result in side]
        return None if None in values else statistics.median(values)

    print("| operator | forward, Attention / torchvision | times as fast | forward and backward | times as fast |")
    print("|---|---|---|---|---|")
    for case, peer in enumerate(peers[0]):
        if ours[0][case]["case"] != peer["case"]:
            sys.exit(f"error: '{ours[0][case]['case']}' was compared with '{peer['case']}'")
        cells = []
        for key in ("forward_seconds", "train_seconds"):
            a, b = median(ours, case, key), median(peers, case, key)
            cells += ["", ""] if b is None else [f"{a * 1e3:.2f} / {b * 1e3:.2f} ms", f"{b / a:.1f}"]
        print(f"| {peer['case']} | {' | '.join(cells)} |")
    peer = peers[0][0]
    print(f"\n{rounds} rounds each, alternating, medians; torchvision {peer['torchvision']} on PyTorch {peer['torch']}, {peer['threads']} threads.")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
