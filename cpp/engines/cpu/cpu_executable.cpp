// Runs a program on the CPU: serially while a section is small, otherwise as one parallel region in which every
// thread walks through the same phases.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <string>

#include "core/error.h"
#include "core/thread_pool.h"
#include "engines/cpu/step.h"
#include "program/passes.h"
#include "program/rule.h"

namespace ganglion {

namespace {

// Floating point operations and bytes below which a section runs on the calling thread: waking a second
// thread and meeting it after every phase costs as much as it would save.
constexpr int64_t kParallelWork = 3'000'000;

// Work of a section that may take so long, some milliseconds, that somebody could want to end it.
constexpr int64_t kWatchedWork = 1'000'000'000;

template <class T>
using StepMaker = StepPointer<T> (*)(const StepSource<T>&);

template <class T>
StepMaker<T> step_maker(const std::string& kind) {
  static const std::map<std::string, StepMaker<T>> makers = [] {
    std::map<std::string, StepMaker<T>> table{{"expression", make_expression_step<T>},
                                              {"matmul", make_matmul_step<T>},
                                              {"axis_size", make_reduction_step<T>}};
    for (const char* name : {"reduce_sum", "reduce_max"}) table[name] = make_reduction_step<T>;
    for (const char* name : {"transpose", "slice", "pad", "concat", "pack"}) table[name] = make_layout_step<T>;
    for (const char* name :
         {"softmax", "log_softmax", "softmax_gradient", "log_softmax_gradient", "crossentropy", "sparse_crossentropy",
          "crossentropy_gradient", "sparse_crossentropy_gradient", "argmax"}) {
      table[name] = make_row_step<T>;
    }
    return table;
  }();
  const auto found = makers.find(kind);
  check(found != makers.end(), "[cpu] cannot run the operation '", kind, "'");
  return found->second;
}

template <class T>
class CpuExecutable : public Executable<T> {
 public:
  CpuExecutable(Program program, const Buffers& buffers)
      : program_(lowered(std::move(program))), memory_(program_, buffers) {
    check(program_.parameters == 0 || buffers.parameters, "[cpu] the program needs a buffer of weights");
    check(program_.states == 0 || buffers.states, "[cpu] the program needs a buffer of optimizer state");
    seconds_.assign(program_.operations.size(), 0.0);
    for (Binding& binding : bindings_) {
      for (size_t i = 0; i < program_.operations.size(); ++i) {
        const Operation& operation = program_.operations[i];
        if (operation.kind != "expression" && find_rule(operation.kind).view) continue;
        binding.steps.push_back({step_maker<T>(operation.kind)({program_, operation, memory_}), i, operation.section});
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
    memory_.require_threads(get_num_threads());
  }

  T* input(int index) override { return memory_.at(program_.inputs[static_cast<size_t>(index)]); }
  void set_scalar(int index, double value) override { memory_.set_scalar(index, value); }
  const T* output(int index) const override { return memory_.at(program_.outputs[static_cast<size_t>(index)].second); }
  int64_t arena_bytes() const override { return memory_.arena_bytes(); }

  bool run(Section section, int64_t rows, const RunKey& key, const Watch* watch) override {
    const Binding& binding = bound_to(rows);
    const int threads = binding.work[static_cast<int>(section)] < kParallelWork ? 1 : get_num_threads();
    memory_.require_threads(threads);
    const std::vector<Phase>& phases = binding.phases[static_cast<int>(section)];
    if (profiling_) {
      run_timed(phases, threads, key);
      return true;
    }
    const bool is_long = binding.work[static_cast<int>(section)] > kWatchedWork;
    return run_phases(phases.data(), phases.data() + phases.size(), threads, key, is_long ? watch : nullptr);
  }

  std::vector<double> profile(bool enable) override {
    std::vector<double> measured = seconds_;
    profiling_ = enable;
    std::fill(seconds_.begin(), seconds_.end(), 0.0);
    return measured;
  }

 private:
  struct Entry {
    StepPointer<T> step;
    size_t operation;
    Section section;
  };
  struct Phase {
    Step<T>* step;
    int index;
    int64_t chunks;
    size_t operation;
  };

  // Steps with the sizes and addresses of one number of rows. There are two: an epoch has full batches, and a last one
  // that is smaller.
  struct Binding {
    int64_t rows = -1;
    std::vector<Entry> steps;
    std::vector<Phase> phases[2];  // of each section
    int64_t work[2] = {0, 0};      // of each section: FLOPs and bytes
  };

  // Engines know one elementwise operation, the expression; an unfused program becomes one of single instructions.
  static Program lowered(Program program) {
    const std::vector<char> wanted(program.values.size(), 1);
    for (Operation& operation : program.operations) {
      if (operation.kind == "expression" || !is_elementwise(operation)) continue;
      Operation single;
      single.kind = "expression";
      single.section = operation.section;
      single.label = operation.label;
      single.expression = join_expression(program, {&operation}, wanted, &single.inputs, &single.outputs);
      operation = std::move(single);
    }
    return program;
  }

  const Binding& bound_to(int64_t rows) {
    if (bindings_[recent_].rows == rows) return bindings_[recent_];
    recent_ = 1 - recent_;
    if (bindings_[recent_].rows != rows) bind(bindings_[recent_], rows);
    return bindings_[recent_];
  }

  void bind(Binding& binding, int64_t rows) {
    binding.rows = rows;
    for (int section = 0; section < 2; ++section) {
      binding.work[section] = 0;
      binding.phases[section].clear();
    }
    for (const Entry& entry : binding.steps) {
      entry.step->bind(rows);
      const int section = static_cast<int>(entry.section);
      for (int phase = 0; phase < entry.step->phases(); ++phase) {
        const int64_t chunks = entry.step->chunks(phase);
        if (chunks > 0) binding.phases[section].push_back({entry.step.get(), phase, chunks, entry.operation});
      }
      const Operation& operation = program_.operations[entry.operation];
      binding.work[section] +=
          operation_flops(program_, operation, rows) + operation_bytes(program_, operation, rows, sizeof(T));
    }
  }

  static bool run_phases(const Phase* begin, const Phase* end, int threads, const RunKey& key, const Watch* watch) {
    const auto ended = [&] { return watch && watch->ended(watch->context); };
    if (threads == 1) {
      for (const Phase* phase = begin; phase != end; ++phase) {
        for (int64_t chunk = 0; chunk < phase->chunks; ++chunk) {
          if (ended()) return false;
          phase->step->run(phase->index, chunk, 0, key);
        }
      }
      return true;
    }
    // The phase in which thread 0 saw the end. All threads leave at the same barrier, the next one, although some may
    // pass the one before when thread 0 is in that phase already.
    std::atomic<const Phase*> last{end};
    parallel(threads, [&](Team& team) {
      bool alone = false;  // thread 0 is ahead of the others, in phases too small to share
      for (const Phase* phase = begin; phase != end; ++phase) {
        if (phase->chunks == 1) {
          if (team.thread() == 0) phase->step->run(phase->index, 0, 0, key);
          alone = true;
          continue;
        }
        if (alone) team.barrier();
        alone = false;
        for (int64_t chunk;
             last.load(std::memory_order_relaxed) > phase && (chunk = team.next(phase->chunks)) < phase->chunks;) {
          phase->step->run(phase->index, chunk, team.thread(), key);
          if (team.thread() == 0 && ended()) last.store(phase, std::memory_order_relaxed);
        }
        team.barrier();
        if (last.load(std::memory_order_relaxed) <= phase) break;
      }
    });
    return last.load(std::memory_order_relaxed) == end;
  }

  void run_timed(const std::vector<Phase>& phases, int threads, const RunKey& key) {
    for (const Phase& phase : phases) {
      const auto start = std::chrono::steady_clock::now();
      run_phases(&phase, &phase + 1, phase.chunks == 1 ? 1 : threads, key, nullptr);
      seconds_[phase.operation] += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
  }

  const Program program_;
  Memory<T> memory_;
  Binding bindings_[2];
  int recent_ = 0;  // binding used last
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
