"""Resamples tensors by timm's own functions: make_resampling.py [FILE]. Needs timm; the repository keeps the result.

Keys are RULE/SHAPE, with the input under RULE/SHAPE/in; the shape is the one that is asked for.
"""
import pathlib
import sys

import torch
from timm.layers import resample_abs_pos_embed, resample_patch_embed, resize_rel_pos_bias_table
from timm.layers.pos_embed import resample_abs_pos_embed_nhwc
from timm.layers.pos_embed_rel import resize_rel_pos_bias_table_levit
from timm.models._manipulate import adapt_input_conv

file = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "Files" / "resampling.pth"
torch.manual_seed(0)
made = {}


def record(rule, value, result):
    key = f"{rule}/{'x'.join(map(str, result.shape))}"
    made[key + "/in"], made[key] = value, result.contiguous()


for prefix, old, new in [(1, 14, 24), (1, 14, 7), (0, 7, 14), (5, 16, 37), (2, 14, 12)]:
    value = torch.randn(1, prefix + old * old, 3)
    record(f"positions-{prefix}", value, resample_abs_pos_embed(value, [new, new], num_prefix_tokens=prefix))
for old, new in [((14, 14), (24, 24)), ((8, 12), (6, 9))]:
    value = torch.randn(1, *old, 3)
    record("map", value, resample_abs_pos_embed_nhwc(value, list(new)))
for old, new, extra in [(7, 12, 0), (7, 8, 0), (12, 7, 0), (7, 14, 0), (14, 24, 3), (14, 8, 3), (8, 24, 0)]:
    value = torch.randn((2 * old - 1) ** 2 + extra, 2)
    record("bias", value, resize_rel_pos_bias_table(value, (new, new), ((2 * new - 1) ** 2 + extra, 2)))
for old, new in [(7, 12), (8, 7)]:
    value = torch.randn(2, 2 * old - 1, 2 * old - 1)
    new_shape = (2, 2 * new - 1, 2 * new - 1)
    # timm stacks the heads along the rows here.
    record("bias", value, resize_rel_pos_bias_table(value, (new, new), new_shape).reshape(new_shape))
for old, new in [(7, 12), (14, 7), (16, 24)]:
    value = torch.randn(2, old * old)
    record("levit", value, resize_rel_pos_bias_table_levit(value.T, (new * new, 2)).T)
for old, new in [((16, 16), (8, 8)), ((16, 16), (14, 14)), ((16, 16), (32, 32)), ((14, 14), (16, 16)), ((8, 8), (4, 4)), ((4, 4), (7, 7)), ((16, 16), (16, 24)), ((8, 8), (12, 6))]:
    value = torch.randn(2, 1, *old)
    record("patch", value, resample_patch_embed(value, list(new)))
for channels in (1, 2, 4, 5, 6):
    value = torch.randn(2, 3, 2, 2)
    record("channels", value, adapt_input_conv(channels, value.clone()))
value = torch.randn(2, 12, 2, 2)
record("channels", value, adapt_input_conv(1, value.clone()))
torch.save(made, file)
