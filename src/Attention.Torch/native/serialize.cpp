// Tensors in PyTorch's own file format: a TorchScript archive.
#include <torch/serialize.h>

#include "errors.h"
#include "handles.h"

using attention::borrow;
using attention::guarded;

ATT_EXPORT int att_tensor_save(AttTensor handle, const char* path) {
  return guarded(-1, [&] {
    torch::save(borrow(handle), path);
    return 0;
  });
}

ATT_EXPORT AttTensor att_tensor_load(const char* path) {
  return guarded<AttTensor>(nullptr, [&] {
    at::Tensor tensor;
    torch::load(tensor, path);
    return attention::release(std::move(tensor));
  });
}
