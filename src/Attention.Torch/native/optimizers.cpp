// Optimizer steps over all parameters in one pass, and the norm of all gradients.
//
// Each operator has two backends. Dense fp32 tensors on the CPU go through one OpenMP region over chunks of all
// of them; anything else (other types, CUDA, odd layouts) through libtorch's foreach operators.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/library.h>

#include <cmath>

#include "handles.h"
#include "simd.h"

namespace {

using at::Tensor;
using at::TensorList;
using Tensors = std::vector<Tensor>;

// --- work for the threads --------------------------------------------------------------------

// Elements that a thread takes at a time: its share of all arrays stays in the second-level cache.
constexpr int64_t kChunk = 1 << 15;

// The chunks of a list of tensors: `tensor` and `begin` of each.
struct Chunks {
  std::vector<std::pair<int32_t, int64_t>> starts;
  std::vector<int64_t> sizes;

  void add(int64_t elements) {
    for (int64_t begin = 0; begin < elements; begin += kChunk)
      starts.emplace_back(static_cast<int32_t>(sizes.size()), begin);
    sizes.push_back(elements);
  }

  // Calls body(chunk, tensor, begin, length) for every chunk. Idle threads take the next one, so that a core
  // which is busy with something else does not hold up the rest.
  template <typename Body>
  void run(const Body& body) const {
    const auto count = static_cast<int64_t>(starts.size());
    const int threads = static_cast<int>(std::min<int64_t>(at::get_num_threads(), std::max<int64_t>(count, 1)));
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1)
    for (int64_t i = 0; i < count; i++) {
      const auto [tensor, begin] = starts[i];
      body(i, tensor, begin, std::min(kChunk, sizes[tensor] - begin));
    }
  }
};

bool is_dense_float(const Tensor& t) {
  return t.scalar_type() == at::kFloat && t.device().is_cpu() && t.layout() == at::kStrided &&
         t.unsafeGetTensorImpl()->is_non_overlapping_and_dense();
}

float* floats(const Tensor& t) { return static_cast<float*>(t.data_ptr()); }

// The gradient in the element order of its parameter.
Tensor aligned(const Tensor& grad, const Tensor& parameter) {
  TORCH_CHECK(grad.layout() == at::kStrided, "sparse gradients are not supported");
  if (grad.scalar_type() == at::kFloat && grad.device() == parameter.device() && grad.strides() == parameter.strides())
    return grad;
  return at::empty_like(parameter).copy_(grad);
}

// Autograd's saved tensors notice that these have changed.
void mark_changed(const Tensor& t) {
  if (!t.is_inference()) t.unsafeGetTensorImpl()->bump_version();
}

void check_lists(TensorList params, TensorList others, const char* name) {
  TORCH_CHECK(params.size() == others.size(), params.size(), " parameters but ", others.size(), " ", name);
  for (size_t i = 0; i < params.size(); i++) {
    TORCH_CHECK(others[i].defined(), name, "[", i, "] is missing");
    TORCH_CHECK(params[i].sizes() == others[i].sizes(), name, "[", i, "] has shape ", others[i].sizes(),
                ", its parameter ", params[i].sizes());
  }
}

// Parameters in the type of their state, for the foreach backend; store() rounds them back.
struct Master {
  Tensors original, values;
  Master(Tensors params, const Tensors& states) : original(std::move(params)) {
    for (size_t i = 0; i < original.size(); i++)
      values.push_back(states.empty() ? original[i] : original[i].to(states[i].scalar_type()));
  }
  Tensors grads(const Tensors& given, double scale) const {
    Tensors result;
    for (size_t i = 0; i < given.size(); i++) {
      TORCH_CHECK(given[i].layout() == at::kStrided, "sparse gradients are not supported");
      result.push_back(given[i].to(values[i].options()));
    }
    return scale == 1 ? result : at::_foreach_mul(result, scale);
  }
  void store() {
    for (size_t i = 0; i < original.size(); i++)
      if (!original[i].is_same(values[i])) original[i].copy_(values[i]);
  }
};

// --- AdamW -----------------------------------------------------------------------------------

struct AdamStep {
  float decay;         // 1 - lr * weight_decay
  float beta1, beta2;
  float rest1, rest2;  // 1 - beta, from doubles: 1 - 0.999f is off by 5e-5 of itself
  float step_size;     // lr / (1 - beta1^step)
  float correction;    // 1 / sqrt(1 - beta2^step)
  float eps;
  float grad_scale;
};

ATT_SIMD void adamw_range(float* p, const float* g, float* m, float* v, int64_t n, AdamStep s) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float grad = g[i] * s.grad_scale;
    const float mean = m[i] * s.beta1 + grad * s.rest1;
    const float square = v[i] * s.beta2 + grad * grad * s.rest2;
    m[i] = mean;
    v[i] = square;
    p[i] = p[i] * s.decay - s.step_size * (mean / (std::sqrt(square) * s.correction + s.eps));
  }
}

void adamw_foreach(const Tensors& params, const Tensors& grads, const Tensors& exp_avgs, const Tensors& exp_avg_sqs,
                   double lr, double beta1, double beta2, double eps, double weight_decay, int64_t step,
                   double grad_scale) {
  Master master(params, exp_avgs);
  Tensors scaled = master.grads(grads, grad_scale);
  if (weight_decay != 0) at::_foreach_mul_(master.values, 1 - lr * weight_decay);
  at::_foreach_mul_(exp_avgs, beta1);
  at::_foreach_add_(exp_avgs, scaled, 1 - beta1);
  at::_foreach_mul_(exp_avg_sqs, beta2);
  at::_foreach_addcmul_(exp_avg_sqs, scaled, scaled, 1 - beta2);
  Tensors denominators = at::_foreach_sqrt(exp_avg_sqs);
  at::_foreach_div_(denominators, std::sqrt(1 - std::pow(beta2, step)));
  at::_foreach_add_(denominators, eps);
  at::_foreach_addcdiv_(master.values, exp_avgs, denominators, -lr / (1 - std::pow(beta1, step)));
  master.store();
}

// AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization"), with torch.optim.AdamW's arithmetic.
// Gradients are multiplied by grad_scale first. `step` counts from 1.
void fused_adamw_(TensorList params, TensorList grads, TensorList exp_avgs, TensorList exp_avg_sqs, double lr,
                  double beta1, double beta2, double eps, double weight_decay, int64_t step, double grad_scale) {
  check_lists(params, grads, "grads");
  check_lists(params, exp_avgs, "exp_avgs");
  check_lists(params, exp_avg_sqs, "exp_avg_sqs");
  TORCH_CHECK(step >= 1, "step counts from 1, not ", step);
  at::NoGradGuard no_grad;

  Chunks chunks;
  Tensors p, g, m, v, p_other, g_other, m_other, v_other;
  for (size_t i = 0; i < params.size(); i++) {
    bool fast = is_dense_float(params[i]) && is_dense_float(exp_avgs[i]) && is_dense_float(exp_avg_sqs[i]) &&
                params[i].strides() == exp_avgs[i].strides() && params[i].strides() == exp_avg_sqs[i].strides();
    (fast ? p : p_other).push_back(params[i]);
    (fast ? g : g_other).push_back(fast ? aligned(grads[i], params[i]) : grads[i]);
    (fast ? m : m_other).push_back(exp_avgs[i]);
    (fast ? v : v_other).push_back(exp_avg_sqs[i]);
    if (fast) chunks.add(params[i].numel());
  }

  const AdamStep s{static_cast<float>(1 - lr * weight_decay),
                   static_cast<float>(beta1),
                   static_cast<float>(beta2),
                   static_cast<float>(1 - beta1),
                   static_cast<float>(1 - beta2),
                   static_cast<float>(lr / (1 - std::pow(beta1, step))),
                   static_cast<float>(1 / std::sqrt(1 - std::pow(beta2, step))),
                   static_cast<float>(eps),
                   static_cast<float>(grad_scale)};
  chunks.run([&](int64_t, int32_t t, int64_t begin, int64_t length) {
    adamw_range(floats(p[t]) + begin, floats(g[t]) + begin, floats(m[t]) + begin, floats(v[t]) + begin, length, s);
  });
  for (size_t i = 0; i < p.size(); i++)
    for (const Tensor& changed : {p[i], m[i], v[i]}) mark_changed(changed);
  if (!p_other.empty())
    adamw_foreach(p_other, g_other, m_other, v_other, lr, beta1, beta2, eps, weight_decay, step, grad_scale);
}

// --- SGD -------------------------------------------------------------------------------------

struct SgdStep {
  float lr, momentum, fresh, weight_decay, grad_scale;
  bool nesterov, has_momentum;
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

void sgd_foreach(const Tensors& params, const Tensors& grads, const Tensors& buffers, double lr, double momentum,
                 double fresh, double weight_decay, bool nesterov, double grad_scale) {
  Master master(params, buffers);
  Tensors update = master.grads(grads, grad_scale);
  if (weight_decay != 0) update = at::_foreach_add(update, master.values, weight_decay);
  if (!buffers.empty()) {
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
  check_lists(params, grads, "grads");
  const bool has_momentum = momentum != 0;
  if (has_momentum) check_lists(params, momentum_buffers, "momentum_buffers");
  TORCH_CHECK(!nesterov || (has_momentum && dampening == 0), "Nesterov momentum needs a momentum and zero dampening");
  at::NoGradGuard no_grad;

  Chunks chunks;
  Tensors p, g, b, p_other, g_other, b_other;
  for (size_t i = 0; i < params.size(); i++) {
    bool fast = is_dense_float(params[i]);
    if (has_momentum)
      fast = fast && is_dense_float(momentum_buffers[i]) && params[i].strides() == momentum_buffers[i].strides();
    (fast ? p : p_other).push_back(params[i]);
    (fast ? g : g_other).push_back(fast ? aligned(grads[i], params[i]) : grads[i]);
    if (has_momentum) (fast ? b : b_other).push_back(momentum_buffers[i]);
    if (fast) chunks.add(params[i].numel());
  }

  const double fresh = first_step ? 1 : 1 - dampening;
  const SgdStep s{static_cast<float>(lr),           static_cast<float>(momentum),   static_cast<float>(fresh),
                  static_cast<float>(weight_decay), static_cast<float>(grad_scale), nesterov,
                  has_momentum};
  chunks.run([&](int64_t, int32_t t, int64_t begin, int64_t length) {
    if (s.has_momentum)
      sgd_momentum_range(floats(p[t]) + begin, floats(g[t]) + begin, floats(b[t]) + begin, length, s);
    else
      sgd_range(floats(p[t]) + begin, floats(g[t]) + begin, length, s);
  });
  for (const Tensor& changed : p) mark_changed(changed);
  for (const Tensor& changed : b) mark_changed(changed);
  if (!p_other.empty())
    sgd_foreach(p_other, g_other, b_other, lr, momentum, fresh, weight_decay, nesterov, grad_scale);
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

TORCH_LIBRARY_FRAGMENT(attention, m) {
  m.def(
      "fused_adamw_(Tensor(a!)[] params, Tensor[] grads, Tensor(b!)[] exp_avgs, Tensor(c!)[] exp_avg_sqs, float lr, "
      "float beta1, float beta2, float eps, float weight_decay, int step, float grad_scale) -> ()",
      fused_adamw_);
  m.def(
      "fused_sgd_(Tensor(a!)[] params, Tensor[] grads, Tensor(b!)[] momentum_buffers, float lr, float momentum, "
      "float dampening, float weight_decay, bool nesterov, bool first_step, float grad_scale) -> ()",
      fused_sgd_);
  m.def("grad_norm(Tensor[] grads) -> Tensor", grad_norm);
}
