"""Writes reference.json: what PyTorch's layers and functions give for the cases of LayerCases.cs, in double precision.

Inputs, weights and the weights of the sums are sines of the element's number, so that both sides make them by themselves.
Run with the Python whose PyTorch is the reference: python3 record.py > reference.json
"""
import json

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def fill(shape, seed):
    count = 1
    for size in shape:
        count *= size
    return (torch.arange(count) * 0.7 + seed).sin().reshape(shape)


cases = {}


def add(name, make, call, *shapes):
    """make gives the module or None; call takes it and the list of inputs of the given shapes."""
    cases[name] = (make, call, shapes)


def no_module():
    return None


def eager(module):
    """Keeps PyTorch's transformer layers on the path that has gradients."""
    module.train()
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        if isinstance(part, nn.MultiheadAttention):
            part.dropout = 0.0
    return module


# --- linear, embedding, normalization ---------------------------------------------------------------
add("linear", lambda: nn.Linear(3, 4), lambda m, x: m(x[0]), (2, 5, 3))
add("linear_no_bias", lambda: nn.Linear(3, 4, bias=False), lambda m, x: m(x[0]), (2, 3))
add("bilinear", lambda: nn.Bilinear(3, 4, 2), lambda m, x: m(x[0], x[1]), (5, 3), (5, 4))
add("identity", lambda: nn.Identity(), lambda m, x: m(x[0]), (2, 3))
add("embedding", lambda: nn.Embedding(5, 3), lambda m, x: m(torch.tensor([[0, 4, 2], [2, 1, 2]])))
add("embedding_padding", lambda: nn.Embedding(5, 3, padding_idx=-3), lambda m, x: m(torch.tensor([[0, 4, 2], [2, 1, 2]])))
for mode in ("sum", "mean", "max"):
    add(f"embedding_bag_{mode}", lambda mode=mode: nn.EmbeddingBag(5, 3, mode=mode),
        lambda m, x: (m(torch.tensor([0, 4, 2, 2, 1]), torch.tensor([0, 2])), m(torch.tensor([[0, 4], [2, 1], [3, 3]]))))
add("layer_norm", lambda: nn.LayerNorm((4, 3)), lambda m, x: m(x[0]), (2, 5, 4, 3))
add("layer_norm_plain", lambda: nn.LayerNorm(3, eps=1e-3, elementwise_affine=False), lambda m, x: m(x[0]), (2, 5, 3))
add("group_norm", lambda: nn.GroupNorm(2, 6), lambda m, x: m(x[0]), (2, 6, 4, 3))
add("batch_norm1d", lambda: nn.BatchNorm1d(3), lambda m, x: (m(x[0]), m.running_mean, m.running_var, m.num_batches_tracked.double()), (4, 3, 5))
add("batch_norm2d", lambda: nn.BatchNorm2d(3, momentum=0.3), lambda m, x: (m(x[0]), m.running_mean, m.running_var), (4, 3, 5, 2))
add("batch_norm2d_eval", lambda: nn.BatchNorm2d(3).eval(), lambda m, x: m(x[0]), (4, 3, 5, 2))
add("batch_norm3d", lambda: nn.BatchNorm3d(2, affine=False, track_running_stats=False), lambda m, x: m(x[0]), (2, 2, 3, 2, 2))
add("instance_norm1d", lambda: nn.InstanceNorm1d(3), lambda m, x: (m(x[0]), m(x[1])), (2, 3, 5), (3, 5))
add("instance_norm2d", lambda: nn.InstanceNorm2d(3, affine=True, track_running_stats=True), lambda m, x: (m(x[0]), m.running_mean, m.running_var), (2, 3, 5, 4))
add("instance_norm3d", lambda: nn.InstanceNorm3d(2), lambda m, x: m(x[0]), (2, 2, 3, 2, 2))
add("local_response_norm", lambda: nn.LocalResponseNorm(3, alpha=0.1), lambda m, x: (m(x[0]), m(x[1]), m(x[2])), (2, 5, 4, 3), (2, 5, 4), (2, 5, 2, 2, 3))
add("normalize", no_module, lambda m, x: (F.normalize(x[0]), F.normalize(x[0], p=1, dim=-1)), (4, 3))

# --- convolution ------------------------------------------------------------------------------------
add("conv1d", lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), lambda m, x: (m(x[0]), m(x[1])), (2, 4, 9), (4, 9))
add("conv1d_circular", lambda: nn.Conv1d(2, 3, 3, padding=1, padding_mode="circular"), lambda m, x: m(x[0]), (2, 2, 9))
add("conv2d", lambda: nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)), lambda m, x: m(x[0]), (2, 3, 7, 8))
add("conv2d_patch", lambda: nn.Conv2d(3, 5, 4, stride=4), lambda m, x: m(x[0]), (2, 3, 8, 8))
add("conv2d_depthwise", lambda: nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False), lambda m, x: m(x[0]), (2, 4, 5, 6))
add("conv2d_same", lambda: nn.Conv2d(2, 3, (4, 3), padding="same", dilation=(1, 2)), lambda m, x: m(x[0]), (2, 2, 7, 8))
add("conv2d_reflect_same", lambda: nn.Conv2d(2, 3, (4, 3), padding="same", padding_mode="reflect"), lambda m, x: m(x[0]), (2, 2, 7, 8))
add("conv2d_replicate", lambda: nn.Conv2d(2, 3, 3, padding=(2, 1), padding_mode="replicate"), lambda m, x: m(x[0]), (2, 2, 5, 6))
add("conv3d", lambda: nn.Conv3d(2, 3, (2, 3, 3), padding=(0, 1, 1)), lambda m, x: m(x[0]), (1, 2, 4, 5, 3))
add("conv_transpose1d", lambda: nn.ConvTranspose1d(3, 4, 3, stride=2, padding=1), lambda m, x: (m(x[0]), m(x[0], output_size=[10])), (2, 3, 5))
add("conv_transpose2d", lambda: nn.ConvTranspose2d(4, 6, (3, 2), stride=2, padding=(1, 0), output_padding=1, groups=2, dilation=(1, 2)), lambda m, x: m(x[0]), (2, 4, 3, 4))
add("conv_transpose3d", lambda: nn.ConvTranspose3d(2, 3, 2, stride=2), lambda m, x: m(x[0]), (1, 2, 2, 3, 2))

# --- activations ------------------------------------------------------------------------------------
for name, make in {
    "celu": lambda: nn.CELU(0.7), "elu": lambda: nn.ELU(0.7), "gelu": lambda: nn.GELU(), "gelu_tanh": lambda: nn.GELU("tanh"),
    "glu": lambda: nn.GLU(1), "hardshrink": lambda: nn.Hardshrink(0.3), "hardsigmoid": lambda: nn.Hardsigmoid(),
    "hardswish": lambda: nn.Hardswish(), "hardtanh": lambda: nn.Hardtanh(-0.4, 0.6), "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "log_sigmoid": lambda: nn.LogSigmoid(), "log_softmax": lambda: nn.LogSoftmax(1), "mish": lambda: nn.Mish(), "prelu": lambda: nn.PReLU(6),
    "relu": lambda: nn.ReLU(), "relu6": lambda: nn.ReLU6(), "rrelu_eval": lambda: nn.RReLU().eval(), "selu": lambda: nn.SELU(), "silu": lambda: nn.SiLU(),
    "sigmoid": lambda: nn.Sigmoid(), "softmax": lambda: nn.Softmax(1), "softmax2d": lambda: nn.Softmax2d(), "softmin": lambda: nn.Softmin(1),
    "softplus": lambda: nn.Softplus(2.0, 3.0), "softshrink": lambda: nn.Softshrink(0.3), "softsign": lambda: nn.Softsign(),
    "tanh": lambda: nn.Tanh(), "tanhshrink": lambda: nn.Tanhshrink(), "threshold": lambda: nn.Threshold(0.1, -2.0),
}.items():
    add(name, make, lambda m, x: m(x[0] * 3), (2, 6, 3, 4))

# --- pooling and padding ----------------------------------------------------------------------------
add("avg_pool", no_module, lambda m, x: (
    nn.AvgPool1d(3, 2, 1, ceil_mode=True)(x[0]), nn.AvgPool2d((3, 2), (2, 1), (1, 1), count_include_pad=False)(x[1]),
    nn.AvgPool2d(2, divisor_override=3)(x[1]), nn.AvgPool3d(2)(x[2])), (2, 3, 8), (2, 3, 6, 5), (2, 2, 4, 4, 2))
add("max_pool", no_module, lambda m, x: (
    nn.MaxPool1d(3, 2, 1)(x[0]), nn.MaxPool2d((3, 2), (2, 1), (1, 0), (1, 2))(x[1]), nn.MaxPool2d(2, ceil_mode=True)(x[1]), nn.MaxPool3d(2)(x[2]),
    F.max_pool2d(x[1], 2, return_indices=True)[1].double()), (2, 3, 8), (2, 3, 6, 5), (2, 2, 4, 4, 2))
add("adaptive_pool", no_module, lambda m, x: (
    nn.AdaptiveAvgPool1d(3)(x[0]), nn.AdaptiveAvgPool2d((2, 3))(x[1]), nn.AdaptiveAvgPool2d(1)(x[1]), nn.AdaptiveAvgPool3d(2)(x[2]),
    nn.AdaptiveMaxPool1d(3)(x[0]), nn.AdaptiveMaxPool2d((2, 3))(x[1]), nn.AdaptiveMaxPool3d((2, 2, 1))(x[2])), (2, 3, 8), (2, 3, 6, 5), (2, 2, 4, 4, 2))
add("lp_pool", no_module, lambda m, x: (nn.LPPool1d(2, 3, 2)(x[0] + 2), nn.LPPool2d(3, (2, 3))(x[1] + 2)), (2, 3, 8), (2, 3, 6, 5))


def unpool(x):
    y1, i1 = F.max_pool1d(x[0], 2, return_indices=True)
    y2, i2 = F.max_pool2d(x[1], 2, return_indices=True)
    y3, i3 = F.max_pool3d(x[2], 2, return_indices=True)
    return F.max_unpool1d(y1, i1, 2), F.max_unpool2d(y2, i2, 2, output_size=(6, 5)), F.max_unpool3d(y3, i3, 2)


add("max_unpool", no_module, lambda m, x: unpool(x), (2, 3, 8), (2, 3, 6, 5), (2, 2, 4, 4, 2))
add("padding", no_module, lambda m, x: (
    nn.ConstantPad1d((1, 2), 0.5)(x[0]), nn.ConstantPad2d(1, 0.5)(x[1]), nn.ZeroPad2d((1, 2, 0, 1))(x[1]), nn.ConstantPad3d(1, 0.5)(x[2]),
    nn.ReflectionPad1d(2)(x[0]), nn.ReflectionPad2d((1, 2, 0, 1))(x[1]), nn.ReflectionPad3d(1)(x[2]),
    nn.ReplicationPad1d(2)(x[0]), nn.ReplicationPad2d((1, 2, 0, 1))(x[1]), nn.ReplicationPad3d(1)(x[2]),
    F.pad(x[1], (1, 2, 3, 0), mode="circular"), F.pad(x[1], (-1, 2))), (2, 3, 5), (2, 3, 4, 5), (1, 2, 3, 4, 2))

# --- shapes and sampling ----------------------------------------------------------------------------
add("shapes", no_module, lambda m, x: (
    nn.Flatten()(x[0]), nn.Flatten(2)(x[0]), nn.Unflatten(1, (2, 4))(x[0]), nn.Unfold((2, 3), dilation=(1, 1), padding=(1, 0), stride=(2, 1))(x[0]),
    nn.Unfold(2)(x[0]), nn.Fold((4, 5), (2, 2))(nn.Unfold(2)(x[0])), nn.PixelShuffle(2)(x[0]), nn.PixelUnshuffle(2)(x[1]), nn.ChannelShuffle(2)(x[0].detach())),
    (2, 8, 4, 5), (2, 3, 4, 6))
add("interpolate", no_module, lambda m, x: (
    F.interpolate(x[0], 7), F.interpolate(x[0], scale_factor=1.7, mode="linear"), F.interpolate(x[1], (7, 3)), F.interpolate(x[1], scale_factor=(1.6, 2.5), mode="nearest-exact"),
    F.interpolate(x[1], (7, 3), mode="bilinear"), F.interpolate(x[1], scale_factor=1.6, mode="bilinear", align_corners=True),
    F.interpolate(x[1], scale_factor=1.7, mode="bilinear", recompute_scale_factor=True), F.interpolate(x[1], (7, 3), mode="bicubic"),
    F.interpolate(x[1], (2, 3), mode="bilinear", antialias=True), F.interpolate(x[1], (2, 3), mode="bicubic", antialias=True),
    F.interpolate(x[1], (2, 3), mode="area"), F.interpolate(x[2], 5, mode="trilinear", align_corners=True), F.interpolate(x[2], scale_factor=2)),
    (2, 3, 5), (2, 3, 4, 5), (1, 2, 3, 4, 2))
add("upsample", no_module, lambda m, x: (
    nn.Upsample(scale_factor=2)(x[0]), nn.Upsample((7, 3), mode="bilinear", align_corners=False)(x[0]), nn.Upsample(scale_factor=2, mode="bicubic", align_corners=True)(x[0])), (2, 3, 4, 5))
add("grid_sample", no_module, lambda m, x: (
    F.grid_sample(x[0], x[1], align_corners=False), F.grid_sample(x[0], x[1], padding_mode="border", align_corners=True),
    F.grid_sample(x[0], x[1], mode="nearest", padding_mode="reflection", align_corners=False), F.affine_grid(x[2], [2, 3, 4, 5], align_corners=False)),
    (2, 3, 4, 5), (2, 3, 3, 2), (2, 2, 3))
add("distance", no_module, lambda m, x: (nn.CosineSimilarity()(x[0], x[1]), nn.PairwiseDistance(keepdim=True)(x[0], x[1]), nn.PairwiseDistance(1.0)(x[0], x[1])), (4, 3), (4, 3))
add("one_hot", no_module, lambda m, x: (F.one_hot(torch.tensor([0, 3, 1])).double(), F.one_hot(torch.tensor([[0, 3], [1, 1]]), 5).double()))

# --- attention --------------------------------------------------------------------------------------
def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else scores + mask
    return scores.softmax(-1) @ v


visible = torch.tensor([[1, 1, 0, 1], [0, 1, 1, 0], [1, 0, 0, 1]], dtype=torch.bool)
add("attention", no_module, lambda m, x: (
    attention(x[0], x[1], x[2]), attention(x[0], x[1], x[2], visible), attention(x[0], x[1], x[2], x[3]),
    attention(x[0], x[1], x[2], torch.ones(3, 4, dtype=torch.bool).tril())), (2, 2, 3, 5), (2, 2, 4, 5), (2, 2, 4, 6), (2, 1, 3, 4))
padding = torch.tensor([[False, False, True, False], [False, True, False, False]])
add("multihead_attention", lambda: nn.MultiheadAttention(6, 2), lambda m, x: (
    *m(x[0], x[1], x[2]), m(x[0], x[0], x[0], need_weights=False)[0], *m(x[0], x[1], x[2], key_padding_mask=padding, attn_mask=~visible),
    m(x[0], x[1], x[2], key_padding_mask=padding, need_weights=False)[0], *m(x[0], x[1], x[2], attn_mask=x[3])), (3, 2, 6), (4, 2, 6), (4, 2, 6), (4, 3, 4))
add("multihead_attention_all", lambda: nn.MultiheadAttention(6, 2, add_bias_kv=True, add_zero_attn=True, kdim=5, vdim=3), lambda m, x: m(x[0], x[1], x[2], key_padding_mask=padding), (3, 2, 6), (4, 2, 5), (4, 2, 3))
square = torch.tensor([[False, True, True], [False, False, True], [False, False, False]])
short = torch.tensor([[False, False, True], [False, False, False]])
add("transformer_encoder_layer", lambda: eager(nn.TransformerEncoderLayer(6, 2, 8, activation="gelu")), lambda m, x: (m(x[0]), m(x[0], square), m(x[0], square, short)), (3, 2, 6))
add("transformer_decoder_layer", lambda: eager(nn.TransformerDecoderLayer(6, 2, 8)), lambda m, x: (m(x[0], x[1]), m(x[0], x[1], square, tgt_key_padding_mask=short, memory_key_padding_mask=padding)), (3, 2, 6), (4, 2, 6))
add("transformer", lambda: eager(nn.Transformer(6, 2, 2, 1, 8)), lambda m, x: (m(x[0], x[1]), m(x[0], x[1], tgt_mask=square, src_key_padding_mask=padding, memory_key_padding_mask=padding)), (4, 2, 6), (3, 2, 6))

# --- recurrent --------------------------------------------------------------------------------------
def flat(result):
    output, state = result
    return (output, *state) if isinstance(state, tuple) else (output, state)


lengths = torch.tensor([2, 4, 3])


def packed(m, x):
    sequence = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
    output, *state = flat(m(sequence))
    return (*nn.utils.rnn.pad_packed_sequence(output), *state)


for name, make in {
    "rnn": lambda: nn.RNN(3, 4), "rnn_relu": lambda: nn.RNN(3, 4, nonlinearity="relu", bias=False, bidirectional=True),
    "lstm": lambda: nn.LSTM(3, 4), "lstm_deep": lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True),
    "gru": lambda: nn.GRU(3, 4), "gru_deep": lambda: nn.GRU(3, 4, num_layers=2, bidirectional=True),
}.items():
    add(name, make, lambda m, x: (*flat(m(x[0])), *(t if t.is_floating_point() else t.double() for t in packed(m, x[0]))), (4, 3, 3))
add("lstm_start", lambda: nn.LSTM(3, 4, batch_first=True), lambda m, x: flat(m(x[0], (x[1], x[2]))), (2, 5, 3), (1, 2, 4), (1, 2, 4))
add("gru_single", lambda: nn.GRU(3, 4), lambda m, x: flat(m(x[0], x[1])), (5, 3), (1, 4))
add("rnn_cell", lambda: nn.RNNCell(3, 4), lambda m, x: (m(x[0]), m(x[0], x[1])), (2, 3), (2, 4))
add("gru_cell", lambda: nn.GRUCell(3, 4), lambda m, x: (m(x[0]), m(x[0], x[1])), (2, 3), (2, 4))
add("lstm_cell", lambda: nn.LSTMCell(3, 4), lambda m, x: (*m(x[0]), *m(x[0], (x[1], x[1]))), (2, 3), (2, 4))

# --- losses -----------------------------------------------------------------------------------------
def reductions(make, *args):
    return tuple(make(reduction)(*args) for reduction in ("none", "mean", "sum"))


classes = torch.tensor([2, 0, 1, 2])
weight = torch.tensor([0.5, 1.0, 2.0])
signs = torch.tensor([1.0, -1.0, -1.0, 1.0])
bits = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
several = torch.tensor([[2, 0, -1], [1, -1, 0], [0, 1, 2], [-1, 0, 1]])
add("cross_entropy", no_module, lambda m, x: (
    *reductions(lambda r: nn.CrossEntropyLoss(reduction=r), x[0], classes), *reductions(lambda r: nn.CrossEntropyLoss(weight, ignore_index=1, reduction=r), x[0], classes),
    F.cross_entropy(x[0], classes, label_smoothing=0.1), F.cross_entropy(x[0], x[1].softmax(1)), nn.CrossEntropyLoss(label_smoothing=0.2)(x[0], x[1].softmax(1))), (4, 3), (4, 3))
add("nll_loss", no_module, lambda m, x: (*reductions(lambda r: nn.NLLLoss(weight, reduction=r), x[0].log_softmax(1), classes), F.nll_loss(x[1].log_softmax(1), torch.tensor([[0, 2], [1, 1]]))), (4, 3), (2, 3, 2))
add("bce", no_module, lambda m, x: (
    *reductions(lambda r: nn.BCELoss(reduction=r), x[0].sigmoid(), bits), *reductions(lambda r: nn.BCEWithLogitsLoss(reduction=r), x[0], bits),
    nn.BCELoss(weight)(x[0].sigmoid(), bits), nn.BCEWithLogitsLoss(weight, pos_weight=weight + 1)(x[0], bits)), (4, 3))
add("regression", no_module, lambda m, x: (
    *reductions(lambda r: nn.MSELoss(reduction=r), x[0], x[1]), *reductions(lambda r: nn.L1Loss(reduction=r), x[0], x[1]),
    *reductions(lambda r: nn.SmoothL1Loss(reduction=r, beta=0.4), x[0], x[1]), *reductions(lambda r: nn.HuberLoss(r, delta=0.4), x[0], x[1])), (4, 3), (4, 3))
add("divergence", no_module, lambda m, x: (
    *reductions(lambda r: nn.KLDivLoss(reduction=r, log_target=True), x[0].log_softmax(1), x[1].log_softmax(1)), F.kl_div(x[0].log_softmax(1), x[1].softmax(1), log_target=False),
    *reductions(lambda r: nn.PoissonNLLLoss(reduction=r), x[0], x[1].abs()), nn.PoissonNLLLoss(log_input=False, full=True)(x[0].abs() + 1, x[1].abs() * 3),
    *reductions(lambda r: nn.GaussianNLLLoss(reduction=r, eps=0.25), x[0], x[1], x[1].square()), nn.GaussianNLLLoss(full=True)(x[0], x[1], x[1].square()[:, :1])), (4, 3), (4, 3))
add("margin", no_module, lambda m, x: (
    *reductions(lambda r: nn.CosineEmbeddingLoss(0.2, reduction=r), x[0], x[1], signs), *reductions(lambda r: nn.HingeEmbeddingLoss(0.5, reduction=r), x[0][:, 0], signs),
    *reductions(lambda r: nn.MarginRankingLoss(0.2, reduction=r), x[0][:, 0], x[1][:, 0], signs), *reductions(lambda r: nn.SoftMarginLoss(reduction=r), x[0][:, 0], signs),
    *reductions(lambda r: nn.MultiLabelMarginLoss(reduction=r), x[0], several), *reductions(lambda r: nn.MultiLabelSoftMarginLoss(weight, reduction=r), x[0], bits),
    *reductions(lambda r: nn.MultiMarginLoss(2, 0.7, weight, reduction=r), x[0], classes)), (4, 3), (4, 3))
add("triplet", no_module, lambda m, x: (
    *reductions(lambda r: nn.TripletMarginLoss(reduction=r, swap=True), x[0], x[1], x[2]), *reductions(lambda r: nn.TripletMarginWithDistanceLoss(reduction=r), x[0], x[1], x[2]),
    nn.TripletMarginWithDistanceLoss(distance_function=lambda a, b: (a - b).abs().sum(-1), margin=0.5, swap=True)(x[0], x[1], x[2])), (4, 3), (4, 3), (4, 3))
add("ctc", no_module, lambda m, x: reductions(lambda r: nn.CTCLoss(reduction=r), x[0].log_softmax(2), torch.tensor([[1, 2, 2], [3, 1, 0]]), torch.tensor([6, 5]), torch.tensor([3, 2])), (6, 2, 4))


def checksum(tensor, seed):
    return float((tensor.detach() * fill(tensor.shape, seed)).sum())


def record(make, call, shapes):
    module = make()
    parameters = dict(sorted(module.named_parameters())) if module is not None else {}
    with torch.no_grad():
        for i, parameter in enumerate(parameters.values()):
            parameter.copy_(fill(parameter.shape, 1 + i))
    inputs = [fill(shape, 10 + i).requires_grad_() for i, shape in enumerate(shapes)]
    result = call(module, inputs)
    outputs = result if isinstance(result, tuple) else (result,)
    # Weights of the sum that are fixed numbers make every output matter.
    loss = sum((y * fill(y.shape, 100 + i)).sum() for i, y in enumerate(outputs) if y.requires_grad)
    if isinstance(loss, torch.Tensor):
        loss.backward()
    return {
        "outputs": [{"shape": list(y.shape), "first": [float(v) for v in y.detach().flatten()[:3]], "sum": checksum(y, 200)} for y in outputs],
        "inputs": [None if x.grad is None else checksum(x.grad, 300) for x in inputs],
        "parameters": {name: {"shape": list(p.shape), "sum": None if p.grad is None else checksum(p.grad, 300)} for name, p in parameters.items()},
        "state": list(module.state_dict()) if module is not None else [],
    }


if __name__ == "__main__":
    lines = [f"  {json.dumps(name)}: {json.dumps(record(*case))}" for name, case in cases.items()]
    print("{\n" + ",\n".join(lines) + "\n}")
