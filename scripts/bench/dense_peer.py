"""The torchvision side of scripts/bench_dense.sh: the cases of `attention bench dense`, one JSON list.

usage: dense_peer.py SECONDS [PART]

Deformable attention, which torchvision lacks, is the composition of PyTorch's operators that its paper's repository falls back to:
one grid_sample for each map, then a weighted sum.
"""
import json
import statistics
import sys
import time

import torch
import torchvision
from torch.nn import functional as F
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.ops import MultiScaleRoIAlign, batched_nms, deform_conv2d, nms, roi_align

HEIGHT, WIDTH, CHANNELS = 800, 1088, 256


def random_boxes(count):
    sizes = (torch.rand(count, 2) * 3.9).exp() * 8
    corners = torch.rand(count, 2) * torch.tensor([float(WIDTH), float(HEIGHT)]) - sizes / 2
    return torch.cat([corners, corners + sizes], 1)


def pyramid(size, each=512):
    maps = {str(stride): torch.rand(2, CHANNELS, HEIGHT // stride, WIDTH // stride).requires_grad_() for stride in (4, 8, 16, 32)}
    boxes = [random_boxes(each), random_boxes(each)]
    align = MultiScaleRoIAlign(list(maps), size, 2)
    return lambda: align(maps, boxes, [(HEIGHT, WIDTH)] * 2), list(maps.values())


def one_map():
    image = torch.rand(1, CHANNELS, HEIGHT // 16, WIDTH // 16).requires_grad_()
    regions = torch.cat([torch.zeros(300, 1), random_boxes(300)], 1)
    return lambda: roi_align(image, regions, (14, 14), 1 / 16, -1, True), [image]


def suppressed(count, labels=None):
    boxes, scores = random_boxes(count), torch.rand(count)
    if labels is None:
        return lambda: nms(boxes, scores, 0.5), []
    label = (torch.rand(count) * labels).long()
    return lambda: batched_nms(boxes, scores, label, 0.5), []


def attend(value, maps, locations, weights):
    batch, _, heads, depth = value.shape
    _, queries, _, levels, points, _ = locations.shape
    grids, sampled = 2 * locations - 1, []
    for level, (part, (height, width)) in enumerate(zip(value.split([h * w for h, w in maps], 1), maps)):
        plane = part.flatten(2).transpose(1, 2).reshape(batch * heads, depth, height, width)
        grid = grids[:, :, :, level].transpose(1, 2).flatten(0, 1)
        sampled.append(F.grid_sample(plane, grid, mode="bilinear", padding_mode="zeros", align_corners=False))
    weights = weights.transpose(1, 2).reshape(batch * heads, 1, queries, levels * points)
    total = (torch.stack(sampled, -2).flatten(-2) * weights).sum(-1)
    return total.view(batch, heads * depth, queries).transpose(1, 2).contiguous()


def deformable(queries):
    maps = [(50, 68), (25, 34), (13, 17), (7, 9)]
    places = sum(height * width for height, width in maps)
    count = queries or places
    value = torch.rand(1, places, 8, 32).requires_grad_()
    locations = torch.rand(1, count, 8, 4, 4, 2).requires_grad_()
    weights = torch.rand(1, count, 8, 4, 4).requires_grad_()
    return lambda: attend(value, maps, locations, weights), [value, locations, weights]


def convolved():
    x = torch.rand(2, 128, 50, 68).requires_grad_()
    offset = (torch.rand(2, 18, 50, 68) * 4 - 2).requires_grad_()
    weight = torch.rand(128, 128, 3, 3).requires_grad_()
    mask = torch.rand(2, 9, 50, 68).requires_grad_()
    return lambda: deform_conv2d(x, offset, weight, None, padding=1, mask=mask), [x, offset, weight, mask]


def pasted():
    masks, boxes = torch.rand(100, 1, 28, 28), random_boxes(100)
    return lambda: paste_masks_in_image(masks, boxes, (HEIGHT, WIDTH)), []


CASES = {
    "roi_align, 1024 regions to 7x7 of 4 maps": lambda: pyramid(7),
    "roi_align, 256 regions to 14x14 of 4 maps": lambda: pyramid(14, 128),
    "roi_align, 300 regions to 14x14 of one map, adaptive samples": one_map,
    "nms, 1000 boxes": lambda: suppressed(1000),
    "nms, 5000 boxes": lambda: suppressed(5000),
    "batched_nms, 1000 boxes of 80 labels": lambda: suppressed(1000, 80),
    "batched_nms, 5000 boxes of 80 labels": lambda: suppressed(5000, 80),
    "deformable attention, 4534 queries (encoder)": lambda: deformable(None),
    "deformable attention, 300 queries (decoder)": lambda: deformable(300),
    "deform_conv2d, 128 channels, 3x3, 50x68": convolved,
    "paste_masks_in_image, 100 masks": pasted,
}


def median(action, seconds):
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 7:
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def main(seconds, part):
    results = []
    for name, make in CASES.items():
        if part.lower() not in name.lower():
            continue
        torch.manual_seed(0)
        compute, leaves = make()
        with torch.no_grad():
            forward = median(compute, seconds)

        def train():
            compute().sum().backward()
            for leaf in leaves:
                leaf.grad = None

        results.append({"case": name, "forward_seconds": forward, "train_seconds": median(train, seconds) if leaves else None,
                        "torch": torch.__version__, "torchvision": torchvision.__version__, "threads": torch.get_num_threads()})
    print(json.dumps(results))


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
