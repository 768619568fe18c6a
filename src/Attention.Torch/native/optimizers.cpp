// Optimizers that treat every element alike, stepping over all parameters in one pass, and the norm of all gradients.
#include "optimizers.h"

#include <c10/core/GradMode.h>
#include <torch/library.h>

#include <cmath>

#include "handles.h"
#include "simd.h"

namespace attention {

namespace {

void check_lists(TensorList params, TensorList others, const char* name) {
  TORCH_CHECK(params.size() == others.size(), params.size(), " parameters but ", others.size(), " ", name);
  for (size_t i = 0; i < params.size(); i++) {
    TORCH_CHECK(others[i].defined(), name, "[", i, "] is missing");
    TORCH_CHECK(params[i].sizes() == others[i].sizes(), name, "[", i, "] has shape ", others[i].sizes(),
                ", its parameter ", params[i].sizes());
  }
}

// The gradient in the element order of its parameter.
Tensor aligned(const Tensor& grad, const Tensor& parameter) {
  TORCH_CHECK(grad.layout() == at::kStrided, "sparse gradients are not supported");
  if (grad.scalar_type() == at::kFloat && grad.device() == parameter.device() && grad.strides() == parameter.strides())
    return grad;
  return at::empty_like(parameter).copy_(grad);
}

}  // namespace

Work sort(TensorList params, TensorList grads, std::initializer_list<TensorList> states) {
  check_lists(params, grads, "grads");
  for (const TensorList& state : states) check_lists(params, state, "states");
  Work work;
  work.fast.states.resize(states.size());
  work.other.states.resize(states.size());
  for (size_t i = 0; i < params.size(); i++) {
    bool fast = is_dense_float(params[i]);
    for (const TensorList& state : states)
      fast = fast && is_dense_float(state[i]) && params[i].strides() == state[i].strides();
    Group& group = fast ? work.fast : work.other;
    group.params.push_back(params[i]);
    group.grads.push_back(fast ? aligned(grads[i], params[i]) : grads[i]);
    size_t kind = 0;
    for (const TensorList& state : states) group.states[kind++].push_back(state[i]);
    if (fast) work.chunks.add(params[i].numel());
  }
  return work;
}

Master::Master(Tensors params, const std::vector<Tensors>& states) : original(std::move(params)) {
  for (size_t i = 0; i < original.size(); i++)
    values.push_back(states.empty() ? original[i] : original[i].to(states[0][i].scalar_type()));
}

Tensors Master::grads(const Tensors& given, double scale) const {
  Tensors result;
  for (size_t i = 0; i < given.size(); i++) {
    TORCH_CHECK(given[i].layout() == at::kStrided, "sparse gradients are not supported");
    result.push_back(given[i].to(values[i].options()));
  }
  return scale == 1 ? result : at::_foreach_mul(result, scale);
}

void Master::store() {
  for (size_t i = 0; i < original.size(); i++)
    if (!original[i].is_same(values[i])) original[i].copy_(values[i]);
}

// --- Adam and AdamW --------------------------------------------------------------------------

namespace {

struct AdamStep {
  float decay;         // AdamW: 1 - lr * weight_decay
  float pull;          // Adam: weight_decay, as part of the gradient
  float beta1, beta2;
  float rest1, rest2;  // 1 - beta, from doubles: 1 - 0.999f is off by 5e-5 of itself
  float step_size;     // lr / (1 - beta1^step)
  float correction;    // 1 / sqrt(1 - beta2^step)
  float eps;
  float grad_scale;
};

ATT_SIMD void adam_range(float* p, const float* g, float* m, float* v, int64_t n, AdamStep s) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float grad = g[i] * s.grad_scale + p[i] * s.pull;
    const float mean = m[i] * s.beta1 + grad * s.rest1;
    const float square = v[i] * s.beta2 + grad * grad * s.rest2;
    m[i] = mean;
    v[i] = square;
    p[i] = p[i] * s.decay - s.step_size * (mean / (std::sqrt(square) * s.correction + s.eps));
  }
}

void adam_foreach(const Group& group, double lr, double beta1, double beta2, double eps, double weight_decay,
                  bool decoupled, int64_t step, double grad_scale) {
  const Tensors& exp_avgs = group.states[0];
  const Tensors& exp_avg_sqs = group.states[1];
  Master master(group.params, group.states);
  Tensors grads = master.grads(group.grads, grad_scale);
  if (weight_decay != 0) {
    if (decoupled)
      at::_foreach_mul_(master.values, 1 - lr * weight_decay);
    else
      grads = at::_foreach_add(grads, master.values, weight_decay);
  }
  at::_foreach_mul_(exp_avgs, beta1);
  at::_foreach_add_(exp_avgs, grads, 1 - beta1);
  at::_foreach_mul_(exp_avg_sqs, beta2);
  at::_foreach_addcmul_(exp_avg_sqs, grads, grads, 1 - beta2);
  Tensors denominators = at::_foreach_sqrt(exp_avg_sqs);
  at::_foreach_div_(denominators, std::sqrt(1 - std::pow(beta2, step)));
  at::_foreach_add_(denominators, eps);
  at::_foreach_addcdiv_(master.values, exp_avgs, denominators, -lr / (1 - std::pow(beta1, step)));
  master.store();
}

// Adam (Kingma and Ba) and AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization"), with the
// arithmetic of torch.optim. Gradients are multiplied by grad_scale first. `step` counts from 1.
void fused_adam_(TensorList params, TensorList grads, TensorList exp_avgs, TensorList exp_avg_sqs, double lr,
                 double beta1, double beta2, double eps, double weight_decay, bool decoupled, int64_t step,
                 double grad_scale) {
  TORCH_CHECK(step >= 1, "step counts from 1, not ", step);
  at::NoGradGuard no_grad;
  const Work work = sort(params, grads, {exp_avgs, exp_avg_sqs});
  const AdamStep s{static_cast<float>(decoupled ? 1 - lr * weight_decay : 1),
                   static_cast<float>(decoupled ? 0 : weight_decay),
                   static_cast<float>(beta1),
                   static_cast<float>(beta2),
                   static_cast<float>(1 - beta1),
                   static_cast<float>(1 - beta2),
                   static_cast<float>(lr / (1 - std::pow(beta1, step))),
                   static_cast<float>(1 / std::sqrt(1 - std::pow(beta2, step))),
                   static_cast<float>(eps),
                   static_cast<float>(grad_scale)};
  const auto& [p, g, states] = work.fast;
  work.chunks.run([&, &p = p, &g = g, &states = states](int64_t, int32_t t, int64_t begin, int64_t length) {
    adam_range(floats(p[t]) + begin, floats(g[t]) + begin, floats(states[0][t]) + begin, floats(states[1][t]) + begin,
               length, s);
  });
  work.fast.mark_changed();
  if (!work.other.empty())
    adam_foreach(work.other, lr, beta1, beta2, eps, weight_decay, decoupled, step, grad_scale);
}

// --- SGD -------------------------------------------------------------------------------------

struct SgdStep {
  float lr, momentum, fresh, weight_decay, grad_scale;
  bool nesterov;
};

ATT_SIMD void sgd_range(float* p, const float* g, int64_t n, SgdStep s) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) p[i] -= s.lr * (g[i] * s.grad_scale + p[i] * s.weight_decay);
}

ATT_SIMD void sgd_momentum_range(float* p, const float* g, float* b, int64_t n, SgdStep s) {
  // The update is the buffer, or with Nesterov's look-ahead the gradient and momentum times the buffer.
  const float of_grad = s.nesterov ? 1.f : 0.f, of_buffer = s.nesterov ? s.momentum : 1.f;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float grad = g[i] * s.grad_scale + p[i] * s.weight_decay;
    const float buffer = b[i] * s.momentum + grad * s.fresh;
    b[i] = buffer;
    p[i] -= s.lr * (grad * of_grad + buffer * of_buffer);
  }
}

void sgd_foreach(const Group& group, double lr, double momentum, double fresh, double weight_decay, bool nesterov,
                 double grad_scale) {
  Master master(group.params, group.states);
  Tensors update = master.grads(group.grads, grad_scale);
  if (weight_decay != 0) update = at::_foreach_add(update, master.values, weight_decay);
  if (!group.states.empty()) {
    const Tensors& buffers = group.states[0];
    at::_foreach_mul_(buffers, momentum);
    at::_foreach_add_(buffers, update, fresh);
    update = nesterov ? at::_foreach_add(update, buffers, momentum) : buffers;
  }
  at::_foreach_add_(master.values, update, -lr);
  master.store();
}

// SGD with torch.optim.SGD's arithmetic. Without momentum, `momentum_buffers` is empty. The first step takes the
// gradient undamped into a buffer of zeros.
void fused_sgd_(TensorList params, TensorList grads, TensorList momentum_buffers, double lr, double momentum,
                double dampening, double weight_decay, bool nesterov, bool first_step, double grad_scale) {
  const bool has_momentum = momentum != 0;
  TORCH_CHECK(!nesterov || (has_momentum && dampening == 0), "Nesterov momentum needs a momentum and zero dampening");
  at::NoGradGuard no_grad;
  const Work work = has_momentum ? sort(params, grads, {momentum_buffers}) : sort(params, grads, {});
  const double fresh = first_step ? 1 : 1 - dampening;
  const SgdStep s{static_cast<float>(lr),           static_cast<float>(momentum),   static_cast<float>(fresh),
                  static_cast<float>(weight_decay), static_cast<float>(grad_scale), nesterov};
  const auto& [p, g, states] = work.fast;
  work.chunks.run([&, &p = p, &g = g, &states = states](int64_t, int32_t t, int64_t begin, int64_t length) {
    if (has_momentum)
      sgd_momentum_range(floats(p[t]) + begin, floats(g[t]) + begin, floats(states[0][t]) + begin, length, s);
    else
      sgd_range(floats(p[t]) + begin, floats(g[t]) + begin, length, s);
  });
  work.fast.mark_changed();
  if (!work.other.empty()) sgd_foreach(work.other, lr, momentum, fresh, weight_decay, nesterov, grad_scale);
}

// --- Lion ------------------------------------------------------------------------------------

struct LionStep {
  float decay, lr, beta1, beta2, rest1, rest2, grad_scale;
};

ATT_SIMD void lion_range(float* p, const float* g, float* m, int64_t n, LionStep s) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float grad = g[i] * s.grad_scale;
    const float direction = m[i] * s.beta1 + grad * s.rest1;
    const float sign = static_cast<float>((direction > 0) - (direction < 0));
    m[i] = m[i] * s.beta2 + grad * s.rest2;
    p[i] = p[i] * s.decay - s.lr * sign;
  }
}

void lion_foreach(const Group& group, double lr, double beta1, double beta2, double weight_decay, double grad_scale) {
  const Tensors& exp_avgs = group.states[0];
  Master master(group.params, group.states);
  Tensors grads = master.grads(group.grads, grad_scale);
  if (weight_decay != 0) at::_foreach_mul_(master.values, 1 - lr * weight_decay);
  Tensors updates = at::_foreach_mul(exp_avgs, beta1);
  at::_foreach_add_(updates, grads, 1 - beta1);
  for (Tensor& update : updates) update.sign_();
  at::_foreach_add_(master.values, updates, -lr);
  at::_foreach_mul_(exp_avgs, beta2);
  at::_foreach_add_(exp_avgs, grads, 1 - beta2);
  master.store();
}

// Lion (Chen et al., "Symbolic Discovery of Optimization Algorithms").
void fused_lion_(TensorList params, TensorList grads, TensorList exp_avgs, double lr, double beta1, double beta2,
                 double weight_decay, double grad_scale) {
  at::NoGradGuard no_grad;
  const Work work = sort(params, grads, {exp_avgs});
  const LionStep s{static_cast<float>(1 - lr * weight_decay), static_cast<float>(lr),        static_cast<float>(beta1),
                   static_cast<float>(beta2),                 static_cast<float>(1 - beta1), static_cast<float>(1 - beta2),
                   static_cast<float>(grad_scale)};
  const auto& [p, g, states] = work.fast;
  work.chunks.run([&, &p = p, &g = g, &states = states](int64_t, int32_t t, int64_t begin, int64_t length) {
    lion_range(floats(p[t]) + begin, floats(g[t]) + begin, floats(states[0][t]) + begin, length, s);
  });
  work.fast.mark_changed();
  if (!work.other.empty()) lion_foreach(work.other, lr, beta1, beta2, weight_decay, grad_scale);
}

// --- the norm of all gradients ---------------------------------------------------------------

ATT_SIMD double sum_of_squares(const float* g, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += static_cast<double>(g[i]) * g[i];
  return sum;
}

// The 2-norm of all elements of all gradients: a double, summed in an order that no number of threads changes.
Tensor grad_norm(TensorList grads) {
  at::NoGradGuard no_grad;
  Chunks chunks;
  Tensors dense, other;
  for (const Tensor& grad : grads) {
    if (!is_dense_float(grad)) {
      other.push_back(grad);
      continue;
    }
    dense.push_back(grad);
    chunks.add(grad.numel());
  }
  std::vector<double> sums(chunks.starts.size());
  chunks.run([&](int64_t chunk, int32_t t, int64_t begin, int64_t length) {
    sums[chunk] = sum_of_squares(floats(dense[t]) + begin, length);
  });
  double sum = 0;
  for (double part : sums) sum += part;
  if (other.empty()) return at::scalar_tensor(std::sqrt(sum), at::kDouble);

  Tensors norms;
  for (const Tensor& grad : other)
    norms.push_back(at::linalg_vector_norm(grad, 2, at::OptionalIntArrayRef(), false, at::kDouble).to(other[0].device()));
  norms.push_back(at::scalar_tensor(std::sqrt(sum), norms[0].options()));
  return at::linalg_vector_norm(at::stack(norms), 2);
}

}  // namespace

}  // namespace attention

TORCH_LIBRARY_FRAGMENT(attention, m) {
  m.def(
      "fused_adam_(Tensor(a!)[] params, Tensor[] grads, Tensor(b!)[] exp_avgs, Tensor(c!)[] exp_avg_sqs, float lr, "
      "float beta1, float beta2, float eps, float weight_decay, bool decoupled, int step, float grad_scale) -> ()",
      attention::fused_adam_);
  m.def(
      "fused_sgd_(Tensor(a!)[] params, Tensor[] grads, Tensor(b!)[] momentum_buffers, float lr, float momentum, "
      "float dampening, float weight_decay, bool nesterov, bool first_step, float grad_scale) -> ()",
      attention::fused_sgd_);
  m.def(
      "fused_lion_(Tensor(a!)[] params, Tensor[] grads, Tensor(b!)[] exp_avgs, float lr, float beta1, float beta2, "
      "float weight_decay, float grad_scale) -> ()",
      attention::fused_lion_);
  m.def("grad_norm(Tensor[] grads) -> Tensor", attention::grad_norm);
}
