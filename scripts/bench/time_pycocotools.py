#!/usr/bin/env python3
"""Times pycocotools on the files that `attention bench coco FOLDER` writes.

usage: time_pycocotools.py FOLDER [bbox|segm|keypoints]
"""
import contextlib
import io
import json
import sys
import time

import numpy

numpy.float = float  # older pycocotools with newer NumPy

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

folder = sys.argv[1]
kind = sys.argv[2] if len(sys.argv) > 2 else "bbox"
with contextlib.redirect_stdout(io.StringIO()):
    start = time.perf_counter()
    truth = COCO(f"{folder}/annotations.json")
    found = truth.loadRes(f"{folder}/results.json")
    loaded = time.perf_counter()
    scores = COCOeval(truth, found, kind)
    scores.evaluate()
    scores.accumulate()
    scores.summarize()
    end = time.perf_counter()
print(json.dumps({"load_seconds": loaded - start, "evaluate_seconds": end - loaded, "stats": list(scores.stats)}))
