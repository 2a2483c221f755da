// call: the batch goes to the host, where a function from outside makes of it what comes back.
#pragma once

#include <vector>

#include "engines/cuda/step.h"
#include "program/foreign.h"

namespace ganglion::cuda {

template <class T>
class Call {
 public:
  explicit Call(const StepSource<T>& source)
      : source_(source), operands_(source.operation.inputs.size()), results_(source.operation.outputs.size()) {}

  void bind(int64_t rows) {
    rows_ = rows;
    for (size_t i = 0; i < operands_.size(); ++i) operands_[i].require(source_.shape(source_.input(i)).size(rows));
    for (size_t i = 0; i < results_.size(); ++i) results_[i].require(source_.shape(source_.output(i)).size(rows));
  }

  // `lock`: of the device, which is given up while the function runs, since that may wait for who wants it.
  template <class Lock>
  void run(Device& device, Lock& lock) {
    std::vector<Foreign::Operand> operands;
    std::vector<Foreign::Result> results;
    for (size_t i = 0; i < operands_.size(); ++i) {
      const int value = source_.input(i);
      copy(operands_[i].data(), source_.at(value), source_.shape(value).size(rows_), cudaMemcpyDeviceToHost, device);
      operands.push_back({operands_[i].data(), extents(value), nullptr});
    }
    for (size_t i = 0; i < results_.size(); ++i) results.push_back({results_[i].data(), extents(source_.output(i))});
    device.wait();
    lock.unlock();
    source_.operation.foreign->run(operands, results, sizeof(T) == sizeof(float));
    lock.lock();
    for (size_t i = 0; i < results_.size(); ++i) {
      const int value = source_.output(i);
      copy(source_.at(value), results_[i].data(), source_.shape(value).size(rows_), cudaMemcpyHostToDevice, device);
    }
  }

 private:
  static void copy(T* to, const T* from, int64_t count, cudaMemcpyKind kind, Device& device) {
    check_cuda(cudaMemcpyAsync(to, from, static_cast<size_t>(count) * sizeof(T), kind, device.stream()),
               "copying what a function reads");
  }

  std::vector<int64_t> extents(int value) const {
    const Shape& shape = source_.shape(value);
    std::vector<int64_t> all;
    for (int axis = 0; axis < shape.rank(); ++axis) all.push_back(shape.extent(axis, rows_));
    return all;
  }

  StepSource<T> source_;
  std::vector<PinnedBuffer<T>> operands_, results_;
  int64_t rows_ = 0;
};

}  // namespace ganglion::cuda
