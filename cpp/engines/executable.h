// A program made ready to run by an engine. All an engine shows to training and to the bindings.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "program/program.h"

namespace ganglion {

// The flat buffers a program works on, and their sizes in elements. They belong to the network and outlive the
// executable.
struct Buffers {
  void* parameters = nullptr;
  void* states = nullptr;
  int64_t parameter_count = 0;
  int64_t state_count = 0;
};

// Identifies one run to the random numbers.
struct RunKey {
  uint64_t seed = 0;
  uint64_t step = 0;
};

// What the thread that called `run` asks now and then during a long one: whether to end it early.
struct Watch {
  bool (*ended)(void* context);
  void* context;
};

// Fills the batched inputs for samples [begin, end) of a batch, and looks at them when the first operations, which are
// slow to wait for memory, have read them. Other threads do so for other samples meanwhile.
struct Feed {
  void (*fill)(void* context, int64_t begin, int64_t end);
  void (*inspect)(void* context, int64_t begin, int64_t end);
  void* context;
};

// One run over a batch.
struct Run {
  int64_t rows;
  RunKey key;
  const Feed* feed;
  const Watch* watch = nullptr;  // null when nobody could want to end it
  bool update = false;           // the section `update` too, unless
  int loss = -1;                 // this output (position in Program::outputs) is not finite
};

enum class Ending { done, not_finite, ended };

// All samples of a data set, for an engine that holds them in memory of its own.
template <class T>
struct Samples {
  const void* owner;  // by which they are known
  int64_t rows;
  // Writes samples first ... first + count of input `index` to `out`, contiguous; of one without a batch all of it.
  void (*read)(void* context, int index, T* out, int64_t first, int64_t count);
  void* context;
};

// Runs over batches of samples that the engine holds, one after the other.
struct Series {
  static constexpr int64_t kMostRuns = 1024;

  int64_t count;                       // runs, at most kMostRuns
  int64_t rows;                        // of each
  int64_t first;                       // where in the order of the samples the first batch begins
  RunKey key;                          // of the first; the step number grows by one
  std::vector<const double*> scalars;  // for each of Program::scalars its value in each run
  bool update = false;                 // the section `update` too, in those whose step number + 1 is a multiple of
  int64_t accumulation = 1;            // this, unless
  int loss = -1;                       // this output is not finite, which ends the series
};

struct SeriesDone {
  int64_t count;  // runs before the one that ended it
  Ending ending;
};

template <class T>
class Executable {
 public:
  virtual ~Executable() = default;
  virtual const Program& program() const = 0;
  // Lays out the arena for batches of at most `rows`, and prepares for batches of just `rows`. The last two numbers of
  // rows stay prepared: runs with them allocate nothing.
  virtual void reserve(int64_t rows) = 0;
  // Where to write input `index` (position in Program::inputs) before a run, contiguous.
  virtual T* input(int index) = 0;
  // Reads input `index` from there in the runs that follow, where it is filled already; null: from its own memory
  // again.
  virtual void lend_input(int index, const T* where) = 0;
  // Where the rows are that input `index` is filled with next: they are asked for while the run computes. False when
  // nobody asks. Null: nowhere.
  virtual bool announce_input(int index, const T* const* rows, int64_t count) = 0;
  virtual void set_scalar(int index, double value) = 0;
  // Around runs between which nobody else touches the buffers: meanwhile an engine may keep weights and state in memory
  // of its own. The end writes them back.
  virtual void begin_runs() {}
  virtual void end_runs() {}
  // Over at most as many rows as were reserved. When the watch ended it, outputs, and state that the section `gradient`
  // assigns, may be of this run or of the one before; the section `update` runs whole or not at all.
  virtual Ending run(const Run& run) = 0;
  // Whether the engine now holds these samples; then runs can be asked for in series. Outputs have no batch.
  virtual bool hold(const Samples<T>&) { return false; }
  // Whose samples it holds; null: none.
  virtual const void* holder() const { return nullptr; }
  virtual void let_go() {}
  // The order in which batches take them; null: as they lie.
  virtual void set_order(const uint32_t*) {}
  virtual SeriesDone run_series(const Series&) { return {0, Ending::done}; }
  // Where output `index` of run `run` of the last series stands.
  virtual const T* series_output(int64_t, int) const { return nullptr; }
  // Where output `index` (position in Program::outputs) stands after a run.
  virtual const T* output(int index) const = 0;
  // Seconds spent in each operation since the last call with `enable`.
  virtual std::vector<double> profile(bool enable) = 0;
  // Of all memory but weights, state and constants.
  virtual int64_t arena_bytes() const = 0;
};

template <class T>
std::unique_ptr<Executable<T>> make_cpu_executable(Program program, const Buffers& buffers);

// What makes programs ready. An engine in an extension module of its own hands this to the core in a capsule.
struct Engine {
  static constexpr const char* kCapsule = "ganglion.engine";

  std::unique_ptr<Executable<float>> (*make_single)(Program, const Buffers&);
  std::unique_ptr<Executable<double>> (*make_double)(Program, const Buffers&);

  template <class T>
  std::unique_ptr<Executable<T>> make(Program program, const Buffers& buffers) const {
    if constexpr (sizeof(T) == sizeof(float)) {
      return make_single(std::move(program), buffers);
    } else {
      return make_double(std::move(program), buffers);
    }
  }
};

}  // namespace ganglion
