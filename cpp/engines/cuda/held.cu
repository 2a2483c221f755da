#include <algorithm>

#include "core/error.h"
#include "engines/cuda/held.h"
#include "engines/cuda/kernel.h"

namespace ganglion::cuda {

namespace {

constexpr int64_t kMostBlocks = 2048;
constexpr int kMostValues = 32;            // inputs, or outputs, of a program
constexpr int64_t kChunkBytes = 16 << 20;  // that are copied to the device at once
constexpr double kMostOfMemory = 0.5;

template <class T>
struct Batch {
  int32_t inputs, scalars;
  int64_t rows;
  const uint32_t* order;
  const T* from[kMostValues];
  T* to[kMostValues];
  int64_t sample[kMostValues];
  int32_t batched[kMostValues];
  const T* given;  // scalars of each run
  T* scalar;
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    batch_kernel(const __grid_constant__ Batch<T> batch, const Control* control) {
  for (int i = 0; i < batch.inputs; ++i) {
    const int64_t sample = batch.sample[i];
    const int64_t elements = batch.batched[i] ? batch.rows * sample : sample;
    for (int64_t at = thread_of_grid(); at < elements; at += threads_of_grid()) {
      int64_t row = at / sample;
      if (batch.batched[i]) {
        row += control->position;
        if (control->ordered) row = batch.order[row];
      }
      batch.to[i][at] = batch.from[i][row * sample + at % sample];
    }
  }
  for (int64_t at = thread_of_grid(); at < batch.scalars; at += threads_of_grid()) {
    batch.scalar[at] = batch.given[control->run * batch.scalars + at];
  }
}

template <class T>
struct Record {
  int32_t outputs;
  int64_t rows, size;
  const T* from[kMostValues];
  int64_t count[kMostValues];
  T* to;
};

// One block: all of it reads which run this is before one thread counts on.
template <class T>
__global__ void __launch_bounds__(kThreads) record_kernel(const __grid_constant__ Record<T> record, Control* control) {
  const int64_t run = control->run;
  const bool stopped = control->stopped != 0;
  __syncthreads();
  if (stopped) return;
  T* to = record.to + run * record.size;
  for (int i = 0; i < record.outputs; ++i) {
    for (int64_t at = threadIdx.x; at < record.count[i]; at += kThreads) to[at] = record.from[i][at];
    to += record.count[i];
  }
  if (threadIdx.x == 0) {
    control->run = run + 1;
    control->step += 1;
    control->position += record.rows;
  }
}

}  // namespace

template <class T>
bool HeldSamples<T>::hold(const Samples<T>& samples, const Program& program) {
  let_go();
  if (program.inputs.size() > kMostValues || program.outputs.size() > kMostValues || samples.rows > UINT32_MAX) {
    return false;
  }
  int64_t elements = 0, widest = 1, record = 0;
  for (int value : program.inputs) {
    elements += program.shape(value).size(samples.rows);
    widest = std::max(widest, program.shape(value).sample_size());
  }
  for (const auto& [name, value] : program.outputs) {
    if (program.shape(value).batched) return false;
    offsets_.push_back(record);
    record += program.shape(value).sample_size();
  }
  const int64_t bytes = (elements + Series::kMostRuns * record) * int64_t{sizeof(T)};
  size_t free = 0, total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "asking for its memory");
  if (static_cast<double>(bytes) > kMostOfMemory * static_cast<double>(free)) {
    let_go();
    return false;
  }
  rows_ = samples.rows;
  record_size_ = record;
  scalar_count_ = static_cast<int64_t>(program.scalars.size());
  record_.require(Series::kMostRuns * record_size_);
  record_now_.require(Series::kMostRuns * record_size_);
  scalars_.require(Series::kMostRuns * scalar_count_);
  scalars_now_.require(Series::kMostRuns * scalar_count_);
  order_.require(rows_);
  order_now_.require(rows_);
  Device& device = Device::get();
  const int64_t chunk = std::max(widest, kChunkBytes / int64_t{sizeof(T)});
  PinnedBuffer<T> staging(chunk);
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const Shape& shape = program.shape(program.inputs[i]);
    inputs_.emplace_back(shape.size(rows_));
    const int64_t sample = shape.sample_size(), all = shape.batched ? rows_ : 1, at_once = chunk / sample;
    for (int64_t first = 0; first < all; first += at_once) {
      const int64_t count = std::min(at_once, all - first);
      samples.read(samples.context, static_cast<int>(i), staging.data(), first, count);
      check_cuda(
          cudaMemcpyAsync(inputs_[i].data() + first * sample, staging.data(),
                          static_cast<size_t>(count * sample) * sizeof(T), cudaMemcpyHostToDevice, device.stream()),
          "copying the data set to it");
      device.wait();
    }
  }
  owner_ = samples.owner;
  return true;
}

template <class T>
void HeldSamples<T>::set_order(const uint32_t* order) {
  ordered_ = order != nullptr;
  if (!ordered_) return;
  Device& device = Device::get();
  std::copy_n(order, rows_, order_now_.data());
  check_cuda(cudaMemcpyAsync(order_.data(), order_now_.data(), static_cast<size_t>(rows_) * sizeof(uint32_t),
                             cudaMemcpyHostToDevice, device.stream()),
             "copying the order of samples to it");
  device.wait();
}

template <class T>
void HeldSamples<T>::prepare(const Series& series) {
  for (int64_t run = 0; run < series.count; ++run) {
    for (int64_t i = 0; i < scalar_count_; ++i) {
      scalars_now_.data()[run * scalar_count_ + i] = static_cast<T>(series.scalars[static_cast<size_t>(i)][run]);
    }
  }
  if (scalar_count_ == 0) return;
  check_cuda(cudaMemcpyAsync(scalars_.data(), scalars_now_.data(),
                             static_cast<size_t>(series.count * scalar_count_) * sizeof(T), cudaMemcpyHostToDevice,
                             Device::get().stream()),
             "copying numbers to it");
}

template <class T>
void HeldSamples<T>::enqueue_batch(cudaStream_t stream, const Program& program, const Memory<T>& memory,
                                   int64_t rows) const {
  Batch<T> batch{};
  batch.rows = rows;
  batch.order = order_.data();
  batch.scalars = static_cast<int32_t>(scalar_count_);
  batch.given = scalars_.data();
  batch.scalar = memory.scalars();
  int64_t longest = 1;
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const Shape& shape = program.shape(program.inputs[i]);
    batch.from[batch.inputs] = inputs_[i].data();
    batch.to[batch.inputs] = memory.at(program.inputs[i]);
    batch.sample[batch.inputs] = shape.sample_size();
    batch.batched[batch.inputs++] = shape.batched ? 1 : 0;
    longest = std::max(longest, shape.size(rows));
  }
  launch(stream, std::min(divide_up(longest, kThreads), kMostBlocks), kThreads, batch_kernel<T>, batch, memory.control);
}

template <class T>
void HeldSamples<T>::enqueue_record(cudaStream_t stream, const Program& program, const Memory<T>& memory,
                                    Control* control, int64_t rows) const {
  Record<T> record{};
  record.rows = rows;
  record.size = record_size_;
  record.to = record_.data();
  for (const auto& [name, value] : program.outputs) {
    record.from[record.outputs] = memory.at(value);
    record.count[record.outputs++] = program.shape(value).sample_size();
  }
  launch(stream, 1, kThreads, record_kernel<T>, record, control);
}

template <class T>
void HeldSamples<T>::fetch(cudaStream_t stream, int64_t runs) {
  if (record_size_ == 0) return;
  check_cuda(cudaMemcpyAsync(record_now_.data(), record_.data(), static_cast<size_t>(runs * record_size_) * sizeof(T),
                             cudaMemcpyDeviceToHost, stream),
             "copying outputs from it");
}

template class HeldSamples<float>;
template class HeldSamples<double>;

}  // namespace ganglion::cuda
