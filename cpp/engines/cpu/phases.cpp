#include "engines/cpu/phases.h"

#include <algorithm>
#include <set>

#include "program/passes.h"
#include "program/rule.h"

namespace ganglion {

namespace {

// Work of a range, FLOPs and bytes, after which others may want to know how far it is, and from which there are two
// for each thread, so that one can help another that is held up.
constexpr int64_t kLongRange = 250'000'000, kSharedRange = 10'000'000;
// What a range reads and writes stays in the second cache from one step to the next: few weights with the samples. Of
// many weights each range reads all from further away, so there should be few ranges.
constexpr int64_t kCachedRange = 384 << 10, kCachedWeights = 256 << 10;
constexpr int64_t kFewestUncachedRows = 256;

// Into how many ranges a chain of samplewise operations is cut.
template <class T>
int64_t count_ranges(const Program& program, const std::vector<const Operation*>& chain, int64_t rows, int threads) {
  int64_t work = 0, sample_bytes = 0, weight_bytes = 0;
  std::set<int> seen;
  const auto add = [&](int value) {
    if (!seen.insert(value).second) return;
    const Shape& shape = program.shape(value);
    (shape.batched ? sample_bytes : weight_bytes) += shape.sample_size() * static_cast<int64_t>(sizeof(T));
  };
  for (const Operation* operation : chain) {
    work += operation_flops(program, *operation, rows) + operation_bytes(program, *operation, rows, sizeof(T));
    for (int value : operation->inputs) add(value);
    for (int value : operation->outputs) add(value);
  }
  // Few samples for each step of a loop make slow products.
  const bool loops =
      std::any_of(chain.begin(), chain.end(), [](const Operation* operation) { return !!operation->loop; });
  int64_t ranges = threads > 1 && work > kSharedRange * threads && !loops ? 2 * threads : threads;
  ranges = std::max(ranges, work / kLongRange);
  if (weight_bytes <= kCachedWeights) {
    ranges = std::max(ranges, rows * sample_bytes / kCachedRange);
  } else {
    ranges = std::min(ranges, std::max<int64_t>(threads, rows / kFewestUncachedRows));
  }
  ranges = (ranges + threads - 1) / threads * threads;
  return std::max<int64_t>(1, std::min(ranges, rows / kFewestRows));
}

template <class T>
class PhaseWriter {
 public:
  PhaseWriter(const Program& program, int64_t rows, int threads)
      : program_(program), rows_(rows), threads_(threads), in_ranges_(threads == 1 || rows >= 2 * kFewestRows) {}

  int64_t most_samples(const std::vector<BoundStep<T>>& steps) const {
    if (!in_ranges_) return rows_;
    int64_t most = 0;
    for (size_t begin = 0, end; begin < steps.size(); begin = end) {
      std::vector<const Operation*> chain;
      for (end = begin; end < steps.size() && operation(steps[end]).stage == operation(steps[begin]).stage; ++end) {
        if (is_samplewise(program_, operation(steps[end]))) chain.push_back(&operation(steps[end]));
      }
      if (!chain.empty()) most = std::max(most, chunk_count(rows_, count_ranges<T>(program_, chain, rows_, threads_)));
    }
    return most;
  }

  Phases<T> write(const std::vector<BoundStep<T>>& steps) {
    for (size_t begin = 0, end; begin < steps.size(); begin = end) {
      for (end = begin; end < steps.size() && operation(steps[end]).stage == operation(steps[begin]).stage;) ++end;
      const std::vector<const BoundStep<T>*> stage = pointers(steps, begin, end);
      if (operation(steps[begin]).stage == 0) {
        for (const BoundStep<T>* bound : stage) phases_.preamble.push_back(bound->step.get());
      } else {
        write_stage(stage);
      }
    }
    if (!fed_) feed_first();
    return std::move(phases_);
  }

 private:
  const Operation& operation(const BoundStep<T>& bound) const { return program_.operations[bound.operation]; }
  static std::vector<const BoundStep<T>*> pointers(const std::vector<BoundStep<T>>& steps, size_t begin, size_t end) {
    std::vector<const BoundStep<T>*> all;
    for (size_t i = begin; i < end; ++i) all.push_back(&steps[i]);
    return all;
  }

  void write_stage(const std::vector<const BoundStep<T>*>& stage) {
    std::vector<Step<T>*> chain, scalars, others, calls;
    std::vector<const Operation*> chained;
    bool others_read_batch = false, scalars_wait = false;
    for (const BoundStep<T>* bound : stage) {
      Step<T>* const step = bound->step.get();
      if (operation(*bound).foreign) {
        calls.push_back(step);
        continue;
      }
      if (is_samplewise(program_, operation(*bound))) {
        chain.push_back(step);
        chained.push_back(&operation(*bound));
        continue;
      }
      const bool scalar = is_scalar(program_, operation(*bound));
      const bool tiny = scalar && step->phases() == 1 && step->chunks(0) == 1;
      (tiny ? scalars : others).push_back(step);
      // A long sum is a scalar that several threads work at; what is made of it comes behind.
      scalars_wait = scalars_wait || (scalar && !tiny);
      others_read_batch = others_read_batch || reads_batch(program_, operation(*bound));
    }
    std::vector<Phase<T>>& phases =
        operation(*stage.front()).section == Section::update ? phases_.update : phases_.gradient;
    Phase<T> first(rows_);
    // Memory is planned for a batch that is read in before stage 2.
    const bool feeds = in_ranges_ && !chain.empty() && !others_read_batch && operation(*stage.front()).stage == 1;
    if (!fed_ && !feeds) feed_first();
    if (in_ranges_ && !chain.empty()) {
      const int64_t ranges = count_ranges<T>(program_, chained, rows_, threads_);
      for (Step<T>* step : chain) step->bind_range(rows_ / ranges);
      add(&first, {ranges, chain, 0, ranges, !fed_});
      fed_ = true;
    } else {
      for (Step<T>* step : chain) add_steps(&phases, {step}, Phase<T>(rows_));
    }
    if (!scalars.empty() && !scalars_wait) add(&first, {1, scalars});
    add_steps(&phases, others, std::move(first));
    if (!scalars.empty() && scalars_wait) {
      Phase<T> last(rows_);
      add(&last, {1, scalars});
      finish(&phases, std::move(last));
    }
    if (!calls.empty()) phases.emplace_back(std::move(calls));
  }

  // Steps that run at once, beside what is in `first` already; those of several phases meet after each.
  void add_steps(std::vector<Phase<T>>* phases, const std::vector<Step<T>*>& steps, Phase<T> first) {
    int most = 1;
    for (Step<T>* step : steps) most = std::max(most, step->phases());
    for (int index = 0; index < most; ++index) {
      Phase<T> phase = index == 0 ? std::move(first) : Phase<T>(rows_);
      for (Step<T>* step : steps) {
        if (index < step->phases()) add(&phase, {step->chunks(index), {step}, index});
      }
      finish(phases, std::move(phase));
    }
  }

  static void add(Phase<T>* phase, typename Phase<T>::Part part) {
    if (part.chunks == 0) return;
    phase->chunks += part.chunks;
    phase->parts.push_back(std::move(part));
  }

  // Threads share out chunks by their number, so each gets as many of every part, of those with many chunks first; the
  // single chunks go round.
  void finish(std::vector<Phase<T>>* phases, Phase<T> phase) const {
    if (phase.chunks == 0) return;
    std::stable_sort(phase.parts.begin(), phase.parts.end(),
                     [](const auto& a, const auto& b) { return a.chunks > b.chunks; });
    for (int thread = 0; thread < threads_; ++thread) {
      for (size_t part = 0; part < phase.parts.size(); ++part) {
        const int64_t chunks = phase.parts[part].chunks;
        const int64_t turn = (thread + static_cast<int64_t>(part)) % threads_;
        for (int64_t index = chunks * turn / threads_; index < chunks * (turn + 1) / threads_; ++index) {
          phase.order.push_back({static_cast<int32_t>(part), static_cast<int32_t>(index)});
        }
      }
    }
    phases->push_back(std::move(phase));
  }

  // The batch is read in before anything else.
  void feed_first() {
    const int64_t ranges = std::min<int64_t>(threads_, rows_);
    Phase<T> phase(rows_);
    add(&phase, {ranges, {}, 0, ranges, true});
    finish(&phases_.gradient, std::move(phase));
    std::rotate(phases_.gradient.begin(), phases_.gradient.end() - 1, phases_.gradient.end());
    fed_ = true;
  }

  const Program& program_;
  const int64_t rows_;
  const int threads_;
  const bool in_ranges_;
  Phases<T> phases_;
  bool fed_ = false;
};

}  // namespace

template <class T>
void Phase<T>::run(int64_t chunk, int thread, const Run& run) const {
  const Chunk& chosen = order[static_cast<size_t>(chunk)];
  const Part& part = parts[static_cast<size_t>(chosen.part)];
  if (part.ranges == 0) {
    for (Step<T>* step : part.steps) step->run(part.step_phase, chosen.index, thread, run.key);
    return;
  }
  const int64_t begin = rows * chosen.index / part.ranges, end = rows * (chosen.index + 1) / part.ranges;
  if (part.feeds) run.feed->fill(run.feed->context, begin, end);
  for (Step<T>* step : part.steps) step->run_range({begin, end, thread}, run.key);
  if (part.feeds) run.feed->inspect(run.feed->context, begin, end);
}

template <class T>
int64_t most_samples(const Program& program, const std::vector<BoundStep<T>>& steps, int64_t rows, int threads) {
  return PhaseWriter<T>(program, rows, threads).most_samples(steps);
}

template <class T>
Phases<T> make_phases(const Program& program, const std::vector<BoundStep<T>>& steps, int64_t rows, int threads) {
  return PhaseWriter<T>(program, rows, threads).write(steps);
}

template struct Phase<float>;
template struct Phase<double>;
template int64_t most_samples(const Program&, const std::vector<BoundStep<float>>&, int64_t, int);
template int64_t most_samples(const Program&, const std::vector<BoundStep<double>>&, int64_t, int);
template Phases<float> make_phases(const Program&, const std::vector<BoundStep<float>>&, int64_t, int);
template Phases<double> make_phases(const Program&, const std::vector<BoundStep<double>>&, int64_t, int);

}  // namespace ganglion
