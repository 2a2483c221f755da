// Runs a program on the CPU: on the calling thread while it is small, otherwise as one parallel region in which every
// thread walks through the same phases.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "core/thread_pool.h"
#include "engines/cpu/phases.h"
#include "engines/cpu/step.h"
#include "program/loop.h"
#include "program/passes.h"
#include "program/rule.h"

namespace ganglion {

namespace {

// Floating point operations and bytes below which a run stays on the calling thread: calling a second thread
// and fetching what it wrote costs as much as it would save. Of too few samples for ranges threads share each
// operation, and meet after each.
constexpr int64_t kParallelWork = 1'500'000, kParallelWorkOfFew = 8'000'000;

// GANGLION_SHARE_ALL=1 has threads share runs of any size; tests have several meet in small programs so.
bool shares_all() {
  const char* const setting = std::getenv("GANGLION_SHARE_ALL");
  return setting && std::string(setting) == "1";
}

// Work of a run that may take so long, some milliseconds, that somebody could want to end it.
constexpr int64_t kWatchedWork = 1'000'000'000;

template <class T>
class CpuExecutable : public Executable<T> {
 public:
  CpuExecutable(Program program, const Buffers& buffers)
      : program_(with_expressions(std::move(program))), memory_(program_, buffers) {
    check(program_.parameters == 0 || buffers.parameters, "[cpu] the program needs a buffer of weights");
    check(program_.states == 0 || buffers.states, "[cpu] the program needs a buffer of optimizer state");
    seconds_.assign(program_.operations.size(), 0.0);
    for (int value : program_.inputs) {
      asks_.push_back(
          std::any_of(program_.operations.begin(), program_.operations.end(), [&](const Operation& operation) {
            return operation.kind == "matmul" && operation.inputs[0] == value &&
                   !attribute_int(operation, "transpose_a");
          }));
    }
    for (Binding& binding : bindings_) {
      for (size_t i = 0; i < program_.operations.size(); ++i) {
        const Operation& operation = program_.operations[i];
        if (operation.kind != "expression" && find_rule(operation.kind).view) continue;
        binding.steps.push_back({make_step<T>({program_, operation, memory_}), i});
      }
    }
  }

  const Program& program() const override { return program_; }

  void reserve(int64_t rows) override {
    if (rows > memory_.reserved()) {
      memory_.reserve(rows);
      for (Binding& binding : bindings_) binding.rows = -1;
    }
    bound_to(rows);
  }

  T* input(int index) override { return memory_.at(program_.inputs[static_cast<size_t>(index)]); }
  void lend_input(int index, const T* where) override {
    memory_.lend(program_.inputs[static_cast<size_t>(index)], {const_cast<T*>(where), 0, where != nullptr});
    ++inputs_;
  }
  bool announce_input(int index, const T* const* rows, int64_t count) override {
    const bool asks = asks_[static_cast<size_t>(index)];
    if (asks) memory_.announce(program_.inputs[static_cast<size_t>(index)], {rows, count});
    return asks;
  }
  void set_scalar(int index, double value) override { memory_.set_scalar(index, value); }
  const T* output(int index) const override { return memory_.at(program_.outputs[static_cast<size_t>(index)].second); }
  int64_t arena_bytes() const override {
    int64_t elements = memory_.elements();
    for (const Binding& binding : bindings_) {
      for (const BoundStep<T>& bound : binding.steps) elements += bound.step->own_elements();
    }
    return elements * static_cast<int64_t>(sizeof(T));
  }

  Ending run(const Run& run) override {
    const Binding& binding = bound_to(run.rows);
    if (profiling_) return run_timed(binding, run);
    for (Step<T>* step : binding.phases.preamble) step->run(0, 0, 0, run.key);
    Run now = run;
    if (binding.work <= kWatchedWork) now.watch = nullptr;
    std::atomic<bool> ended{false};
    const std::vector<Phase<T>>& gradient = binding.phases.gradient;
    // Python is called between two regions, by this thread, which it knows: there it can be interrupted, and may throw.
    for (size_t begin = 0, end = 0;; begin = end + 1) {
      for (end = begin; end < gradient.size() && gradient[end].calls.empty();) ++end;
      Ending ending = Ending::done;
      parallel(binding.threads, [&](Team& team) {
        const Ending mine = take_part(team, binding.phases, begin, end, now, &ended);
        if (team.thread() == 0) ending = mine;
      });
      if (ending != Ending::done || end == gradient.size()) return ending;
      for (Step<T>* call : gradient[end].calls) call->run(0, 0, 0, run.key);
    }
  }

  std::vector<double> profile(bool enable) override {
    std::vector<double> measured = seconds_;
    if (enable != profiling_) {
      for (Binding& binding : bindings_) binding.rows = -1;
    }
    profiling_ = enable;
    std::fill(seconds_.begin(), seconds_.end(), 0.0);
    return measured;
  }

 private:
  // Steps with the sizes and addresses of one number of rows. There are two: an epoch has full batches, and a last one
  // that is smaller.
  struct Binding {
    int64_t rows = -1;
    int64_t inputs = 0;  // which addresses of the inputs
    int threads = 1;
    std::vector<BoundStep<T>> steps;
    Phases<T> phases;
    int64_t work = 0;  // FLOPs and bytes
  };

  const Binding& bound_to(int64_t rows) {
    if (bindings_[recent_].rows != rows) recent_ = 1 - recent_;
    Binding& binding = bindings_[recent_];
    if (binding.rows != rows || binding.threads != threads_for(binding, rows)) bind(binding, rows);
    if (binding.inputs != inputs_) bind_inputs(binding);
    return binding;
  }

  void bind_inputs(Binding& binding) {
    for (const BoundStep<T>& bound : binding.steps) {
      if (stands_in_batch(program_.operations[bound.operation])) bound.step->bind(binding.rows);
    }
    binding.inputs = inputs_;
  }

  // Whether an operation reads the memory of an input with a batch: the input, a view or a slice of it.
  bool stands_in_batch(const Operation& operation) const {
    return std::any_of(operation.inputs.begin(), operation.inputs.end(), [&](int value) {
      const Value& owner = program_.values[static_cast<size_t>(memory_.owner(value))];
      return owner.storage == Storage::input && owner.shape.batched;
    });
  }

  int threads_for(const Binding& binding, int64_t rows) const {
    if (shares_all_) return get_num_threads();
    const bool few = rows < 2 * kFewestRows;
    return binding.work < (few ? kParallelWorkOfFew : kParallelWork) ? 1 : get_num_threads();
  }

  void bind(Binding& binding, int64_t rows) {
    binding.rows = -1;  // until all of it is done
    binding.work = 0;
    for (const BoundStep<T>& bound : binding.steps) {
      const Operation& operation = program_.operations[bound.operation];
      binding.work +=
          operation_flops(program_, operation, rows) + operation_bytes(program_, operation, rows, sizeof(T));
    }
    binding.threads = threads_for(binding, rows);
    // Timed operations run over the whole batch.
    const int64_t samples = profiling_ ? rows : most_samples(program_, binding.steps, rows, binding.threads);
    if (memory_.require_local(samples, binding.threads)) {
      for (Binding& other : bindings_) other.rows = -1;
    }
    for (const BoundStep<T>& bound : binding.steps) bound.step->bind(rows);
    binding.rows = rows;
    binding.inputs = inputs_;
    binding.phases = make_phases(program_, binding.steps, rows, binding.threads);
    memory_.require_threads(binding.threads);
  }

  // What one thread of the team does in phases of the gradient, and behind the last of them. All see the same ending.
  Ending take_part(Team& team, const Phases<T>& phases, size_t begin, size_t end, const Run& run,
                   std::atomic<bool>* ended) {
    const bool watches = run.watch && team.thread() == 0;
    for (size_t index = begin; index < end; ++index) {
      const Phase<T>& phase = phases.gradient[index];
      for (int64_t chunk; (chunk = team.next(phase.chunks)) < phase.chunks;) {
        if (ended->load(std::memory_order_relaxed)) continue;
        phase.run(chunk, team.thread(), run);
        if (watches && run.watch->ended(run.watch->context)) ended->store(true, std::memory_order_relaxed);
      }
      team.end_step();
    }
    if (ended->load(std::memory_order_relaxed)) return Ending::ended;
    if (end < phases.gradient.size()) return Ending::done;
    if (run.loss >= 0 && !std::isfinite(*output(run.loss))) return Ending::not_finite;
    if (!run.update) return Ending::done;
    for (const Phase<T>& phase : phases.update) {
      for (int64_t chunk; (chunk = team.next(phase.chunks)) < phase.chunks;) phase.run(chunk, team.thread(), run);
      team.end_step();
    }
    return Ending::done;
  }

  Ending run_timed(const Binding& binding, const Run& run) {
    run.feed->fill(run.feed->context, 0, run.rows);
    Section section = Section::gradient;
    for (const BoundStep<T>& bound : binding.steps) {
      const Operation& operation = program_.operations[bound.operation];
      if (operation.stage > 0 && operation.section != section) {
        if (run.loss >= 0 && !std::isfinite(*output(run.loss))) return Ending::not_finite;
        section = operation.section;
      }
      if (section == Section::update && !run.update) break;
      const auto start = std::chrono::steady_clock::now();
      for (int phase = 0; phase < bound.step->phases(); ++phase) {
        const int64_t chunks = bound.step->chunks(phase);
        parallel(chunks > 1 ? binding.threads : 1, [&](Team& team) {
          for (int64_t chunk; (chunk = team.next(chunks)) < chunks;) {
            bound.step->run(phase, chunk, team.thread(), run.key);
          }
        });
      }
      seconds_[bound.operation] += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    run.feed->inspect(run.feed->context, 0, run.rows);
    return Ending::done;
  }

  const Program program_;
  const bool shares_all_ = shares_all();
  Memory<T> memory_;
  Binding bindings_[2];
  int recent_ = 0;          // binding used last
  int64_t inputs_ = 0;      // counts the changes of the inputs' addresses
  std::vector<char> asks_;  // for each input: some product asks for the rows that come next
  bool profiling_ = false;
  std::vector<double> seconds_;
};

}  // namespace

template <class T>
std::unique_ptr<Executable<T>> make_cpu_executable(Program program, const Buffers& buffers) {
  return std::make_unique<CpuExecutable<T>>(std::move(program), buffers);
}

template std::unique_ptr<Executable<float>> make_cpu_executable(Program, const Buffers&);
template std::unique_ptr<Executable<double>> make_cpu_executable(Program, const Buffers&);

}  // namespace ganglion
