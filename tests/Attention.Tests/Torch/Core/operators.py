#!/usr/bin/python3
"""Writes operators.json: what PyTorch gives for the expressions below, on inputs that OperatorTests.cs makes too.

Run with a Python that has PyTorch: python3 operators.py
"""
import json
import pathlib

import torch
import torch.nn.functional as F  # noqa: F401 (for expressions)


def ramp(shape, step, offset, dtype=torch.float32, modulus=17):
    count = 1
    for size in shape:
        count *= size
    return torch.tensor([((i * step + offset) % modulus - modulus // 2) / 4 for i in range(count)], dtype=dtype).reshape(shape)


def whole(shape, step, offset, modulus):
    count = 1
    for size in shape:
        count *= size
    return torch.tensor([(i * step + offset) % modulus for i in range(count)]).reshape(shape)


a, b = ramp([2, 3], 5, 1), ramp([2, 3], 7, 4)
c, d = ramp([3, 4], 5, 2), ramp([4, 2], 3, 5)
v, w = ramp([4], 5, 3), ramp([4], 7, 1)
p = (ramp([2, 3], 5, 1) + 2.25) / 4.5
cube, other = ramp([2, 3, 4], 5, 1), ramp([2, 4, 3], 3, 2)
spd = ramp([3, 3], 5, 1) @ ramp([3, 3], 5, 1).T + 3 * torch.eye(3)
square = ramp([3, 3], 5, 4) + 3 * torch.eye(3)
n, k = whole([2, 3], 5, 1, 7), whole([2, 3], 3, 2, 5) + 1
index, mask = torch.tensor([[0, 2, 1], [1, 0, 2]]), ramp([2, 3], 5, 1) > 0
picture = ramp([1, 2, 4, 4], 5, 3)
z = torch.complex(ramp([2, 3], 5, 1), ramp([2, 3], 7, 2))
signal = ramp([16], 5, 3)
holes = torch.tensor([1.0, float("nan"), -2.0, float("inf"), 0.5, float("-inf")])
steps = torch.tensor([-1.5, -0.5, 0.0, 0.75, 1.5])

rows, pair, column = torch.tensor([2, 0]), torch.tensor([0, 1]), torch.tensor([[0], [1]])
plane = ramp([3, 4], 5, 2) > 0


class Key:
    """Key()[...] is the key that x[...] would take."""

    def __getitem__(self, key):
        return key


I = Key()  # noqa: E741


def put(tensor, key, value):
    changed = tensor.clone()
    changed[key] = value
    return changed


def put_add(tensor, key, value):
    return tensor.clone().index_put_(key, value, accumulate=True)


EXPRESSIONS = """
abs                  a.abs()
acos                 p.acos()
acosh                (p + 1).acosh()
asin                 p.asin()
asinh                a.asinh()
atan                 a.atan()
atan2                a.atan2(b)
atanh                (p * 0.9).atanh()
ceil                 a.ceil()
cos                  a.cos()
cosh                 a.cosh()
deg2rad              a.deg2rad()
digamma              (p + 0.5).digamma()
erf                  a.erf()
erfc                 a.erfc()
erfinv               (p * 0.9).erfinv()
exp                  a.exp()
exp2                 a.exp2()
expm1                a.expm1()
floor                a.floor()
frac                 a.frac()
i0                   a.i0()
lgamma               (p + 0.5).lgamma()
log                  (p + 0.1).log()
log10                (p + 0.1).log10()
log1p                p.log1p()
log2                 (p + 0.1).log2()
logit                p.logit(1e-3)
neg                  -a
rad2deg              a.rad2deg()
reciprocal           (a + 0.1).reciprocal()
round                a.round()
round_decimals       (a / 3).round(decimals=2)
round_integers       n.round()
rsqrt                (p + 0.1).rsqrt()
sgn                  a.sgn()
sigmoid              a.sigmoid()
sign                 a.sign()
sin                  a.sin()
sinc                 a.sinc()
sinh                 a.sinh()
sqrt                 p.sqrt()
square               a.square()
tan                  a.tan()
tanh                 a.tanh()
trunc                a.trunc()
polygamma            torch.polygamma(1, p + 0.5)
mvlgamma             (p + 2).mvlgamma(2)
nan_to_num           holes.nan_to_num(0.25, 9, -9)
frexp_mantissa       torch.frexp(a)[0]
frexp_exponent       torch.frexp(a)[1]
signbit              a.signbit()
isnan                holes.isnan()
isinf                holes.isinf()
isfinite             holes.isfinite()
relu                 a.relu()
relu6                F.relu6(a * 4)
gelu                 F.gelu(a)
selu                 F.selu(a)
celu                 F.celu(a, 1.5)
elu                  F.elu(a, 0.5)
silu                 F.silu(a)
hardtanh             F.hardtanh(a, -0.5, 0.75)
hardsigmoid          F.hardsigmoid(a)
hardswish            F.hardswish(a)
leaky_relu           F.leaky_relu(a, 0.1)
log_sigmoid          F.logsigmoid(a)
softplus             F.softplus(a, 2, 1)
threshold            F.threshold(a, 0.5, -3)
softmax              a.softmax(1)
softmax_double       a.softmax(0, torch.float64)
log_softmax          a.log_softmax(0)
glu                  F.glu(c.T, 0)
add                  a + b
add_alpha            torch.add(a, b, alpha=2.5)
add_scalar           a + 1.5
add_scalar_alpha     torch.add(a, 2, alpha=3)
sub                  a - b
sub_from             3 - a
mul                  a * b
mul_scalar           2 * a
div                  a / b.add(0.1)
div_from             2 / (a + 0.1)
div_floor            torch.div(a, b + 0.1, rounding_mode="floor")
div_trunc            torch.div(a, b + 0.1, rounding_mode="trunc")
div_integers         n / k
floor_divide         n // k
remainder            a % 0.75
remainder_integers   (n - 3) % k
fmod                 a.fmod(0.75)
pow                  p.pow(b)
pow_scalar           a.pow(3)
float_power          n.float_power(k)
maximum              a.maximum(b)
minimum              a.minimum(b)
fmax                 a.fmax(b)
max_other            torch.max(a, b)
min_other            torch.min(a, b)
hypot                a.hypot(b)
copysign             a.copysign(b)
heaviside            a.heaviside(torch.tensor(0.5))
ldexp                a.ldexp(k)
logaddexp            a.logaddexp(b)
logaddexp2           a.logaddexp2(b)
nextafter            a.nextafter(b)
xlogy                p.xlogy(p + 1)
lerp                 a.lerp(b, p)
addcmul              torch.addcmul(a, b, p, value=0.5)
addcdiv              torch.addcdiv(a, b, p + 1, value=0.5)
clamp                a.clamp(-0.5, 1)
clamp_min            a.clamp(min=0.25)
clamp_tensor         a.clamp(b - 0.5, b + 0.5)
clip                 a.clip(-1, 0.5)
where                torch.where(mask, a, b)
where_indices        torch.stack(torch.where(mask))
gcd                  n.gcd(k)
lcm                  n.lcm(k)
igamma               torch.igamma(p + 1, p)
bitwise_and          n & k
bitwise_or           n | k
bitwise_xor          n ^ k
bitwise_not          ~n
left_shift           n << k
right_shift          n >> k
eq                   n == k
ne                   n != k
lt                   a < b
le                   a <= 0.25
gt                   a > b
ge                   0.25 >= a
logical_and          mask.logical_and(n > 2)
logical_not          n.logical_not()
logical_xor          mask.logical_xor(n > 2)
isclose              a.isclose(a + 1e-6)
isin                 torch.isin(n, torch.tensor([1, 4]))
sum                  cube.sum()
sum_dim              cube.sum(1)
sum_dims             cube.sum([0, 2], keepdim=True)
sum_integers         n.sum()
sum_type             n.sum(0, dtype=torch.float32)
nansum               holes[:3].nansum()
mean                 cube.mean()
mean_dims            cube.mean([1, 2])
median               a.median()
mode                 n.mode(1)[0]
prod                 a.prod()
prod_dim             a.prod(1, keepdim=True)
std                  cube.std()
std_dim              cube.std(1, unbiased=False)
std_dims             cube.std((0, 2), keepdim=True)
var                  cube.var()
var_dim              cube.var(2, unbiased=False)
var_dims             cube.var((0, 1))
var_mean             torch.stack(torch.var_mean(cube, 1))
std_mean             torch.stack(torch.std_mean(cube, (0, 1), keepdim=True))
max                  a.max()
max_dim              a.max(1)[0]
max_indices          a.max(1, keepdim=True)[1]
min_dim              a.min(0)[0]
amax                 cube.amax((0, 2))
amin                 cube.amin(1, keepdim=True)
aminmax              torch.stack(torch.aminmax(a, dim=1))
argmax               a.argmax()
argmax_dim           a.argmax(1)
argmin_dim           a.argmin(0, keepdim=True)
all                  mask.all()
all_dim              mask.all(1)
any_dim              mask.any(0)
count_nonzero        n.count_nonzero()
count_nonzero_dim    n.count_nonzero(1)
logsumexp            a.logsumexp(1)
norm                 a.norm()
norm_p               a.norm(1)
norm_dim             a.norm(3, 1)
dist                 a.dist(b, 3)
quantile             a.quantile(torch.tensor([0.25, 0.5]), 1)
cumsum               a.cumsum(1)
cumprod              a.cumprod(0)
cummax               torch.stack(a.cummax(1)[:1])
cummin_indices       a.cummin(1)[1]
logcumsumexp         a.logcumsumexp(1)
diff                 a.diff(dim=1)
trapezoid            torch.trapezoid(a, dx=0.5)
cumulative_trapezoid torch.cumulative_trapezoid(a, dim=0)
histc                v.histc(4, -2, 2)
histogram            torch.histogram(v, 4, range=(-2.0, 2.0))[0]
histogram_edges      torch.histogram(v, 4)[1]
bincount             n.flatten().bincount(minlength=9)
bincount_weights     n.flatten().bincount(p.flatten())
unique               n.unique()
unique_counts        n.unique(return_counts=True)[1]
unique_inverse       n.unique(return_inverse=True)[1]
unique_consecutive   torch.tensor([1, 1, 2, 2, 1]).unique_consecutive()
sort                 a.sort(1)[0]
sort_indices         a.sort(0, descending=True)[1]
argsort              a.argsort(1)
msort                a.msort()
topk                 a.topk(2, 1)[0]
topk_smallest        a.topk(2, 1, largest=False)[1]
kthvalue             a.kthvalue(2, 1)[0]
searchsorted         torch.searchsorted(steps, a)
searchsorted_right   torch.searchsorted(steps, a, right=True)
bucketize            torch.bucketize(a, steps)
matmul               a @ c
mm                   a.mm(c)
mv                   c.mv(v)
dot                  v.dot(w)
bmm                  cube.bmm(other)
outer                v.outer(w)
inner                a.inner(b)
addmm                torch.addmm(ramp([2, 4], 3, 1), a, c, beta=0.5, alpha=2)
addmv                torch.addmv(ramp([3], 3, 1), c, v)
addbmm               torch.addbmm(ramp([3, 3], 3, 1), cube, other)
baddbmm              torch.baddbmm(ramp([2, 3, 3], 3, 1), cube, other, beta=2, alpha=0.5)
addr                 torch.addr(ramp([4, 4], 3, 1), v, w)
einsum               torch.einsum("bij,bjk->bik", cube, other)
einsum_sum           torch.einsum("ij,ij->", a, b)
tensordot            torch.tensordot(cube, other, dims=([1, 2], [2, 1]))
tensordot_count      torch.tensordot(a, c, 1)
kron                 a.kron(b[:, :2])
cross                torch.linalg.cross(a, b)
cdist                torch.cdist(a, b)
cdist_one            torch.cdist(a, b, 1)
chain_matmul         torch.chain_matmul(a, c, d)
trace                spd.trace()
det                  spd.det()
logdet               spd.logdet()
inverse              spd.inverse()
pinverse             c.pinverse()
matrix_power         square.matrix_power(3)
matrix_exp           (square / 4).matrix_exp()
cholesky             torch.linalg.cholesky(spd)
cholesky_inverse     torch.cholesky_inverse(torch.linalg.cholesky(spd))
cholesky_solve       torch.cholesky_solve(a.T, torch.linalg.cholesky(spd))
solve                torch.linalg.solve(spd, a.T)
solve_triangular     torch.linalg.solve_triangular(spd.triu(), a.T, upper=True)
lstsq                torch.linalg.lstsq(c.T, v[:, None])[0]
qr_r                 torch.linalg.qr(c)[1].abs()
svdvals              torch.linalg.svdvals(c)
eigvalsh             torch.linalg.eigvalsh(spd)
eigh                 torch.linalg.eigh(spd)[0]
slogdet              torch.stack(torch.linalg.slogdet(spd))
matrix_norm          torch.linalg.matrix_norm(c)
matrix_norm_two      torch.linalg.matrix_norm(c, 2)
matrix_norm_nuclear  torch.linalg.matrix_norm(c, "nuc")
vector_norm          torch.linalg.vector_norm(cube, 3, (0, 1))
linalg_norm          torch.linalg.norm(c, float("inf"))
cond                 torch.linalg.cond(spd)
matrix_rank          torch.linalg.matrix_rank(spd)
multi_dot            torch.linalg.multi_dot([a, c, d])
vecdot               torch.linalg.vecdot(a, b)
vander               torch.linalg.vander(v, N=3)
vander_torch         torch.vander(v)
lu                   torch.linalg.lu(square)[2]
lu_solve             torch.linalg.lu_solve(*torch.linalg.lu_factor(square), a.T)
householder          torch.linalg.householder_product(*torch.geqrf(c.T)).abs()
reshape              cube.reshape(4, -1)
view                 cube.view(2, 12)
flatten              cube.flatten(1)
unflatten            cube.unflatten(2, (2, 2))
squeeze              cube[:1, :, :1].squeeze()
squeeze_dim          cube[:1].squeeze(0)
unsqueeze            a.unsqueeze(1)
transpose            cube.transpose(0, 2)
permute              cube.permute(2, 0, 1)
movedim              cube.movedim(0, -1)
T                    a.T
mT                   cube.mT
swapaxes             cube.swapaxes(0, 1)
expand               v.expand(2, 4)
repeat               a.repeat(2, 1, 2)
repeat_interleave    a.repeat_interleave(2, 1)
repeat_counts        a.repeat_interleave(torch.tensor([2, 1]), 0)
tile                 a.tile(2, 2)
flip                 cube.flip(0, 2)
fliplr               a.fliplr()
flipud               a.flipud()
rot90                a.rot90()
roll                 a.roll(1)
roll_dims            a.roll((1, 1), (0, 1))
cat                  torch.cat([a, b], 1)
stack                torch.stack([a, b], 1)
hstack               torch.hstack([a, b])
vstack               torch.vstack([a, b])
dstack               torch.dstack([a, b])
column_stack         torch.column_stack([v, w])
block_diag           torch.block_diag(a, v)
cartesian_prod       torch.cartesian_prod(v, w[:2])
combinations         torch.combinations(v, 2)
meshgrid             torch.meshgrid(v, w[:2], indexing="xy")[0]
chunk                cube.chunk(3, 2)[1]
split                cube.split(3, 2)[0]
split_sizes          cube.split([1, 3], 2)[1]
tensor_split         cube.tensor_split(3, 2)[2]
hsplit               cube.hsplit(3)[1]
vsplit               cube.vsplit([1])[1]
dsplit               cube.dsplit(2)[1]
unbind               cube.unbind(1)[2]
narrow               cube.narrow(2, 1, 2)
select               cube.select(1, 2)
unfold               signal.unfold(0, 4, 6)
diag                 v.diag(1)
diagonal             square.diagonal(-1)
diag_embed           a.diag_embed()
diagflat             v.diagflat()
tril                 square.tril(-1)
triu                 square.triu(1)
tril_indices         torch.tril_indices(3, 3, 1)
atleast_3d           torch.atleast_3d(v)
broadcast_to         v.broadcast_to(3, 4)
broadcast_tensors    torch.broadcast_tensors(a[:, :1], a[:1])[0]
as_strided           signal.as_strided((3, 2), (2, 5), 1)
ravel                a.T.ravel()
gather               a.gather(1, index)
scatter              a.scatter(1, index, b)
scatter_add          a.scatter_add(1, index, b)
index_select         a.index_select(1, torch.tensor([2, 0]))
index_add            a.index_add(1, torch.tensor([2, 0]), b[:, :2], alpha=2)
index_copy           a.index_copy(1, torch.tensor([2, 0]), b[:, :2])
index_fill           a.index_fill(1, torch.tensor([2, 0]), 9)
masked_fill          a.masked_fill(mask, -7)
masked_select        a.masked_select(mask)
masked_scatter       a.masked_scatter(mask, b)
take                 a.take(torch.tensor([0, 5, 2]))
take_along_dim       a.take_along_dim(index, 1)
nonzero              mask.nonzero()
argwhere             mask.argwhere()
select_scatter       torch.select_scatter(a, b[:, 0], 1, 2)
slice_scatter        torch.slice_scatter(a, b[:, :1], 1, 0, 3, 3)
diagonal_scatter     torch.diagonal_scatter(square, v[:3])
renorm               a.renorm(2, 0, 1)
cov                  a.cov()
corrcoef             a.corrcoef()
complex_abs          z.abs()
complex_angle        z.angle()
complex_real         (z * z.conj()).real
complex_imag         z.exp().imag
view_as_real         torch.view_as_real(z * 2)
polar                torch.view_as_real(torch.polar(p, a))
fft                  torch.view_as_real(torch.fft.fft(signal, 8))
ifft                 torch.view_as_real(torch.fft.ifft(signal, norm="ortho").resolve_conj())
rfft                 torch.view_as_real(torch.fft.rfft(signal))
irfft                torch.fft.irfft(torch.fft.rfft(signal), 16)
hfft                 torch.fft.hfft(z[0])
fft2                 torch.view_as_real(torch.fft.fft2(c))
ifft2                torch.view_as_real(torch.fft.ifft2(c))
fftn                 torch.view_as_real(torch.fft.fftn(cube, dim=(0, 2)))
rfftn                torch.view_as_real(torch.fft.rfftn(cube, s=(3, 4), dim=(1, 2), norm="forward"))
irfft2               torch.fft.irfft2(torch.fft.rfft2(c), s=(3, 4))
fftfreq              torch.fft.fftfreq(5, 0.5)
rfftfreq             torch.fft.rfftfreq(5)
fftshift             torch.fft.fftshift(v)
ifftshift            torch.fft.ifftshift(c, 1)
stft                 torch.view_as_real(torch.stft(signal, 8, 4, window=torch.hann_window(8), return_complex=True))
istft                torch.istft(torch.stft(signal, 8, 4, window=torch.hann_window(8), return_complex=True), 8, 4, window=torch.hann_window(8))
hann_window          torch.hann_window(6)
hamming_window       torch.hamming_window(6, periodic=False)
bartlett_window      torch.bartlett_window(6)
blackman_window      torch.blackman_window(6)
kaiser_window        torch.kaiser_window(6, True, 5)
entr                 torch.special.entr(p)
erfcx                torch.special.erfcx(a)
i0e                  torch.special.i0e(a)
i1                   torch.special.i1(a)
ndtri                torch.special.ndtri(p * 0.9 + 0.05)
zeta                 torch.special.zeta(p + 1.5, p + 1)
xlog1py              torch.special.xlog1py(p, p)
gammainc             torch.special.gammainc(p + 1, p)
bessel_j0            torch.special.bessel_j0(a)
chebyshev            torch.special.chebyshev_polynomial_t(a, n)
hermite              torch.special.hermite_polynomial_h(a, k)
arange               torch.arange(1, 10, 3)
arange_real          torch.arange(0.5, 2, 0.5)
linspace             torch.linspace(-1, 1, 5)
logspace             torch.logspace(0, 2, 3, 3)
eye                  torch.eye(2, 3)
full                 torch.full((2,), 7)
channel_shuffle      torch.channel_shuffle(picture, 2)
pixel_sum            picture.sum((2, 3))
at_number            cube[1]
at_negative          cube[-1, -2]
at_range             cube[:, 1:3]
at_open              cube[:, 1:, :-1]
at_step              cube[:, :, ::2]
at_step_from         cube[..., 1::2]
at_beyond            cube[:, 2:9]
at_empty             cube[:, 2:1]
at_ellipsis          cube[..., 1]
at_ellipsis_middle   cube[0, ..., 2]
at_ellipsis_full     cube[0, 1, 2, ...]
at_new_axis          cube[:, None, 1]
at_new_axis_last     cube[..., None]
at_mask              a[mask]
at_mask_axis         cube[:, torch.tensor([True, False, True])]
at_mask_two_axes     cube[mask]
at_mask_then_range   cube[..., 1:3][mask]
at_mask_inner        cube[:, plane]
at_mask_none         a[mask & ~mask]
at_tensor            cube[:, rows]
at_tensors           cube[pair, rows]
at_tensors_broadcast cube[column, rows]
at_tensors_apart     cube[pair, :, rows]
at_tensors_inner     cube[:, rows, pair]
at_tensor_new_axis   cube[None, :, rows]
at_number_tensor     cube[1, rows]
at_tensor_range      cube[pair, 1:]
at_tensor_negative   v[torch.tensor([-1, -2])]
at_tensor_matrix     v[torch.tensor([[0, 1], [2, 3]])]
at_tensor_ellipsis   cube[..., rows]
at_tensor_single     cube[torch.tensor(1)]
at_tensor_and_mask   cube[pair, torch.tensor([True, False, True])]
at_true              a[True]
at_false             a[False]
put_number           put(cube, 1, 9)
put_element          put(cube, I[1, 2, 3], 9)
put_range            put(cube, I[:, 1:, ::2], 0.5)
put_broadcast        put(cube, I[:, 1], v)
put_leading_ones     put(cube, 0, c[None])
put_ellipsis         put(cube, I[..., 0], b)
put_new_axis         put(a, I[:, None], b[:, None])
put_mask             put(a, mask, -9)
put_mask_values      put(a, mask, ramp([int(mask.sum())], 3, 1))
put_mask_rows        put(cube, mask, v)
put_tensor           put(cube, I[:, rows], 1.5)
put_tensors          put(cube, I[pair, rows], w)
put_tensor_inner     put(cube, I[..., rows], b[..., None])
put_add              put_add(v, (torch.tensor([1, 1, 3]),), torch.tensor([1.0, 2.0, 4.0]))
"""


def main():
    table = {}
    for line in EXPRESSIONS.strip().splitlines():
        name, expression = line.split(None, 1)
        value = eval(expression)
        flat = value.flatten().tolist()
        table[name] = {
            "dtype": str(value.dtype).removeprefix("torch."),
            "shape": list(value.shape),
            "values": [float("%.8g" % x) if isinstance(x, float) and x == x and abs(x) != float("inf") else str(x) if isinstance(x, float) else int(x) for x in flat],
        }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry, separators=(',', ':'))}" for name, entry in table.items())
    (pathlib.Path(__file__).parent / "operators.json").write_text("{\n" + lines + "\n}\n")


main()
