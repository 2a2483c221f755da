// The order in which threads walk through a program: phases, each of which begins when the one before is done.
#pragma once

#include <vector>

#include "engines/cpu/step.h"

namespace ganglion {

// Samples of a range at least: a shorter one makes products wait for their weights.
constexpr int64_t kFewestRows = 16;

template <class T>
struct BoundStep {
  StepPointer<T> step;
  size_t operation;  // of the program
};

// Chunks of work that need nothing of each other.
template <class T>
struct Phase {
  struct Part {
    int64_t chunks;
    // One phase of one step, cut by itself; or tiny steps, one after the other in one chunk; or, in ranges of the
    // samples, several samplewise steps.
    std::vector<Step<T>*> steps;
    int step_phase = 0;
    int64_t ranges = 0;  // 0: not in ranges
    bool feeds = false;  // the samples are read in first
  };
  explicit Phase(int64_t batch_rows) : rows(batch_rows) {}
  explicit Phase(std::vector<Step<T>*> steps) : calls(std::move(steps)), rows(0) {}

  std::vector<Step<T>*>
      calls;  // of Python, which the thread that runs the program makes alone; then there are no parts
  std::vector<Part> parts;
  int64_t rows;
  int64_t chunks = 0;  // of all parts
  // In the order in which threads share them out.
  struct Chunk {
    int32_t part;
    int32_t index;
  };
  std::vector<Chunk> order;

  void run(int64_t chunk, int thread, const Run& run) const;
};

template <class T>
struct Phases {
  std::vector<Step<T>*> preamble;  // tiny, and needs nothing of the batch: the calling thread runs it before
  std::vector<Phase<T>> gradient, update;
};

// Samples at most that a thread takes through a stage at once.
template <class T>
int64_t most_samples(const Program& program, const std::vector<BoundStep<T>>& steps, int64_t rows, int threads);

// For `rows` samples, with steps that are bound to them.
template <class T>
Phases<T> make_phases(const Program& program, const std::vector<BoundStep<T>>& steps, int64_t rows, int threads);

}  // namespace ganglion
