// CUDA's runtime, its errors as exceptions, and the launch of a kernel. Tests compile the same sources against
// emulated/cuda_runtime.h.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>

namespace ganglion::cuda {

constexpr int kThreads = 256;  // of a block, where nothing else decides
constexpr int kWarp = 32;

class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::string text) : text_(std::move(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

// Raises std::runtime_error: "[cuda] the device failed while ...".
void check_cuda(cudaError_t error, const char* doing);

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

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
}

// What kernels read of the run at hand, in memory of the device, so that a captured graph need not change.
struct Control {
  uint64_t seed, step;
  int64_t position;  // of the batch in the order of held samples
  int64_t run;       // of a series
  int32_t ordered;   // there is an order; otherwise samples come as they lie
  int32_t stopped;   // a loss was not finite: weights and state stay as they are
};

#define GANGLION_DEVICE __device__ __forceinline__
#if defined(__CUDACC__)
#define GANGLION_DEVICE_CALL __device__ __noinline__  // one copy, however many kernels and places call it
#else
#define __grid_constant__
#define GANGLION_DEVICE_CALL inline
#endif

GANGLION_DEVICE int64_t thread_of_grid() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + static_cast<int64_t>(threadIdx.x);
}
GANGLION_DEVICE int64_t threads_of_grid() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

}  // namespace ganglion::cuda
