// Work for libtorch's threads.
#pragma once

#include <ATen/Parallel.h>

#include <cstdint>
#include <vector>

namespace attention {

// Calls body(i) for every i below count. Idle threads take the next one, so that a core which is busy with something else
// does not hold up the rest.
template <typename Body>
void share_out(int64_t count, const Body& body) {
  const int threads = at::get_num_threads();
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1 && count > 1)
  for (int64_t i = 0; i < count; i++) body(i);
}

}  // namespace attention
