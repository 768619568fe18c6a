// Optimizers whose step depends on a parameter as a whole: its norm, its rows and columns, its singular vectors.
#include <c10/core/GradMode.h>
#include <torch/library.h>

#include <cmath>

#include "optimizers.h"
#include "simd.h"

namespace attention {

namespace {

// --- LAMB ------------------------------------------------------------------------------------

struct LambStep {
  float beta1, beta2, rest1, rest2;
  float scale1;      // 1 / (1 - beta1^step)
  float correction;  // 1 / sqrt(1 - beta2^step)
  float eps, weight_decay, grad_scale;

  // What the parameter moves along, before its length is adapted.
  float update(float p, float m, float v) const {
    return m * scale1 / (std::sqrt(v) * correction + eps) + p * weight_decay;
  }
};

struct Norms {
  double parameter = 0, update = 0;
};

ATT_SIMD Norms lamb_moments(const float* p, const float* g, float* m, float* v, int64_t n, LambStep s) {
  double of_parameter = 0, of_update = 0;
#pragma omp simd reduction(+ : of_parameter, of_update)
  for (int64_t i = 0; i < n; i++) {
    const float grad = g[i] * s.grad_scale;
    m[i] = m[i] * s.beta1 + grad * s.rest1;
    v[i] = v[i] * s.beta2 + grad * grad * s.rest2;
    const float update = s.update(p[i], m[i], v[i]);
    of_parameter += static_cast<double>(p[i]) * p[i];
    of_update += static_cast<double>(update) * update;
  }
  return {of_parameter, of_update};
}

ATT_SIMD void lamb_move(float* p, const float* m, const float* v, int64_t n, LambStep s, float rate) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) p[i] -= rate * s.update(p[i], m[i], v[i]);
}

double trust_ratio(double parameter, double update, bool clip) {
  const double ratio = parameter > 0 && update > 0 ? parameter / update : 1;
  return clip ? std::min(ratio, 1.0) : ratio;
}

void lamb_eager(const Group& group, double lr, double beta1, double beta2, double eps, double weight_decay, bool adapt,
                bool trust_clip, int64_t step, double grad_scale) {
  Master master(group.params, group.states);
  const Tensors grads = master.grads(group.grads, grad_scale);
  for (size_t i = 0; i < grads.size(); i++) {
    Tensor p = master.values[i], m = group.states[0][i], v = group.states[1][i];
    m.mul_(beta1).add_(grads[i], 1 - beta1);
    v.mul_(beta2).addcmul_(grads[i], grads[i], 1 - beta2);
    const Tensor denominator = v.sqrt().div_(std::sqrt(1 - std::pow(beta2, step))).add_(eps);
    Tensor update = (m / (1 - std::pow(beta1, step))).div_(denominator);
    if (weight_decay != 0) update.add_(p, weight_decay);
    const double ratio = adapt ? trust_ratio(p.norm().item<double>(), update.norm().item<double>(), trust_clip) : 1;
    p.add_(update, -lr * ratio);
  }
  master.store();
}

// LAMB (You et al., "Large Batch Optimization for Deep Learning"), with timm's arithmetic: two passes over memory,
// the first for the moments and the norms, the second for the parameters. `adapt` scales each parameter's step by
// the ratio of the parameter's norm to its update's.
void fused_lamb_(TensorList params, TensorList grads, TensorList exp_avgs, TensorList exp_avg_sqs, double lr,
                 double beta1, double beta2, double eps, double weight_decay, bool adapt, bool trust_clip, int64_t step,
                 double grad_scale) {
  TORCH_CHECK(step >= 1, "step counts from 1, not ", step);
  at::NoGradGuard no_grad;
  const Work work = sort(params, grads, {exp_avgs, exp_avg_sqs});
  const LambStep s{static_cast<float>(beta1),
                   static_cast<float>(beta2),
                   static_cast<float>(1 - beta1),
                   static_cast<float>(1 - beta2),
                   static_cast<float>(1 / (1 - std::pow(beta1, step))),
                   static_cast<float>(1 / std::sqrt(1 - std::pow(beta2, step))),
                   static_cast<float>(eps),
                   static_cast<float>(weight_decay),
                   static_cast<float>(grad_scale)};
  const Group& fast = work.fast;
  std::vector<Norms> parts(work.chunks.starts.size()), sums(fast.params.size());
  work.chunks.run([&](int64_t chunk, int32_t t, int64_t begin, int64_t length) {
    parts[chunk] = lamb_moments(floats(fast.params[t]) + begin, floats(fast.grads[t]) + begin,
                                floats(fast.states[0][t]) + begin, floats(fast.states[1][t]) + begin, length, s);
  });
  // In the order of the chunks, whichever thread had them.
  for (size_t chunk = 0; chunk < parts.size(); chunk++) {
    sums[work.chunks.starts[chunk].first].parameter += parts[chunk].parameter;
    sums[work.chunks.starts[chunk].first].update += parts[chunk].update;
  }
  work.chunks.run([&](int64_t, int32_t t, int64_t begin, int64_t length) {
    const double ratio = adapt ? trust_ratio(std::sqrt(sums[t].parameter), std::sqrt(sums[t].update), trust_clip) : 1;
    lamb_move(floats(fast.params[t]) + begin, floats(fast.states[0][t]) + begin, floats(fast.states[1][t]) + begin,
              length, s, static_cast<float>(lr * ratio));
  });
  fast.mark_changed();
  if (!work.other.empty())
    lamb_eager(work.other, lr, beta1, beta2, eps, weight_decay, adapt, trust_clip, step, grad_scale);
}

// --- Adafactor -------------------------------------------------------------------------------

// Adafactor (Shazeer and Stern, "Adaptive Learning Rates with Sublinear Memory Cost"), with timm's arithmetic and a
// given learning rate. `rows` and `columns` hold the running means of squared gradients over the second and the first
// of the dimensions `first` and `second`; where `columns` is empty, `rows` holds the unfactored means.
void fused_adafactor_(TensorList params, TensorList grads, TensorList rows, TensorList columns, at::IntArrayRef first,
                      at::IntArrayRef second, double lr, double decay_rate, double eps, double clip_threshold,
                      double weight_decay, int64_t step, double grad_scale) {
  TORCH_CHECK(step >= 1, "step counts from 1, not ", step);
  TORCH_CHECK(params.size() == grads.size() && params.size() == rows.size(), "lists of different lengths");
  at::NoGradGuard no_grad;
  const double beta = 1 - std::pow(static_cast<double>(step), decay_rate);
  const Tensors states(rows.begin(), rows.end());
  Master master(Tensors(params.begin(), params.end()), {states});
  const Tensors scaled = master.grads(Tensors(grads.begin(), grads.end()), grad_scale);
  for (size_t i = 0; i < scaled.size(); i++) {
    const Tensor& grad = scaled[i];
    const Tensor square = at::square(grad).add_(eps);
    Tensor row = rows[i], update;
    if (columns.empty()) {
      row.mul_(beta).add_(square, 1 - beta);
      update = row.rsqrt().mul_(grad);
    } else {
      Tensor column = columns[i];
      row.mul_(beta).add_(square.mean(second[i]), 1 - beta);
      column.mul_(beta).add_(square.mean(first[i]), 1 - beta);
      update = (row / row.mean(first[i], true)).rsqrt_().unsqueeze(second[i]) * column.unsqueeze(first[i]).rsqrt();
      update.mul_(grad);
    }
    const double rms = update.norm().item<double>() / std::sqrt(static_cast<double>(update.numel()));
    if (weight_decay != 0) master.values[i].mul_(1 - lr * weight_decay);
    master.values[i].add_(update, -lr / std::max(1.0, rms / clip_threshold));
  }
  master.store();
}

// --- Muon ------------------------------------------------------------------------------------

// Newton-Schulz iterations of fifth order, steep first: after five of them all singular values are near 1. The
// coefficients are those of timm's "quintic".
constexpr double kQuintic[][3] = {{4.0848, -6.8946, 2.9270},
                                  {3.9505, -6.3029, 2.6377},
                                  {3.7418, -5.5913, 2.3037},
                                  {2.8769, -3.1427, 1.2046},
                                  {2.8366, -3.0525, 1.2012}};

// The nearest matrix with orthonormal rows or columns, roughly.
Tensor orthogonalised(const Tensor& matrix, double eps) {
  // Tensor cores do it in bf16; a CPU is exact at no loss worth the name.
  Tensor x = matrix.device().is_cuda() ? matrix.to(at::kBFloat16) : matrix;
  const bool tall = x.size(0) > x.size(1);
  if (tall) x = x.t();
  x = (x / x.norm().clamp_min(eps)).contiguous();
  for (const auto& [a, b, c] : kQuintic) {
    const Tensor gram = at::mm(x, x.t());
    x = at::addmm(x, at::addmm(gram, gram, gram, b, c), x, a, 1);
  }
  if (tall) x = x.t();
  return x.to(matrix.scalar_type());
}

// Muon (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"), with timm's arithmetic:
// the momentum of each matrix is orthogonalised, and its step has the size that AdamW's would have. Convolutions
// are matrices of one row per output channel.
void fused_muon_(TensorList params, TensorList grads, TensorList momentum_buffers, double lr, double momentum,
                 bool nesterov, double eps, double weight_decay, double grad_scale) {
  at::NoGradGuard no_grad;
  TORCH_CHECK(params.size() == grads.size() && params.size() == momentum_buffers.size(), "lists of different lengths");
  const Tensors buffers(momentum_buffers.begin(), momentum_buffers.end());
  Master master(Tensors(params.begin(), params.end()), {buffers});
  const Tensors scaled = master.grads(Tensors(grads.begin(), grads.end()), grad_scale);
  for (size_t i = 0; i < scaled.size(); i++) {
    buffers[i].lerp_(scaled[i], 1 - momentum);
    const Tensor direction = (nesterov ? scaled[i].lerp(buffers[i], momentum) : buffers[i]).flatten(1);
    const double scale = 0.2 * std::sqrt(static_cast<double>(std::max(direction.size(0), direction.size(1))));
    if (weight_decay != 0) master.values[i].mul_(1 - lr * weight_decay);
    master.values[i].add_(orthogonalised(direction, eps).view_as(master.values[i]), -lr * scale);
  }
  master.store();
}

}  // namespace

}  // namespace attention

TORCH_LIBRARY_FRAGMENT(attention, m) {
  m.def(
      "fused_lamb_(Tensor(a!)[] params, Tensor[] grads, Tensor(b!)[] exp_avgs, Tensor(c!)[] exp_avg_sqs, float lr, "
      "float beta1, float beta2, float eps, float weight_decay, bool adapt, bool trust_clip, int step, "
      "float grad_scale) -> ()",
      attention::fused_lamb_);
  m.def(
      "fused_adafactor_(Tensor(a!)[] params, Tensor[] grads, Tensor(b!)[] rows, Tensor(c!)[] columns, int[] first, "
      "int[] second, float lr, float decay_rate, float eps, float clip_threshold, float weight_decay, int step, "
      "float grad_scale) -> ()",
      attention::fused_adafactor_);
  m.def(
      "fused_muon_(Tensor(a!)[] params, Tensor[] grads, Tensor(b!)[] momentum_buffers, float lr, float momentum, "
      "bool nesterov, float eps, float weight_decay, float grad_scale) -> ()",
      attention::fused_muon_);
}
