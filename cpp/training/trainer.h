// The loop that runs an epoch of programs over the user's arrays.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "engines/executable.h"
#include "training/batches.h"

namespace ganglion {

// Asked every tenth of a second, with the steps done and the first turn's mean loss since the epoch began; false ends
// the run.
using Poll = std::function<bool(int64_t steps, double mean_loss)>;

// A part of an epoch.
struct Steps {
  int64_t count = 0;                                // batches, at most; fewer when the epoch ends before
  RunKey key;                                       // of the first step; the step number grows by one
  std::vector<std::vector<const double*>> scalars;  // for each turn: for each of Program::scalars one value a step
  bool update = true;
};

struct StepsDone {
  int64_t count;
  bool finite;  // false: a loss of the step after these was not finite, and that program's update was not made
};

// A batch of an epoch: how many rows it takes, and which program of each turn runs over them.
struct Batch {
  int64_t rows;
  int program;
};

// How often a turn comes.
struct Pace {
  int64_t every = 1;         // it takes the batches whose step number + 1 is a multiple,
  int64_t accumulation = 1;  // and its update runs in every so many of those
};

// Batches are taken by one turn after the other, each of which sees the weights as the one before left them.
template <class T>
class Trainer {
 public:
  struct Part {
    Executable<T>* executable;   // outlives the trainer
    std::vector<Source> inputs;  // in the order of Program::inputs; those that are batched have equally many rows
  };
  struct Turn {
    std::vector<Part> programs;  // one, or several that do the same for sequences of different lengths
    Pace pace;
  };
  // Of a turn, since start_epoch: what the means "loss" were over; and each output summed over the batches, "loss"
  // weighted by that.
  struct Sums {
    double loss_weight = 0.0;
    std::vector<std::vector<double>> outputs;
  };

  // A program's output "loss" is the mean over its batch: over its rows, or over as much as its output "loss_weight"
  // says. Outputs do not depend on the batch's size. All turns have equally many programs.
  Trainer(std::vector<Turn> turns, int64_t batch_size);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // Sets the position and the sums back. Without a seed the rows come as they lie. The first program of each turn runs
  // them all.
  void start_epoch(const std::optional<uint64_t>& order_seed, uint64_t epoch);
  // The same, with the rows in an order of the caller's: data_rows() row numbers; cut into these batches, if any are
  // given, which together have as many.
  void start_epoch(const int64_t* order, std::vector<Batch> batches);

  // Without an update a loss that is not finite stops nothing, and shows in the sums. A batch that was not taken by all
  // whose turn it was is taken again by the next run.
  StepsDone run(const Steps& steps, const Poll& poll);

  int64_t data_rows() const { return data_rows_; }
  // Since start_epoch: the samples seen; the sums of each turn.
  int64_t rows() const { return position_; }
  const std::vector<Sums>& sums() const { return sums_; }

 private:
  // Positions in Program::outputs; -1 where there is none.
  struct Outputs {
    int loss = -1, weight = -1;
  };

  void begin();
  Batch next_batch() const;
  double mean_loss() const;
  // output(index): where output `index` of a run stands.
  template <class Output>
  void add_outputs(size_t turn, Output output, int64_t rows);
  bool is_held();
  // The same as `run`, of samples that the engine holds: many batches at a time.
  StepsDone run_held(const Steps& steps, const Poll& poll);

  std::vector<Turn> turns_;
  int64_t batch_size_;
  int64_t data_rows_;
  EpochOrder order_;
  std::vector<Batch> batches_;  // of the epoch, where they are not all alike
  size_t batches_done_ = 0;
  bool has_order_ = false;        // the engine that holds the samples knows this epoch's
  int64_t position_ = 0;          // rows of the epoch that were handed out
  std::vector<Outputs> outputs_;  // of each turn, as the sums
  std::vector<Sums> sums_;
};

// Begins the runs of executables, and ends them: said by `end`, so that errors are heard, or else after a failure.
template <class T>
class Runs {
 public:
  explicit Runs(std::vector<Executable<T>*> executables) : executables_(std::move(executables)) {
    try {
      for (; begun_ < executables_.size(); ++begun_) executables_[begun_]->begin_runs();
    } catch (...) {
      end_quietly();
      throw;
    }
  }
  ~Runs() { end_quietly(); }
  Runs(const Runs&) = delete;
  Runs& operator=(const Runs&) = delete;

  void end() {
    while (begun_ > 0) executables_[--begun_]->end_runs();
  }

 private:
  // There was a failure before, which is the one to be told.
  void end_quietly() {
    while (begun_ > 0) {
      try {
        end();
      } catch (const std::exception&) {
      }
    }
  }

  std::vector<Executable<T>*> executables_;
  size_t begun_ = 0;
};

// Runs the forward pass over all rows, batch by batch, and writes output i to results[i], (rows, sample). Batch b has
// step number key.step + b. Ends early when poll says so or, `checked`, at inputs that are not finite.
template <class T>
Ending predict(Executable<T>& executable, std::vector<Source>& inputs, int64_t rows, int64_t batch_size, RunKey key,
               const std::vector<T*>& results, const Poll& poll, bool checked);

}  // namespace ganglion
