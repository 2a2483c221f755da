#include "engines/cuda/cuda_executable.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <tuple>

#include "core/error.h"
#include "engines/cuda/functions.h"
#include "engines/cuda/graph.h"
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
      if (update_begin_ < 0 && operation.stage > 0 && operation.section == Section::update) {
        update_begin_ = static_cast<int64_t>(steps_.size());
      }
      steps_.push_back(make_step<T>({program_, operation, memory_}));
      operations_.push_back(index);
      for (int value : operation.outputs) {
        if (!writes(program_, operation, value)) continue;
        const bool is_state = program_.values[static_cast<size_t>(value)].storage == Storage::state;
        (is_state ? writes_states_ : writes_parameters_) = true;
      }
    }
    if (update_begin_ < 0) update_begin_ = static_cast<int64_t>(steps_.size());
    staging_.resize(program_.inputs.size());
    lent_.resize(program_.inputs.size());
    results_.resize(program_.outputs.size());
    seconds_.assign(program_.operations.size(), 0.0);
  }

  const Program& program() const override { return program_; }

  void reserve(int64_t rows) override {
    const std::lock_guard<std::recursive_mutex> lock(device_.mutex());
    Device::get();  // raises in a forked process
    if (rows <= memory_.reserved()) return;
    graphs_.clear();
    bound_rows_ = -1;
    memory_.reserve(rows);
    for (size_t i = 0; i < program_.inputs.size(); ++i) staging_[i].require(input_shape(i).size(rows));
    for (size_t i = 0; i < program_.outputs.size(); ++i) results_[i].require(output_shape(i).size(rows));
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
    const std::lock_guard<std::recursive_mutex> lock(device_.mutex());
    reserve(run.rows);
    run.feed->fill(run.feed->context, 0, run.rows);
    const cudaStream_t stream = device_.stream();
    *control_now_.data() = {run.key.seed, run.key.step, 0};
    copy(control_.data(), control_now_.data(), 1, cudaMemcpyHostToDevice);
    copy(memory_.scalars(), scalars_now_.data(), scalars_now_.size(), cudaMemcpyHostToDevice);
    for (size_t i = 0; i < program_.inputs.size(); ++i) {
      copy(memory_.at(program_.inputs[i]), input(static_cast<int>(i)), input_shape(i).size(run.rows),
           cudaMemcpyHostToDevice);
    }
    if (profiling_) {
      run_timed(run);
    } else {
      graph_for(run).launch(stream);
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

  std::vector<double> profile(bool enable) override {
    std::vector<double> measured = seconds_;
    profiling_ = enable;
    std::fill(seconds_.begin(), seconds_.end(), 0.0);
    return measured;
  }

 private:
  // What is captured differs by rows, by whether the update follows, and by which loss decides it.
  using GraphKey = std::tuple<int64_t, bool, int>;
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
    for (const StepPointer<T>& step : steps_) step->bind(rows);
    if (memory_.allocate_scratch()) graphs_.clear();
    bound_rows_ = rows;
  }

  const Graph& graph_for(const Run& run) {
    const GraphKey key{run.rows, run.update, run.loss};
    const auto found = graphs_.find(key);
    if (found != graphs_.end()) return found->second;
    bind(run.rows);
    if (graphs_.size() >= kMostGraphs) graphs_.clear();
    Graph graph = Graph::capture(device_.stream(), [&] {
      enqueue(0, update_begin_);
      inspect_loss(run.loss);
      if (run.update) enqueue(update_begin_, static_cast<int64_t>(steps_.size()));
    });
    return graphs_.emplace(key, std::move(graph)).first->second;
  }

  void enqueue(int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) steps_[static_cast<size_t>(i)]->enqueue(device_.stream());
  }

  void inspect_loss(int output) {
    if (output < 0) return;
    const T* const loss = memory_.at(program_.outputs[static_cast<size_t>(output)].second);
    launch(device_.stream(), 1, 1, inspect_loss_kernel<T>, loss, control_.data());
  }

  // Step by step, each of which is waited for.
  void run_timed(const Run& run) {
    bind(run.rows);
    device_.wait();
    const int64_t end = run.update ? static_cast<int64_t>(steps_.size()) : update_begin_;
    for (int64_t i = 0; i < end; ++i) {
      if (i == update_begin_) inspect_loss(run.loss);
      const auto start = std::chrono::steady_clock::now();
      enqueue(i, i + 1);
      device_.wait();
      seconds_[operations_[static_cast<size_t>(i)]] +=
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
  }

  Device& device_;
  const Program program_;
  Memory<T> memory_;
  DeviceBuffer<Control> control_;
  PinnedBuffer<Control> control_now_;
  PinnedBuffer<T> scalars_now_;
  std::vector<StepPointer<T>> steps_;
  std::vector<size_t> operations_;  // of each step
  int64_t update_begin_ = -1;       // the first step of the update
  bool writes_parameters_ = false, writes_states_ = false;
  std::vector<PinnedBuffer<T>> staging_, results_;  // for each input, each output
  std::vector<const T*> lent_;                      // for each input: where it is read instead
  int64_t bound_rows_ = -1;
  std::map<GraphKey, Graph> graphs_;
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
