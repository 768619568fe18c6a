"""The PyTorch side of scripts/bench_decoding.sh: a plain GPT-2 of 124 M parameters with a cache taken once, decoding greedily.

usage: pytorch_generate.py {fp32,bf16,int8} PROMPT TOKENS      (int8: torch.quantization.quantize_dynamic)
"""
import json
import resource
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

DIM, DEPTH, HEADS, VOCABULARY, CONTEXT = 768, 12, 12, 50257, 1024


class Linear(nn.Linear):
    """For a single fp32 token, PyTorch's product of a matrix and a vector is about twice as fast as its linear layer; not so in bf16."""

    def forward(self, x):
        if x.numel() != self.in_features or x.dtype != torch.float32:
            return super().forward(x)
        vector = x.view(-1)
        result = torch.mv(self.weight, vector) if self.bias is None else torch.addmv(self.bias, self.weight, vector)
        return result.view(*x.shape[:-1], -1)


class Layer(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.c_attn, self.c_proj = linear(DIM, 3 * DIM), linear(DIM, DIM)
        self.fc, self.proj = linear(DIM, 4 * DIM), linear(4 * DIM, DIM)

    def forward(self, x, keys, values, start: int, mask):
        batch, tokens = x.shape[0], x.shape[1]
        q, k, v = self.c_attn(self.ln_1(x)).view(batch, tokens, 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
        end = start + tokens
        keys[:, :, start:end] = k
        values[:, :, start:end] = v
        scores = (q * (DIM // HEADS) ** -0.5) @ keys[:, :, :end].transpose(-2, -1)
        if tokens > 1:
            scores = scores + mask
        mixed = (scores.softmax(-1) @ values[:, :, :end]).transpose(1, 2).reshape(batch, tokens, DIM)
        x = x + self.c_proj(mixed)
        return x + self.proj(F.gelu(self.fc(self.ln_2(x)), approximate="tanh"))


class Gpt2(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(VOCABULARY, DIM), nn.Embedding(CONTEXT, DIM)
        self.layers = nn.ModuleList(Layer(linear) for _ in range(DEPTH))
        self.ln_f = nn.LayerNorm(DIM)
        self.head = linear(DIM, VOCABULARY, bias=False)
        self.head.weight = self.wte.weight

    def forward(self, tokens, caches, start: int):
        count = tokens.shape[1]
        x = self.wte(tokens) + self.wpe.weight[start:start + count]
        mask = torch.full((count, start + count), float("-inf")).triu(1 + start).to(x.dtype) if count > 1 else None
        for layer, (keys, values) in zip(self.layers, caches):
            x = layer(x, keys, values, start, mask)
        return self.head(self.ln_f(x[:, -1]))


def main(dtype, prompt, tokens):
    torch.manual_seed(0)
    net = Gpt2(nn.Linear if dtype == "int8" else Linear).eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.02)
    kind = torch.float32
    if dtype == "bf16":
        kind = torch.bfloat16
        net = net.to(kind)
    elif dtype == "int8":
        net = torch.quantization.quantize_dynamic(net, {nn.Linear}, dtype=torch.qint8)
    caches = [[torch.zeros(1, HEADS, prompt + tokens, DIM // HEADS, dtype=kind) for _ in range(2)] for _ in range(DEPTH)]
    times = []
    with torch.inference_mode():
        start = time.perf_counter()
        logits = net(torch.randint(0, VOCABULARY, (1, prompt)), caches, 0)
        taken_in = time.perf_counter() - start
        for at in range(prompt, prompt + tokens):
            start = time.perf_counter()
            logits = net(logits.argmax(-1, keepdim=True), caches, at)
            times.append(1000 * (time.perf_counter() - start))
    middle = statistics.median(times)
    return {"tokens_per_second": 1000 / middle, "prompt_seconds": taken_in, "median_ms": middle,
            "first_ms": statistics.median(times[:64]), "last_ms": statistics.median(times[-64:]),
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "torch": torch.__version__, "threads": torch.get_num_threads()}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
