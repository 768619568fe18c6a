"""The PyTorch side of scripts/bench_vs_pytorch.sh: the same jobs in plain eager PyTorch, one result as JSON.

usage: pytorch_peer.py op | optimizer NAME | model NAME {forward,train} BATCH SECONDS | data FOLDER SECONDS | text FILE SECONDS
"""
import json
import os
import resource
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

VITS = {  # embed_dim, depth, num_heads
    "vit_tiny_patch16_224": (192, 12, 3),
    "vit_small_patch16_224": (384, 12, 6),
    "vit_base_patch16_224": (768, 12, 12),
}


class SelfAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        batch, tokens, dim = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        weights = ((q * self.scale) @ k.transpose(-2, -1)).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(batch, tokens, dim))


class Layer(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn = SelfAttention(dim, heads)
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Vit(nn.Module):
    def __init__(self, dim, depth, heads):
        super().__init__()
        self.patches = nn.Conv2d(3, dim, 16, 16)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.randn(1, 197, dim) * 0.02)
        self.layers = nn.Sequential(*[Layer(dim, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, 1000)

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        return self.head(self.norm(self.layers(x))[:, 0])


def small_operator():
    a, b = torch.rand(2, 2), torch.rand(2, 2)
    times = []
    with torch.no_grad():
        for _ in range(25):
            start = time.perf_counter()
            for _ in range(20000):
                c = a + b
            times.append((time.perf_counter() - start) / 20000)
    return {"seconds": statistics.median(times[5:])}


def optimizer_step(name):
    torch.manual_seed(0)
    net = Vit(*VITS[name])
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)
    for parameter in net.parameters():
        parameter.grad = torch.randn_like(parameter) * 1e-2
    times, end = [], time.perf_counter() + 5
    while time.perf_counter() < end or len(times) < 8:
        start = time.perf_counter()
        optimizer.step()
        times.append(time.perf_counter() - start)
    return {"seconds": statistics.median(times[3:])}


def model(name, mode, batch, seconds):
    torch.manual_seed(0)
    net = Vit(*VITS[name])
    images, labels = torch.rand(batch, 3, 224, 224), torch.randint(0, 1000, (batch,))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)

    def step():
        if mode == "forward":
            with torch.inference_mode():
                net(images)
            return
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()

    net.train(mode == "train")
    step()
    step()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return {"images_per_second": batch / statistics.median(times)}


def data(folder, seconds):
    """torchvision with Pillow on one thread: files to normalised float batches of 50."""
    from PIL import Image
    from torchvision import transforms

    torch.set_num_threads(1)
    files = sorted(os.path.join(root, name) for root, _, names in os.walk(folder) for name in names
                   if name.lower().endswith((".jpg", ".jpeg", ".png", ".webp")))
    prepare = transforms.Compose([transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
                                  transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])

    def load(path):
        with open(path, "rb") as stream:
            return prepare(Image.open(stream).convert("RGB"))

    rates, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(rates) < 4:
        start = time.perf_counter()
        for i in range(0, len(files), 50):
            torch.stack([load(path) for path in files[i:i + 50]])
        rates.append(len(files) / (time.perf_counter() - start))
    return {"images_per_second": statistics.median(rates[1:])}


class CausalLayer(nn.Module):
    """A block of GPT-2 without biases, as nanoGPT has it on a PyTorch without fused attention."""

    def __init__(self, dim, heads, context):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.ones(dim))
        self.c_attn, self.c_proj = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.fc, self.out = nn.Linear(dim, 4 * dim, bias=False), nn.Linear(4 * dim, dim, bias=False)
        self.act = nn.GELU()
        self.register_buffer("mask", torch.tril(torch.ones(context, context)).view(1, 1, context, context))

    def attend(self, x):
        batch, tokens, dim = x.shape
        q, k, v = (part.view(batch, tokens, self.heads, dim // self.heads).transpose(1, 2) for part in self.c_attn(x).split(dim, dim=2))
        scores = (q @ k.transpose(-2, -1)) * (1.0 / (dim // self.heads) ** 0.5)
        weights = scores.masked_fill(self.mask[:, :, :tokens, :tokens] == 0, float("-inf")).softmax(-1)
        return self.c_proj((weights @ v).transpose(1, 2).contiguous().view(batch, tokens, dim))

    def forward(self, x):
        x = x + self.attend(F.layer_norm(x, x.shape[-1:], self.ln_1))
        return x + self.out(self.act(self.fc(F.layer_norm(x, x.shape[-1:], self.ln_2))))


class CharacterGpt(nn.Module):
    def __init__(self, vocabulary, context, dim, layers, heads):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, dim), nn.Embedding(context, dim)
        self.h = nn.ModuleList([CausalLayer(dim, heads, context) for _ in range(layers)])
        self.ln_f = nn.Parameter(torch.ones(dim))
        self.lm_head = nn.Linear(dim, vocabulary, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, tokens, targets):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for layer in self.h:
            x = layer(x)
        logits = self.lm_head(F.layer_norm(x, x.shape[-1:], self.ln_f))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))


def text(path, seconds):
    """Training steps of nanoGPT's smallest configuration for CPUs: 4 layers, 4 heads, width 128, 12 windows of 64 characters."""
    context, batch = 64, 12
    with open(path, encoding="utf-8") as stream:
        content = stream.read()
    ids = {character: i for i, character in enumerate(sorted(set(content)))}
    tokens = torch.tensor([ids[character] for character in content[:int(len(content) * 0.9)]])
    torch.manual_seed(0)
    net = CharacterGpt(len(ids), context, 128, 4, 4)
    groups = [{"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": 0.1},
              {"params": [p for p in net.parameters() if p.dim() < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 20:
        start = time.perf_counter()
        places = torch.randint(len(tokens) - context, (batch,))
        inputs = torch.stack([tokens[i:i + context] for i in places])
        targets = torch.stack([tokens[i + 1:i + 1 + context] for i in places])
        loss = net(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        times.append(time.perf_counter() - start)
    return {"seconds": statistics.median(times[5:])}


if __name__ == "__main__":
    job = sys.argv[1:]
    if job[0] == "op":
        result = small_operator()
    elif job[0] == "data":
        result = data(job[1], float(job[2]))
    elif job[0] == "text":
        result = text(job[1], float(job[2]))
    elif job[0] == "optimizer":
        result = optimizer_step(job[1])
    else:
        result = model(job[1], job[2], int(job[3]), float(job[4]))
    result["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result["torch"] = torch.__version__
    result["threads"] = torch.get_num_threads()
    print(json.dumps(result))
