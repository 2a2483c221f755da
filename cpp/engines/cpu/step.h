// One operation of a program, made ready to run on the CPU. A step is one or more phases, each of which
// begins when the one before is done; a phase is a number of chunks that threads share out. How a step is cut depends
// on its sizes alone, never on the number of threads, so the bits of a result do not either. A samplewise step can run
// over any range of samples instead: its bits do not depend on the cut.
#pragma once

#include <cstdint>
#include <memory>

#include "engines/cpu/memory.h"
#include "engines/executable.h"
#include "kernels/kernels.h"

namespace ganglion {

// Elements of one chunk where nothing else decides: some microseconds of work.
constexpr int64_t kChunkElements = 16384;

inline int64_t chunk_count(int64_t total, int64_t chunk) { return (total + chunk - 1) / chunk; }

template <class T>
class Step {
 public:
  virtual ~Step() = default;
  // Fixes sizes and addresses for a batch of `rows`; declares the scratch memory it needs. For the same rows once more
  // when addresses have changed.
  virtual void bind(int64_t rows) = 0;
  // For the same rows, when addresses have changed and little else.
  virtual void readdress(int64_t rows) { bind(rows); }
  virtual int phases() const { return 1; }
  virtual int64_t chunks(int phase) const = 0;
  virtual void run(int phase, int64_t chunk, int thread, const RunKey& key) = 0;
  // Samplewise steps: prepares for ranges of `fewest` or `fewest + 1` samples of the batch bound last, and runs one.
  virtual void bind_range(int64_t) {}
  virtual void run_range(const Range&, const RunKey&) {}
  // Of the memory that is the step's own.
  virtual int64_t own_elements() const { return 0; }
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
  // Elements from there to where sample 0 of the batch would be.
  int64_t shift(int value, const Range& range) const { return memory.shift(memory.local_sample(value), range); }
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
StepPointer<T> make_convolution_weight_step(const StepSource<T>& source);
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
StepPointer<T> make_call_step(const StepSource<T>& source);
template <class T>
StepPointer<T> make_routing_step(const StepSource<T>& source);
template <class T>
StepPointer<T> make_routing_weight_step(const StepSource<T>& source);
template <class T>
StepPointer<T> make_scan_step(const StepSource<T>& source);

// The step of any operation.
template <class T>
StepPointer<T> make_step(const StepSource<T>& source);

}  // namespace ganglion
