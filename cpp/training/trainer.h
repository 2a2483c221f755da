// The loop that runs an epoch of a program over the user's arrays.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "engines/executable.h"
#include "training/batches.h"

namespace ganglion {

// Asked every tenth of a second, with the steps done and the mean loss since the epoch began; false ends the run.
using Poll = std::function<bool(int64_t steps, double mean_loss)>;

// A part of an epoch.
struct Steps {
  int64_t count = 0;                   // at most; fewer when the epoch ends before
  RunKey key;                          // of the first step; the step number grows by one
  std::vector<const double*> scalars;  // for each of Program::scalars one value a step
  int64_t accumulation = 1;            // the update runs in every step whose number + 1 is a multiple
  bool update = true;
};

struct StepsDone {
  int64_t count;
  bool finite;  // false: the loss of the step after these was not finite, and that step was not taken
};

// A batch of an epoch: how many rows it takes, and which program runs over them.
struct Batch {
  int64_t rows;
  int program;
};

// One program, or several that do the same for sequences of different lengths.
template <class T>
class Trainer {
 public:
  struct Part {
    Executable<T>* executable;   // outlives the trainer
    std::vector<Source> inputs;  // in the order of Program::inputs; those that are batched have equally many rows
  };

  // A program's output "loss" is the mean over its batch: over its rows, or over as much as its output "loss_weight"
  // says. Outputs do not depend on the batch's size.
  Trainer(std::vector<Part> programs, int64_t batch_size);

  // Sets the position and the sums back. Without a seed the rows come as they lie. The first program runs them all.
  void start_epoch(const std::optional<uint64_t>& order_seed, uint64_t epoch);
  // The same, with the rows in an order of the caller's: data_rows() row numbers; cut into these batches, if any are
  // given, which together have as many.
  void start_epoch(const int64_t* order, std::vector<Batch> batches);

  // Without an update a loss that is not finite stops nothing, and shows in the sums.
  StepsDone run(const Steps& steps, const Poll& poll);

  int64_t data_rows() const { return data_rows_; }
  // Since start_epoch: the samples seen; what the means "loss" were over; and each output summed over the batches,
  // "loss" weighted by that.
  int64_t rows() const { return rows_seen_; }
  double loss_weight() const { return loss_weight_; }
  const std::vector<std::vector<double>>& sums() const { return sums_; }

 private:
  void begin();
  Batch next_batch() const;
  void add_outputs(const Executable<T>& executable, int64_t rows);

  std::vector<Part> programs_;
  int64_t batch_size_;
  int64_t data_rows_;
  EpochOrder order_;
  std::vector<Batch> batches_;  // of the epoch, where they are not all alike
  size_t batches_done_ = 0;
  int loss_output_ = -1, weight_output_ = -1;
  int64_t position_ = 0;  // rows of the epoch that were handed out
  int64_t rows_seen_ = 0;
  double loss_weight_ = 0.0;
  std::vector<std::vector<double>> sums_;
};

// Runs the forward pass over all rows, batch by batch, and writes output i to results[i], (rows, sample). Batch b has
// step number key.step + b. Ends early when poll says so or, `checked`, at inputs that are not finite.
template <class T>
Ending predict(Executable<T>& executable, std::vector<Source>& inputs, int64_t rows, int64_t batch_size, RunKey key,
               const std::vector<T*>& results, const Poll& poll, bool checked);

}  // namespace ganglion
