// A step runs one operation on the device: kernels that are given to the stream.
#pragma once

#include <memory>

#include "engines/cuda/memory.h"

namespace ganglion::cuda {

template <class T>
class Step {
 public:
  virtual ~Step() = default;
  // Fixes sizes and addresses for a batch of `rows`; says what scratch memory it needs.
  virtual void bind(int64_t rows) = 0;
  virtual void enqueue(cudaStream_t stream) = 0;
};

// What a step is made from; outlives it.
template <class T>
struct StepSource {
  const Program& program;
  const Operation& operation;
  Memory<T>& memory;

  int input(size_t i) const { return operation.inputs[i]; }
  int output(size_t i = 0) const { return operation.outputs[i]; }
  const Shape& shape(int value) const { return program.shape(value); }
  T* at(int value) const { return memory.at(value); }
};

template <class T>
using StepPointer = std::unique_ptr<Step<T>>;

template <class T>
StepPointer<T> make_expression_step(const StepSource<T>& source);
template <class T>
StepPointer<T> make_matmul_step(const StepSource<T>& source);
template <class T>
StepPointer<T> make_convolution_step(const StepSource<T>& source);
template <class T>
StepPointer<T> make_reduction_step(const StepSource<T>& source);
template <class T>
StepPointer<T> make_row_step(const StepSource<T>& source);
template <class T>
StepPointer<T> make_pooling_step(const StepSource<T>& source);
template <class T>
StepPointer<T> make_layout_step(const StepSource<T>& source);
template <class T>
StepPointer<T> make_resampling_step(const StepSource<T>& source);
template <class T>
StepPointer<T> make_take_step(const StepSource<T>& source);
template <class T>
StepPointer<T> make_routing_step(const StepSource<T>& source);
template <class T>
StepPointer<T> make_scan_step(const StepSource<T>& source);

// The step of any operation; raises Error for one that the device cannot run.
template <class T>
StepPointer<T> make_step(const StepSource<T>& source);

}  // namespace ganglion::cuda
