// Gradients: backward, grad mode, inference mode, autocast, hooks and custom functions.
#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/anomaly_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/autograd/variable.h>

#include "errors.h"
#include "handles.h"

using attention::borrow;
using attention::borrow_list;
using attention::guarded;
using attention::last_error;
using attention::release;

namespace {

c10::optional<bool> tri_state(int value) {
  return value < 0 ? c10::optional<bool>() : c10::optional<bool>(value != 0);
}

// Managed callbacks return 0, or -1 after leaving their message through att_set_last_error.
using HookCallback = int (*)(int64_t id, AttTensor grad, AttTensor* replacement);
using BackwardCallback = int (*)(int64_t id, void* node, const AttTensor* grads, int count, AttTensor* inputs,
                                 int input_count);
using ReleaseCallback = void (*)(int64_t id);

// Calls release(id) when the last copy goes.
struct ManagedReference {
  int64_t id;
  ReleaseCallback release;
  ManagedReference(int64_t id, ReleaseCallback release) : id(id), release(release) {}
  ManagedReference(const ManagedReference&) = delete;
  ManagedReference& operator=(const ManagedReference&) = delete;
  ~ManagedReference() { release(id); }
};

// A node of the graph whose backward is managed code.
struct ManagedNode : public torch::autograd::Node {
  ManagedNode(std::string name, int64_t id, BackwardCallback backward, ReleaseCallback release)
      : label(std::move(name)), managed(id, release), backward(backward) {}

  torch::autograd::variable_list apply(torch::autograd::variable_list&& grads) override {
    std::vector<AttTensor> handles;
    for (auto& grad : grads) handles.push_back(release(std::move(grad)));
    std::vector<AttTensor> outputs(num_outputs(), nullptr);
    if (backward(managed.id, this, handles.data(), static_cast<int>(handles.size()), outputs.data(),
                 static_cast<int>(outputs.size())) != 0)
      throw std::runtime_error(last_error());
    torch::autograd::variable_list result;
    for (auto* handle : outputs) {
      result.push_back(borrow(handle));
      if (handle != nullptr)
        c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim(static_cast<c10::TensorImpl*>(handle));
    }
    return result;
  }

  void release_variables() override { saved.clear(); }

  std::string name() const override { return label; }

  std::string label;
  ManagedReference managed;
  BackwardCallback backward;
  std::vector<torch::autograd::SavedVariable> saved;
};

}  // namespace

ATT_EXPORT void att_set_last_error(const char* message) { last_error() = message; }

ATT_EXPORT int att_backward(const AttTensor* tensors, int count, const AttTensor* grads, int grad_count,
                            int retain_graph, int create_graph, const AttTensor* inputs, int input_count) {
  return guarded(-1, [&] {
    torch::autograd::backward(borrow_list(tensors, count), borrow_list(grads, grad_count), tri_state(retain_graph),
                              create_graph != 0, borrow_list(inputs, input_count));
    return 0;
  });
}

// Writes `input_count` handles; null where no gradient reaches an input.
ATT_EXPORT int att_grad(const AttTensor* outputs, int count, const AttTensor* inputs, int input_count,
                        const AttTensor* grads, int grad_count, int retain_graph, int create_graph, int allow_unused,
                        AttTensor* results) {
  return guarded(-1, [&] {
    auto list = torch::autograd::grad(borrow_list(outputs, count), borrow_list(inputs, input_count),
                                      borrow_list(grads, grad_count), tri_state(retain_graph), create_graph != 0,
                                      allow_unused != 0);
    for (size_t i = 0; i < list.size(); i++) results[i] = release(std::move(list[i]));
    return 0;
  });
}

ATT_EXPORT int att_tensor_requires_grad(AttTensor handle) {
  return guarded(-1, [&]() -> int { return borrow(handle).requires_grad(); });
}

ATT_EXPORT int att_tensor_set_requires_grad(AttTensor handle, int value) {
  return guarded(-1, [&] {
    borrow(handle).set_requires_grad(value != 0);
    return 0;
  });
}

ATT_EXPORT int att_tensor_is_leaf(AttTensor handle) {
  return guarded(-1, [&]() -> int { return borrow(handle).is_leaf(); });
}

ATT_EXPORT int att_tensor_retain_grad(AttTensor handle) {
  return guarded(-1, [&] {
    borrow(handle).retain_grad();
    return 0;
  });
}

// The accumulated gradient, or null.
ATT_EXPORT AttTensor att_tensor_grad(AttTensor handle) {
  return guarded<AttTensor>(nullptr, [&] { return release(borrow(handle).grad()); });
}

ATT_EXPORT int att_tensor_set_grad(AttTensor handle, AttTensor grad) {
  return guarded(-1, [&] {
    borrow(handle).mutable_grad() = borrow(grad);
    return 0;
  });
}

ATT_EXPORT int64_t att_tensor_version(AttTensor handle) {
  return guarded<int64_t>(-1, [&]() -> int64_t { return borrow(handle)._version(); });
}

ATT_EXPORT int att_grad_enabled() { return c10::GradMode::is_enabled(); }
ATT_EXPORT void att_set_grad_enabled(int value) { c10::GradMode::set_enabled(value != 0); }

// Guards are destroyed by the thread that made them, last first.
ATT_EXPORT void* att_inference_mode(int enabled) { return new c10::InferenceMode(enabled != 0); }
ATT_EXPORT void att_inference_mode_end(void* guard) { delete static_cast<c10::InferenceMode*>(guard); }
ATT_EXPORT int att_inference_mode_enabled() { return c10::InferenceMode::is_enabled(); }

ATT_EXPORT int att_anomaly_enabled() { return torch::autograd::AnomalyMode::is_enabled(); }
ATT_EXPORT int att_anomaly_check_nan() { return torch::autograd::AnomalyMode::should_check_nan(); }
ATT_EXPORT void att_set_anomaly(int enabled, int check_nan) {
  torch::autograd::AnomalyMode::set_enabled(enabled != 0, check_nan != 0);
}

// --- autocast --------------------------------------------------------------------------------

#if TORCH_AT_LEAST(2, 4)
ATT_EXPORT int att_autocast_enabled(int device) {
  return at::autocast::is_autocast_enabled(static_cast<c10::DeviceType>(device));
}
ATT_EXPORT int att_autocast_dtype(int device) {
  return static_cast<int>(at::autocast::get_autocast_dtype(static_cast<c10::DeviceType>(device)));
}
ATT_EXPORT void att_set_autocast(int device, int enabled, int dtype) {
  at::autocast::set_autocast_enabled(static_cast<c10::DeviceType>(device), enabled != 0);
  at::autocast::set_autocast_dtype(static_cast<c10::DeviceType>(device), static_cast<at::ScalarType>(dtype));
}
#else
namespace {
bool on_cpu(int device) { return device == static_cast<int>(c10::DeviceType::CPU); }
}  // namespace
ATT_EXPORT int att_autocast_enabled(int device) {
  return on_cpu(device) ? at::autocast::is_cpu_enabled() : at::autocast::is_enabled();
}
ATT_EXPORT int att_autocast_dtype(int device) {
  return static_cast<int>(on_cpu(device) ? at::autocast::get_autocast_cpu_dtype()
                                         : at::autocast::get_autocast_gpu_dtype());
}
ATT_EXPORT void att_set_autocast(int device, int enabled, int dtype) {
  if (on_cpu(device)) {
    at::autocast::set_cpu_enabled(enabled != 0);
    at::autocast::set_autocast_cpu_dtype(static_cast<at::ScalarType>(dtype));
  } else {
    at::autocast::set_enabled(enabled != 0);
    at::autocast::set_autocast_gpu_dtype(static_cast<at::ScalarType>(dtype));
  }
}
#endif

// Entering and leaving nest; the cache of casted weights is dropped when the outermost region ends.
ATT_EXPORT void att_autocast_enter() { at::autocast::increment_nesting(); }
ATT_EXPORT void att_autocast_leave() {
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
}
ATT_EXPORT int att_autocast_cache_enabled() { return at::autocast::is_autocast_cache_enabled(); }
ATT_EXPORT void att_set_autocast_cache_enabled(int value) { at::autocast::set_autocast_cache_enabled(value != 0); }

// --- hooks and custom functions --------------------------------------------------------------

// Calls `hook` with the gradient of the tensor; a handle left in *replacement takes its place. Returns the hook's id.
ATT_EXPORT int att_tensor_register_hook(AttTensor handle, int64_t id, HookCallback hook, ReleaseCallback released) {
  return guarded(-1, [&] {
    auto reference = std::make_shared<ManagedReference>(id, released);
    auto body = [reference, hook](const at::Tensor& grad) -> at::Tensor {
      AttTensor replacement = nullptr;
      if (hook(reference->id, release(grad), &replacement) != 0) throw std::runtime_error(last_error());
      if (replacement == nullptr) return grad;
      return at::Tensor(c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim(
          static_cast<c10::TensorImpl*>(replacement)));
    };
    return static_cast<int>(borrow(handle).register_hook(body));
  });
}

ATT_EXPORT int att_tensor_remove_hook(AttTensor handle, int hook) {
  return guarded(-1, [&] {
    borrow(handle).remove_hook(static_cast<unsigned>(hook));
    return 0;
  });
}

// A node that calls `backward` for the outputs of a custom function; owned by the caller until att_node_attach.
ATT_EXPORT void* att_node_create(const char* name, int64_t id, BackwardCallback backward, ReleaseCallback released,
                                 const AttTensor* inputs, int count) {
  return guarded<void*>(nullptr, [&]() -> void* {
    auto variables = borrow_list(inputs, count);
    auto* node = new std::shared_ptr<ManagedNode>(new ManagedNode(name, id, backward, released),
                                                  torch::autograd::deleteNode);
    (*node)->set_next_edges(torch::autograd::collect_next_edges(variables));
    return node;
  });
}

// Whether input i of the node wants a gradient.
ATT_EXPORT int att_node_wants(void* node, int input) {
  return (*static_cast<std::shared_ptr<ManagedNode>*>(node))->task_should_compute_output(input);
}

// Makes the outputs results of the node. An output that is marked dirty is an input changed in place; one that is
// not differentiable gets no history. Returns new handles, and gives the node up to the graph.
ATT_EXPORT int att_node_attach(void* node_handle, const AttTensor* outputs, int count, const uint8_t* dirty,
                               const uint8_t* non_differentiable, const AttTensor* saved, const uint8_t* saved_is_output,
                               int saved_count, AttTensor* results) {
  auto* owned = static_cast<std::shared_ptr<ManagedNode>*>(node_handle);
  std::shared_ptr<ManagedNode> node = *owned;
  delete owned;
  return guarded(-1, [&] {
    std::vector<std::pair<c10::TensorImpl*, at::Tensor>> renamed;
    for (int i = 0; i < count; i++) {
      at::Tensor output = borrow(outputs[i]);
      if (non_differentiable[i]) {
        if (!dirty[i]) output = output.detach();
        node->add_input_metadata(torch::autograd::Node::undefined_input());
      } else if (dirty[i]) {
        auto index = node->add_input_metadata(output);
        torch::autograd::impl::rebase_history(output, {node, index});
      } else {
        if (output.requires_grad() || output.grad_fn() || output.is_view()) output = output.view_as(output).detach();
        torch::autograd::set_history(output, node);
      }
      renamed.emplace_back(static_cast<c10::TensorImpl*>(outputs[i]), output);
      results[i] = release(output);
    }
    for (int i = 0; i < saved_count; i++) {
      at::Tensor tensor = borrow(saved[i]);
      if (saved_is_output[i])
        for (auto& pair : renamed)
          if (pair.first == saved[i]) tensor = pair.second;
      node->saved.emplace_back(tensor, saved_is_output[i] != 0);
    }
    return 0;
  });
}

ATT_EXPORT int att_node_saved_count(void* node) {
  return static_cast<int>(static_cast<ManagedNode*>(node)->saved.size());
}

// During backward: saved tensor i (null where none was), given the raw node that the callback received.
ATT_EXPORT int att_node_saved(void* node_pointer, int i, AttTensor* result) {
  return guarded(-1, [&] {
    auto* node = static_cast<ManagedNode*>(node_pointer);
    *result = release(node->saved[i].unpack(node->shared_from_this()));
    return 0;
  });
}

// During backward: whether the engine asks for the gradient of input i.
ATT_EXPORT int att_node_should_compute(void* node_pointer, int i) {
  return static_cast<ManagedNode*>(node_pointer)->task_should_compute_output(i);
}

// The name of the function that made the tensor, or an empty string for a leaf.
ATT_EXPORT const char* att_tensor_grad_fn(AttTensor handle) {
  static thread_local std::string name;
  return guarded<const char*>(nullptr, [&] {
    auto node = borrow(handle).grad_fn();
    name = node ? node->name() : "";
    return name.c_str();
  });
}
