// CUDA's runtime, and its errors as exceptions. Tests compile the same sources against emulated/cuda_runtime.h.
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

// Kernels that were started or captured in this process: what a step costs in launches, for benchmarks.
int64_t count_kernels();
void count_kernel();

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// What kernels read of the run at hand, in memory of the device, so that a captured graph need not change.
struct Control {
  uint64_t seed, step;
  int64_t position;  // of the batch in the order of held samples
  int64_t run;       // of a series
  int32_t ordered;   // there is an order; otherwise samples come as they lie
  int32_t stopped;   // a loss was not finite: weights and state stay as they are
};

}  // namespace ganglion::cuda
