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
Trainer<T>::Trainer(std::vector<Turn> turns, int64_t batch_size)
    : turns_(std::move(turns)),
      batch_size_(batch_size),
      data_rows_(common_rows(turns_.front().programs.front().inputs)),
      order_(data_rows_) {
  for (const Turn& turn : turns_) {
    const Program& program = turn.programs.front().executable->program();
    Outputs outputs;
    Sums sums;
    for (const auto& [name, value] : program.outputs) {
      const Shape& shape = program.shape(value);
      check(!shape.batched, "[Trainer] output '", name, "' has shape ", to_string(shape),
            ", but outputs are summed over batches and cannot depend on their size");
      if (name == "loss") {
        check(shape.sample_size() == 1, "[Trainer] the loss must be one number, got shape ", to_string(shape));
        outputs.loss = static_cast<int>(sums.outputs.size());
      } else if (name == "loss_weight") {
        outputs.weight = static_cast<int>(sums.outputs.size());
      }
      sums.outputs.emplace_back(static_cast<size_t>(shape.sample_size()));
    }
    outputs_.push_back(outputs);
    sums_.push_back(std::move(sums));
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
Trainer<T>::~Trainer() {
  Executable<T>& executable = *turns_.front().programs.front().executable;
  if (executable.holder() == this) executable.let_go();
}

template <class T>
void Trainer<T>::begin() {
  has_order_ = false;
  position_ = 0;
  batches_done_ = 0;
  for (Sums& sums : sums_) {
    sums.loss_weight = 0.0;
    for (auto& sum : sums.outputs) std::fill(sum.begin(), sum.end(), 0.0);
  }
  for (const Source& input : turns_.front().programs.front().inputs) input.start_stream(order_.rows(), batch_size_);
}

template <class T>
Batch Trainer<T>::next_batch() const {
  if (batches_.empty()) return {std::min(batch_size_, data_rows_ - position_), 0};
  return batches_[batches_done_];
}

template <class T>
double Trainer<T>::mean_loss() const {
  const int output = outputs_.front().loss;
  const Sums& sums = sums_.front();
  return output < 0 || sums.loss_weight == 0 ? 0.0 : sums.outputs[static_cast<size_t>(output)][0] / sums.loss_weight;
}

template <class T>
template <class Output>
void Trainer<T>::add_outputs(size_t turn, Output output_at, int64_t rows) {
  const auto [loss, weight] = outputs_[turn];
  Sums& sums = sums_[turn];
  const double loss_weight = weight < 0 ? static_cast<double>(rows) : static_cast<double>(*output_at(weight));
  sums.loss_weight += loss_weight;
  for (size_t index = 0; index < sums.outputs.size(); ++index) {
    const T* output = output_at(static_cast<int>(index));
    const double times = static_cast<int>(index) == loss ? loss_weight : 1.0;
    for (double& sum : sums.outputs[index]) sum += times * static_cast<double>(*output++);
  }
}

// Whether an engine holds the samples: of one program over arrays in memory.
template <class T>
bool Trainer<T>::is_held() {
  const Turn& turn = turns_.front();
  if (turns_.size() > 1 || turn.programs.size() > 1 || turn.pace.every > 1 || !batches_.empty()) return false;
  const Part& part = turn.programs.front();
  if (part.executable->holder() == this) return true;
  for (const Source& input : part.inputs) {
    if (input.is_stream()) return false;
  }
  const auto read = [](void* context, int index, T* out, int64_t first, int64_t count) {
    static_cast<const Part*>(context)->inputs[static_cast<size_t>(index)].gather(out, nullptr, first, count);
  };
  return part.executable->hold({this, data_rows_, read, const_cast<Part*>(&part)});
}

template <class T>
StepsDone Trainer<T>::run_held(const Steps& steps, const Poll& poll) {
  constexpr double seconds_of_series = 0.03;
  Clock clock;
  Turn& turn = turns_.front();
  Executable<T>& executable = *turn.programs.front().executable;
  Runs<T> runs({&executable});
  if (!has_order_) executable.set_order(order_.rows());
  has_order_ = true;
  int64_t done = 0, most = 8;
  while (done < steps.count && position_ < data_rows_) {
    const int64_t rows = std::min(batch_size_, data_rows_ - position_);
    const int64_t alike = std::min(steps.count - done, (data_rows_ - position_) / rows);
    Series series{std::min({alike, most, Series::kMostRuns}), rows, position_,
                  RunKey{steps.key.seed, steps.key.step + static_cast<uint64_t>(done)}, steps.scalars.front()};
    for (const double*& values : series.scalars) values += done;
    series.update = steps.update;
    series.accumulation = turn.pace.accumulation;
    if (steps.update) series.loss = outputs_.front().loss;
    const auto start = std::chrono::steady_clock::now();
    const SeriesDone made = executable.run_series(series);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    for (int64_t run = 0; run < made.count; ++run) {
      add_outputs(0, [&](int index) { return executable.series_output(run, index); }, rows);
    }
    position_ += made.count * rows;
    done += made.count;
    if (made.ending == Ending::not_finite) {
      runs.end();
      return {done, false};
    }
    if (clock.due() && !poll(done, mean_loss())) break;
    if (took.count() < seconds_of_series / 2) most = std::min(2 * most, Series::kMostRuns);
    if (took.count() > seconds_of_series) most = std::max<int64_t>(most / 2, 1);
  }
  runs.end();
  return {done, true};
}

template <class T>
StepsDone Trainer<T>::run(const Steps& steps, const Poll& poll) {
  if (is_held()) return run_held(steps, poll);
  Clock clock;
  RunKey key = steps.key;
  int64_t done = 0;
  const auto poll_when_due = [&](int64_t steps_done) { return !clock.due() || poll(steps_done, mean_loss()); };
  auto ended = [&] { return !poll_when_due(done); };
  const Watch watch = watch_with(ended);
  std::vector<Executable<T>*> executables;
  for (const Turn& turn : turns_) {
    for (const Part& part : turn.programs) executables.push_back(part.executable);
  }
  Runs<T> runs(std::move(executables));
  std::vector<std::deque<Gathering<T>>> gatherings(turns_.size());
  for (size_t turn = 0; turn < turns_.size(); ++turn) {
    for (Part& part : turns_[turn].programs) gatherings[turn].emplace_back(*part.executable, part.inputs);
  }
  for (; done < steps.count && position_ < data_rows_; ++done, ++key.step) {
    const auto [count, program] = next_batch();
    // Another program's inputs may come next: it asks for them itself.
    const int64_t ahead = batches_.empty() ? std::min(batch_size_, data_rows_ - position_ - count) : 0;
    const int64_t* const rows = order_.rows(position_, count + ahead);
    for (size_t turn = 0; turn < turns_.size(); ++turn) {
      const Pace& pace = turns_[turn].pace;
      const uint64_t every = static_cast<uint64_t>(pace.every), times = (key.step + 1) / every;
      if ((key.step + 1) % every != 0) continue;
      Executable<T>& executable = *turns_[turn].programs[static_cast<size_t>(program)].executable;
      const std::vector<const double*>& scalars = steps.scalars[turn];
      for (size_t index = 0; index < scalars.size(); ++index) {
        executable.set_scalar(static_cast<int>(index), scalars[index][done]);
      }
      Gathering<T>& gathering = gatherings[turn][static_cast<size_t>(program)];
      Run step{count, key, gathering.from(rows, position_, count, ahead), &watch};
      step.update = steps.update && times % static_cast<uint64_t>(pace.accumulation) == 0;
      if (steps.update) step.loss = outputs_[turn].loss;
      const Ending ending = executable.run(step);
      if (ending != Ending::done) {
        runs.end();
        return {done, ending != Ending::not_finite};
      }
      add_outputs(turn, [&](int index) { return executable.output(index); }, count);
    }
    position_ += count;
    ++batches_done_;
    if (!poll_when_due(done + 1)) {
      ++done;
      break;
    }
  }
  runs.end();
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
