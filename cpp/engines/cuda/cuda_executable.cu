#include <algorithm>
#include <chrono>
#include <map>
#include <tuple>

#include "core/error.h"
#include "engines/cuda/call.h"
#include "engines/cuda/cuda_executable.h"
#include "engines/cuda/functions.h"
#include "engines/cuda/graph.h"
#include "engines/cuda/held.h"
#include "engines/cuda/step.h"
#include "program/passes.h"
#include "program/rule.h"

namespace ganglion::cuda {

namespace {

// Behind the gradient: whether the update may follow.
template <class T>
__global__ void inspect_loss_kernel(const T* loss, Control* control) {
  if (Functions<T>::is_finite(*loss) == T{0}) control->stopped = 1;
}

using Lock = std::unique_lock<std::recursive_mutex>;

template <class T>
class CudaExecutable : public Executable<T> {
 public:
  CudaExecutable(Program program, const Buffers& buffers)
      : device_(Device::get()),
        program_(with_expressions(std::move(program))),
        memory_(program_, buffers),
        control_(1),
        control_now_(1),
        scalars_now_(static_cast<int64_t>(program_.scalars.size())) {
    check(program_.parameters == 0 || buffers.parameters, "[cuda] the program needs a buffer of weights");
    check(program_.states == 0 || buffers.states, "[cuda] the program needs a buffer of optimizer state");
    memory_.control = control_.data();
    for (size_t index = 0; index < program_.operations.size(); ++index) {
      const Operation& operation = program_.operations[index];
      if (operation.kind != "expression" && find_rule(operation.kind).view) continue;
      if (!updates_ && operation.stage > 0 && operation.section == Section::update) {
        updates_ = true;
        update_begin_ = steps_.size();
      }
      const StepSource<T> source{program_, operation, memory_};
      steps_.push_back(operation.foreign ? nullptr : make_step<T>(source));
      calls_.push_back(operation.foreign ? std::make_unique<Call<T>>(source) : nullptr);
      has_calls_ = has_calls_ || operation.foreign;
      operations_.push_back(index);
      for (int value : operation.outputs) {
        if (!writes(program_, operation, value)) continue;
        const bool is_state = program_.values[static_cast<size_t>(value)].storage == Storage::state;
        (is_state ? writes_states_ : writes_parameters_) = true;
      }
    }
    if (!updates_) update_begin_ = steps_.size();
    staging_.resize(program_.inputs.size());
    lent_.resize(program_.inputs.size());
    results_.resize(program_.outputs.size());
    seconds_.assign(program_.operations.size(), 0.0);
  }

  const Program& program() const override { return program_; }

  void reserve(int64_t rows) override {
    Lock lock(device_.mutex());
    Device::get();  // raises in a forked process
    if (rows <= memory_.reserved()) return;
    captured_.clear();
    bound_rows_ = -1;
    memory_.reserve(rows);
    for (size_t i = 0; i < program_.inputs.size(); ++i) staging_[i].require(input_shape(i).size(rows));
    for (size_t i = 0; i < program_.outputs.size(); ++i) results_[i].require(output_shape(i).size(rows));
    bind(rows);  // so that what steps own is as large as it will be
  }

  T* input(int index) override {
    const size_t i = static_cast<size_t>(index);
    return lent_[i] ? const_cast<T*>(lent_[i]) : staging_[i].data();
  }
  void lend_input(int index, const T* where) override { lent_[static_cast<size_t>(index)] = where; }
  bool announce_input(int, const T* const*, int64_t) override { return false; }
  void set_scalar(int index, double value) override { scalars_now_.data()[index] = static_cast<T>(value); }
  const T* output(int index) const override { return results_[static_cast<size_t>(index)].data(); }
  int64_t arena_bytes() const override { return memory_.elements() * static_cast<int64_t>(sizeof(T)); }

  void begin_runs() override {
    Device::get();
    if (memory_.parameters()) memory_.parameters()->begin();
    try {
      if (memory_.states()) memory_.states()->begin();
    } catch (...) {
      if (memory_.parameters()) memory_.parameters()->end(false);
      throw;
    }
  }
  void end_runs() override {
    if (memory_.states()) memory_.states()->end(writes_states_);
    if (memory_.parameters()) memory_.parameters()->end(writes_parameters_);
  }

  Ending run(const Run& run) override {
    Lock lock(device_.mutex());
    reserve(run.rows);
    run.feed->fill(run.feed->context, 0, run.rows);
    start_control({run.key.seed, run.key.step, 0, 0, 0, 0});
    copy(memory_.scalars(), scalars_now_.data(), scalars_now_.size(), cudaMemcpyHostToDevice);
    for (size_t i = 0; i < program_.inputs.size(); ++i) {
      copy(memory_.at(program_.inputs[i]), input(static_cast<int>(i)), input_shape(i).size(run.rows),
           cudaMemcpyHostToDevice);
    }
    if (profiling_) {
      run_timed(run, lock);
    } else {
      start(captured_for({run.rows, run.update, run.loss, false}), lock);
    }
    for (size_t i = 0; i < program_.outputs.size(); ++i) {
      copy(results_[i].data(), memory_.at(program_.outputs[i].second), output_shape(i).size(run.rows),
           cudaMemcpyDeviceToHost);
    }
    copy(control_now_.data(), control_.data(), 1, cudaMemcpyDeviceToHost);
    device_.wait();
    run.feed->inspect(run.feed->context, 0, run.rows);
    return control_now_.data()->stopped ? Ending::not_finite : Ending::done;
  }

  bool hold(const Samples<T>& samples) override {
    if (profiling_ || has_calls_) return false;
    Lock lock(device_.mutex());
    Device::get();
    captured_.clear();
    try {
      return held_.hold(samples, program_);
    } catch (const OutOfMemory&) {
      held_.let_go();
      return false;
    }
  }
  const void* holder() const override { return held_.owner(); }
  void let_go() override {
    Lock lock(device_.mutex());
    held_.let_go();
    captured_.clear();
  }
  void set_order(const uint32_t* order) override {
    Lock lock(device_.mutex());
    held_.set_order(order);
  }

  SeriesDone run_series(const Series& series) override {
    Lock lock(device_.mutex());
    reserve(series.rows);
    const cudaStream_t stream = device_.stream();
    held_.prepare(series);
    start_control({series.key.seed, series.key.step, series.first, 0, held_.is_ordered() ? 1 : 0, 0});
    for (int64_t run = 0; run < series.count; ++run) {
      const uint64_t number = series.key.step + static_cast<uint64_t>(run) + 1;
      const bool update = series.update && number % static_cast<uint64_t>(series.accumulation) == 0;
      start(captured_for({series.rows, update, series.loss, true}), lock);
    }
    held_.fetch(stream, series.count);
    copy(control_now_.data(), control_.data(), 1, cudaMemcpyDeviceToHost);
    device_.wait();
    const Control& control = *control_now_.data();
    return {control.run, control.stopped ? Ending::not_finite : Ending::done};
  }
  const T* series_output(int64_t run, int index) const override { return held_.output(run, index); }

  std::vector<double> profile(bool enable) override {
    std::vector<double> measured = seconds_;
    profiling_ = enable;
    std::fill(seconds_.begin(), seconds_.end(), 0.0);
    return measured;
  }

 private:
  // What is captured differs by rows, by whether the update follows and which loss decides it, and by whether the step
  // takes its batch from samples that are held.
  using GraphKey = std::tuple<int64_t, bool, int, bool>;
  static constexpr size_t kMostGraphs = 8;

  const Shape& input_shape(size_t i) const { return program_.shape(program_.inputs[i]); }
  const Shape& output_shape(size_t i) const { return program_.shape(program_.outputs[i].second); }

  template <class Item>
  void copy(Item* to, const Item* from, int64_t count, cudaMemcpyKind kind) const {
    if (count == 0) return;
    check_cuda(cudaMemcpyAsync(to, from, static_cast<size_t>(count) * sizeof(Item), kind, device_.stream()),
               "copying a batch");
  }

  void bind(int64_t rows) {
    if (bound_rows_ == rows) return;
    bound_rows_ = -1;
    for (size_t i = 0; i < steps_.size(); ++i) {
      if (steps_[i]) {
        steps_[i]->bind(rows);
      } else {
        calls_[i]->bind(rows);
      }
    }
    if (memory_.allocate_scratch()) captured_.clear();
    bound_rows_ = rows;
  }

  // Graphs, with a call behind each but the last.
  struct Captured {
    std::vector<Graph> graphs;
    std::vector<size_t> calls;
  };

  const Captured& captured_for(const GraphKey& key) {
    const auto found = captured_.find(key);
    if (found != captured_.end()) return found->second;
    const auto& [rows, update, loss, is_held] = key;
    device_.wait();  // graphs that run may be dropped
    bind(rows);
    if (captured_.size() >= kMostGraphs) captured_.clear();
    Captured made;
    size_t at = 0;
    for (const size_t end = update ? steps_.size() : update_begin_; made.graphs.size() == made.calls.size(); ++at) {
      made.graphs.push_back(Graph::capture(device_.stream(), [&, this, loss = loss, rows = rows, is_held = is_held] {
        if (at == 0 && is_held) held_.enqueue_batch(device_.stream(), program_, memory_, rows);
        for (; at < end; ++at) {
          if (at == update_begin_) inspect_loss(loss);
          if (!steps_[at]) return;
          steps_[at]->enqueue(device_.stream());
        }
        if (end == update_begin_) inspect_loss(loss);
        if (is_held) held_.enqueue_record(device_.stream(), program_, memory_, control_.data(), rows);
      }));
      if (at < end) made.calls.push_back(at);
    }
    return captured_.emplace(key, std::move(made)).first->second;
  }

  void start(const Captured& captured, Lock& lock) {
    for (size_t i = 0; i < captured.graphs.size(); ++i) {
      captured.graphs[i].launch(device_.stream());
      if (i < captured.calls.size()) calls_[captured.calls[i]]->run(device_, lock);
    }
  }

  void start_control(const Control& control) {
    *control_now_.data() = control;
    copy(control_.data(), control_now_.data(), 1, cudaMemcpyHostToDevice);
  }

  void inspect_loss(int output) {
    if (output < 0) return;
    const T* const loss = memory_.at(program_.outputs[static_cast<size_t>(output)].second);
    launch(device_.stream(), 1, 1, inspect_loss_kernel<T>, loss, control_.data());
  }

  // Step by step, each of which is waited for.
  void run_timed(const Run& run, Lock& lock) {
    bind(run.rows);
    device_.wait();
    const size_t end = run.update ? steps_.size() : update_begin_;
    for (size_t i = 0; i < end; ++i) {
      if (i == update_begin_) inspect_loss(run.loss);
      const auto start = std::chrono::steady_clock::now();
      if (steps_[i]) {
        steps_[i]->enqueue(device_.stream());
      } else {
        calls_[i]->run(device_, lock);
      }
      device_.wait();
      seconds_[operations_[i]] += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
  }

  Device& device_;
  const Program program_;
  Memory<T> memory_;
  DeviceBuffer<Control> control_;
  PinnedBuffer<Control> control_now_;
  PinnedBuffer<T> scalars_now_;
  std::vector<StepPointer<T>> steps_;
  std::vector<std::unique_ptr<Call<T>>> calls_;  // where there is no step
  bool has_calls_ = false;
  std::vector<size_t> operations_;  // of each step
  size_t update_begin_ = 0;         // the first step of the update
  bool updates_ = false;            // there is one
  bool writes_parameters_ = false, writes_states_ = false;
  std::vector<PinnedBuffer<T>> staging_, results_;  // for each input, each output
  std::vector<const T*> lent_;                      // for each input: where it is read instead
  int64_t bound_rows_ = -1;
  std::map<GraphKey, Captured> captured_;
  HeldSamples<T> held_;
  bool profiling_ = false;
  std::vector<double> seconds_;  // of each operation
};

}  // namespace

template <class T>
std::unique_ptr<Executable<T>> make_cuda_executable(Program program, const Buffers& buffers) {
  return std::make_unique<CudaExecutable<T>>(std::move(program), buffers);
}

template std::unique_ptr<Executable<float>> make_cuda_executable(Program, const Buffers&);
template std::unique_ptr<Executable<double>> make_cuda_executable(Program, const Buffers&);

}  // namespace ganglion::cuda
