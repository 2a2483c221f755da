// The part of CUDA that the engine uses, on the processor: kernels are the same source, compiled by the host's
// compiler. For tests alone. What it is strict about:
//
//   - A stream does nothing before somebody waits for it, so that a missing wait shows.
//   - Device memory can be touched only while a stream runs, ends at a page that cannot, and holds NaN at first.
//   - Threads of a block are fibers that change places at barriers alone; GANGLION_EMULATED_ORDER=reversed starts
//   blocks
//     and threads from the last to the first: where a barrier is missing, results differ.
//   - A graph replays what was captured, with the arguments as they were.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorLaunchFailure = 719
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaStreamCaptureMode { cudaStreamCaptureModeRelaxed = 2 };
constexpr unsigned cudaStreamNonBlocking = 1;

namespace emulated {

using Work = std::function<void()>;
struct Stream {
  std::vector<Work> waiting;
  bool captures = false;
  std::vector<Work> captured;
};

extern dim3 thread_index, block_index, block_size, grid_size;

// Runs a kernel for all threads of all blocks.
void run_grid(dim3 grid, dim3 block, const Work& kernel);
void wait_for_block();
// The value of another lane of the warp.
uint64_t exchange(uint64_t mine, int lane);
int lane_of_thread();
cudaError_t enqueue(Stream* stream, Work work);

}  // namespace emulated

#define threadIdx (emulated::thread_index)
#define blockIdx (emulated::block_index)
#define blockDim (emulated::block_size)
#define gridDim (emulated::grid_size)

using cudaStream_t = emulated::Stream*;
using cudaGraph_t = std::vector<emulated::Work>*;
using cudaGraphExec_t = std::vector<emulated::Work>*;

struct cudaDeviceProp {
  char name[256];
  int major, minor;
};

const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetLastError();
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaMalloc(void** memory, size_t bytes);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
cudaError_t cudaFree(void* memory);
cudaError_t cudaMallocHost(void** memory, size_t bytes);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);

// What kernels call.

inline void __syncthreads() { emulated::wait_for_block(); }

template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = emulated::exchange(bits, emulated::lane_of_thread() ^ mask);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline int atomicAdd(int* to, int value) {
  const int before = *to;
  *to += value;
  return before;
}

float sinpif(float x);
float cospif(float x);
double sinpi(double x);
double cospi(double x);
