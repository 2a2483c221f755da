#include "training/trainer.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <utility>

#include "core/error.h"
#include "training/gathering.h"

namespace ganglion {
namespace {

constexpr std::chrono::milliseconds kPollInterval{100};

// Says when it is time to ask.
class Clock {
 public:
  bool due() {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < kPollInterval) return false;
    last_ = now;
    return true;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

int64_t common_rows(const std::vector<Source>& inputs) {
  for (const Source& input : inputs) {
    if (input.batched()) return input.rows();
  }
  throw Error("[Trainer] the program has no input with a batch dimension");
}

// A watch that calls `ended`, which must outlive it.
template <class Ended>
Watch watch_with(Ended& ended) {
  return {[](void* context) { return (*static_cast<Ended*>(context))(); }, &ended};
}

}  // namespace

template <class T>
Trainer<T>::Trainer(std::vector<Part> programs, int64_t batch_size)
    : programs_(std::move(programs)),
      batch_size_(batch_size),
      data_rows_(common_rows(programs_.front().inputs)),
      order_(data_rows_) {
  const Program& program = programs_.front().executable->program();
  for (const auto& [name, value] : program.outputs) {
    const Shape& shape = program.shape(value);
    check(!shape.batched, "[Trainer] output '", name, "' has shape ", to_string(shape),
          ", but outputs are summed over batches and cannot depend on their size");
    if (name == "loss") {
      check(shape.sample_size() == 1, "[Trainer] the loss must be one number, got shape ", to_string(shape));
      loss_output_ = static_cast<int>(sums_.size());
    } else if (name == "loss_weight") {
      weight_output_ = static_cast<int>(sums_.size());
    }
    sums_.emplace_back(static_cast<size_t>(shape.sample_size()));
  }
}

template <class T>
void Trainer<T>::start_epoch(const std::optional<uint64_t>& order_seed, uint64_t epoch) {
  if (order_seed) {
    order_.shuffle(*order_seed, epoch);
  } else {
    order_.in_order();
  }
  batches_.clear();
  begin();
}

template <class T>
void Trainer<T>::start_epoch(const int64_t* order, std::vector<Batch> batches) {
  order_.take(order);
  batches_ = std::move(batches);
  begin();
}

template <class T>
void Trainer<T>::begin() {
  position_ = 0;
  batches_done_ = 0;
  rows_seen_ = 0;
  loss_weight_ = 0.0;
  for (auto& sum : sums_) std::fill(sum.begin(), sum.end(), 0.0);
  for (const Source& input : programs_.front().inputs) input.start_stream(order_.rows(), batch_size_);
}

template <class T>
Batch Trainer<T>::next_batch() const {
  if (batches_.empty()) return {std::min(batch_size_, data_rows_ - position_), 0};
  return batches_[batches_done_];
}

template <class T>
void Trainer<T>::add_outputs(const Executable<T>& executable, int64_t rows) {
  rows_seen_ += rows;
  const double loss_weight =
      weight_output_ < 0 ? static_cast<double>(rows) : static_cast<double>(*executable.output(weight_output_));
  loss_weight_ += loss_weight;
  for (size_t index = 0; index < sums_.size(); ++index) {
    const T* output = executable.output(static_cast<int>(index));
    const double weight = static_cast<int>(index) == loss_output_ ? loss_weight : 1.0;
    for (double& sum : sums_[index]) sum += weight * static_cast<double>(*output++);
  }
}

template <class T>
StepsDone Trainer<T>::run(const Steps& steps, const Poll& poll) {
  Clock clock;
  RunKey key = steps.key;
  int64_t done = 0;
  const auto poll_when_due = [&](int64_t steps_done) {
    if (!clock.due()) return true;
    const double mean =
        loss_output_ < 0 || loss_weight_ == 0 ? 0.0 : sums_[static_cast<size_t>(loss_output_)][0] / loss_weight_;
    return poll(steps_done, mean);
  };
  auto ended = [&] { return !poll_when_due(done); };
  const Watch watch = watch_with(ended);
  std::deque<Gathering<T>> gatherings;
  for (Part& part : programs_) gatherings.emplace_back(*part.executable, part.inputs);
  for (; done < steps.count && position_ < data_rows_; ++done, ++key.step) {
    const auto [count, program] = next_batch();
    Executable<T>& executable = *programs_[static_cast<size_t>(program)].executable;
    for (size_t index = 0; index < steps.scalars.size(); ++index) {
      executable.set_scalar(static_cast<int>(index), steps.scalars[index][done]);
    }
    // Another program's inputs may come next: it asks for them itself.
    const int64_t ahead = batches_.empty() ? std::min(batch_size_, data_rows_ - position_ - count) : 0;
    const int64_t* const rows = order_.rows(position_, count + ahead);
    Gathering<T>& gathering = gatherings[static_cast<size_t>(program)];
    Run step{count, key, gathering.from(rows, position_, count, ahead), &watch};
    step.update = steps.update && (key.step + 1) % static_cast<uint64_t>(steps.accumulation) == 0;
    if (steps.update) step.loss = loss_output_;
    const Ending ending = executable.run(step);
    if (ending != Ending::done) return {done, ending != Ending::not_finite};
    position_ += count;
    ++batches_done_;
    add_outputs(executable, count);
    if (!poll_when_due(done + 1)) return {done + 1, true};
  }
  return {done, true};
}

template <class T>
Ending predict(Executable<T>& executable, std::vector<Source>& inputs, int64_t rows, int64_t batch_size, RunKey key,
               const std::vector<T*>& results, const Poll& poll, bool checked) {
  const Program& program = executable.program();
  Clock clock;
  auto ended = [&] { return clock.due() && !poll(0, 0.0); };
  const Watch watch = watch_with(ended);
  for (const Source& input : inputs) input.start_stream(nullptr, batch_size);
  Gathering<T> gathering(executable, inputs, checked);
  for (int64_t first = 0; first < rows; first += batch_size, ++key.step) {
    const int64_t count = std::min(batch_size, rows - first);
    if (executable.run({count, key, gathering.from(nullptr, first, count, 0), &watch}) != Ending::done)
      return Ending::ended;
    if (gathering.found_not_finite()) return Ending::not_finite;
    for (size_t index = 0; index < results.size(); ++index) {
      const int64_t sample = program.shape(program.outputs[index].second).sample_size();
      std::copy_n(executable.output(static_cast<int>(index)), count * sample, results[index] + first * sample);
    }
    if (ended()) return Ending::ended;
  }
  return Ending::done;
}

template class Trainer<float>;
template class Trainer<double>;
template Ending predict(Executable<float>&, std::vector<Source>&, int64_t, int64_t, RunKey, const std::vector<float*>&,
                        const Poll&, bool);
template Ending predict(Executable<double>&, std::vector<Source>&, int64_t, int64_t, RunKey,
                        const std::vector<double*>&, const Poll&, bool);

}  // namespace ganglion
