"""Writes coco-masks.json: polygons, and the masks, boxes and overlaps that pycocotools makes of them."""
import json

import numpy as np
from pycocotools import mask as coco

random = np.random.RandomState(7)


def polygon(height, width, kind):
    count = random.randint(3, 9)
    if kind == 0:  # inside
        points = np.stack([random.rand(count) * width, random.rand(count) * height], 1)
    elif kind == 1:  # partly far outside
        points = np.stack([random.rand(count) * width * 2 - width / 2, random.rand(count) * height * 2 - height / 2], 1)
    elif kind == 2:  # whole numbers
        points = np.round(np.stack([random.rand(count) * width, random.rand(count) * height], 1))
    elif kind == 3:  # halves, with repeated corners
        points = np.round(np.stack([random.rand(count) * width * 1.4 - width * 0.2, random.rand(count) * height * 1.4 - height * 0.2], 1) * 2) / 2
        points = np.concatenate([points, points[-1:], points[:1]])
    else:  # around the middle
        angle = np.sort(random.rand(count)) * 2 * np.pi
        points = np.stack([width / 2 + width * 0.45 * np.cos(angle), height / 2 + height * 0.45 * np.sin(angle)], 1)
    return [round(float(value), 2) for value in points.reshape(-1)]


cases = []
for i in range(60):
    least, most = [(1, 60), (1, 5), (50, 300)][i % 3]
    height, width = int(random.randint(least, most)), int(random.randint(least, most))
    polygons = [polygon(height, width, (i + k) % 5) for k in range(1 + i % 3)]
    each = coco.frPyObjects(polygons, height, width)
    union, intersection = coco.merge(each), coco.merge(each, True)
    other = polygon(height, width, 4)
    second = coco.merge(coco.frPyObjects([other], height, width))
    places = np.arange(1, height * width + 1).reshape(height, width)
    cases.append(dict(
        height=height, width=width, polygons=polygons, other=other,
        each=[one["counts"].decode() for one in each], union=union["counts"].decode(), intersection=intersection["counts"].decode(),
        area=int(coco.area(union)), box=[int(value) for value in coco.toBbox(union)],
        iou=float(coco.iou([union], [second], [0])[0][0]), crowd=float(coco.iou([union], [second], [1])[0][0]),
        sum=int((coco.decode(union).astype(np.int64) * places).sum())))
with open("coco-masks.json", "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
