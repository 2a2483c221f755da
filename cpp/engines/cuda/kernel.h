// What files with kernels need beside the runtime: words for functions of the device, and the launch of a kernel.
#pragma once

#include "engines/cuda/runtime.h"

#define GANGLION_DEVICE __device__ __forceinline__
#if defined(__CUDACC__)
#define GANGLION_DEVICE_CALL __device__ __noinline__  // one copy, however many kernels and places call it
#else
#define __grid_constant__
#define GANGLION_DEVICE_CALL inline
#endif

namespace ganglion::cuda {

template <class... Parameters, class... Arguments>
void launch(cudaStream_t stream, int64_t blocks, int threads, void (*kernel)(Parameters...),
            const Arguments&... arguments) {
  if (blocks == 0) return;
  dim3 grid, block;
  grid.x = static_cast<unsigned>(blocks);
  block.x = static_cast<unsigned>(threads);
#if defined(__CUDACC__)
  kernel<<<grid, block, 0, stream>>>(static_cast<Parameters>(arguments)...);
#else
  emulated::enqueue(stream, [=] { emulated::run_grid(grid, block, [&] { kernel(arguments...); }); });
#endif
  check_cuda(cudaGetLastError(), "starting a kernel");
  count_kernel();
}

GANGLION_DEVICE int64_t thread_of_grid() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + static_cast<int64_t>(threadIdx.x);
}
GANGLION_DEVICE int64_t threads_of_grid() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

}  // namespace ganglion::cuda
