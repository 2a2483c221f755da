// Kernels and copies that were captured once and are started together.
#pragma once

#include <utility>

#include "engines/cuda/device.h"

namespace ganglion::cuda {

class Graph {
 public:
  Graph() = default;
  // What `work` gives to the stream. Relaxed, since kernels may be loaded when they are first captured.
  template <class Work>
  static Graph capture(cudaStream_t stream, Work work) {
    check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "capturing a step");
    cudaGraph_t captured = nullptr;
    try {
      work();
    } catch (...) {
      cudaStreamEndCapture(stream, &captured);
      if (captured) cudaGraphDestroy(captured);
      throw;
    }
    check_cuda(cudaStreamEndCapture(stream, &captured), "capturing a step");
    Graph graph;
    const cudaError_t made = cudaGraphInstantiate(&graph.executable_, captured, 0);
    cudaGraphDestroy(captured);
    check_cuda(made, "making a graph of a step");
    return graph;
  }
  ~Graph() {
    if (executable_) cudaGraphExecDestroy(executable_);
  }
  Graph(Graph&& other) noexcept { std::swap(executable_, other.executable_); }
  Graph& operator=(Graph&& other) noexcept {
    std::swap(executable_, other.executable_);
    return *this;
  }

  void launch(cudaStream_t stream) const { check_cuda(cudaGraphLaunch(executable_, stream), "starting a step"); }

 private:
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace ganglion::cuda
