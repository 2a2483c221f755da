// scan: a thread takes some samples through all steps, so that nobody waits for anybody between steps, and what is
// carried stays in its cache.
#include <algorithm>
#include <cstring>

#include "engines/cpu/step.h"
#include "program/loop.h"
#include "program/passes.h"
#include "program/rule.h"

namespace ganglion {

namespace {

// The part of a sequence, a carry or a shared value that belongs to some samples.
template <class T>
struct Part {
  T* where;               // first sample, first step
  int64_t sample_stride;  // elements
  int64_t step_stride;
};

// A weight whose transpose the products of each step read. `from`: which input; the transpose is one more.
struct Turned {
  int from;
  int64_t rows, columns;
};

// The loop with the transposes of weights as inputs, which are made once a run and not at each step.
Loop turn_weights(Loop loop, std::vector<Turned>* turned) {
  Program& body = loop.body;
  const std::vector<int> inputs = body.inputs;
  for (Operation& operation : body.operations) {
    if (operation.kind != "matmul" || attribute_int(operation, "transpose_b") == 0) continue;
    const int weight = operation.inputs[1];
    const Shape shape = body.shape(weight);
    const auto found = std::find(inputs.begin() + loop.carries + loop.sequences, inputs.end(), weight);
    if (found == inputs.end() || shape.batched || shape.rank() != 2) continue;
    Value value;
    value.shape.dims = {shape.dims[1], shape.dims[0]};
    value.storage = Storage::input;
    value.offset = static_cast<int64_t>(body.inputs.size());
    operation.inputs[1] = static_cast<int>(body.values.size());
    operation.attributes["transpose_b"] = int64_t{0};
    body.inputs.push_back(operation.inputs[1]);
    body.values.push_back(std::move(value));
    turned->push_back({static_cast<int>(found - inputs.begin()), shape.dims[0], shape.dims[1]});
  }
  return loop;
}

// Tile by tile, which stay in the first cache.
template <class T>
void transpose(T* to, const T* from, int64_t rows, int64_t columns) {
  constexpr int64_t tile = 16;
  for (int64_t row = 0; row < rows; row += tile) {
    for (int64_t column = 0; column < columns; column += tile) {
      for (int64_t j = column; j < std::min(column + tile, columns); ++j) {
        for (int64_t i = row; i < std::min(row + tile, rows); ++i) to[j * rows + i] = from[i * columns + j];
      }
    }
  }
}

// The body of a loop as one thread runs it.
template <class T>
class Lane {
 public:
  Lane(const Loop& loop, const std::vector<Turned>& turned)
      : loop_(loop), turned_(turned), program_(loop.body), memory_(program_, Buffers{}) {
    for (const Operation& operation : program_.operations) {
      if (operation.kind != "expression" && find_rule(operation.kind).view) continue;
      for (Binding& binding : bindings_) {
        binding.steps.push_back(make_step<T>({program_, operation, memory_}));
      }
      operations_.push_back(&operation);
    }
    memory_.require_threads(1);
    for (const Turned& weight : turned_) transposes_.emplace_back(weight.rows * weight.columns);
  }

  int64_t elements() const {
    int64_t all = memory_.elements();
    for (const Buffer<T>& carry : carried_) all += carry.size();
    for (const Binding& binding : bindings_) {
      for (const StepPointer<T>& step : binding.steps) all += step->own_elements();
    }
    return all;
  }

  void reserve(int64_t rows) {
    if (rows <= memory_.reserved()) return;
    memory_.reserve(rows);
    memory_.require_local(rows, 1);
    for (Binding& binding : bindings_) binding.rows = -1;
    place();
  }

  // inputs and outputs: those of the loop, for `rows` samples.
  void run(std::vector<Part<T>> inputs, const std::vector<Part<T>>& outputs, int64_t rows, const RunKey& key) {
    for (size_t i = 0; i < turned_.size(); ++i) {
      const Turned& weight = turned_[i];
      transpose(transposes_[i].data(), inputs[static_cast<size_t>(weight.from)].where, weight.rows, weight.columns);
      inputs.push_back({transposes_[i].data(), 0, 0});
    }
    if (bindings_[recent_].rows != rows) recent_ = 1 - recent_;
    Binding& binding = bindings_[recent_];
    bool is_bound = binding.rows == rows, is_addressed = false;
    carries_.clear();
    for (int i = 0; i < loop_.carries; ++i) carries_.push_back({inputs[static_cast<size_t>(i)].where, 0, false});
    turn_ = 0;
    for (int64_t step = 0; step < loop_.steps; ++step) {
      const int64_t at = position(step);
      find_masked(inputs, rows, at);
      if (static_cast<int64_t>(masked_rows_.size()) == rows) {
        clear_results(outputs, at);
        continue;
      }
      place_inputs(inputs, rows, at);
      place_outputs(outputs, at);
      for (size_t i = 0; i < binding.steps.size(); ++i) {
        if (idle_[i]) continue;
        if (!is_bound) {
          binding.steps[i]->bind(rows);
        } else if (!is_addressed || moves_[i]) {
          binding.steps[i]->readdress(rows);
        }
        for (int phase = 0; phase < binding.steps[i]->phases(); ++phase) {
          const int64_t chunks = binding.steps[i]->chunks(phase);
          for (int64_t chunk = 0; chunk < chunks; ++chunk) binding.steps[i]->run(phase, chunk, 0, key);
        }
      }
      is_bound = is_addressed = true;
      binding.rows = rows;
      keep_outputs(outputs, rows, at);
      keep_carries(outputs, at);
      clear_results(outputs, at);
    }
    for (int i = 0; i < loop_.carries; ++i) {
      const int64_t size = sample_size(loop_.output(i));
      const Lent& last = carries_[static_cast<size_t>(i)];
      copy_rows(outputs[static_cast<size_t>(i)].where, size, last.where, apart(last, size), size, rows);
    }
  }

 private:
  struct Binding {
    int64_t rows = -1;
    std::vector<StepPointer<T>> steps;
  };

  using Lent = typename Memory<T>::Lent;

  int64_t sample_size(int value) const { return program_.shape(value).sample_size(); }

  static int64_t apart(const Lent& lent, int64_t size) { return lent.sample_stride > 0 ? lent.sample_stride : size; }
  static Lent part_at(const Part<T>& part, int64_t at) {
    return {part.where + at * part.step_stride, part.sample_stride, false};
  }
  int64_t position(int64_t step) const { return loop_.reverse ? loop_.steps - 1 - step : step; }

  // Nothing to do: a view, a slice read or a part computed where it stands.
  bool is_idle(const Operation& operation) const {
    if (operation.kind == "expression" || operation.inputs.empty()) return false;
    const int owner = memory_.owner(operation.outputs[0]);
    const bool joins = find_rule(operation.kind).view || operation.kind == "slice" || operation.kind == "concat";
    return joins && std::all_of(operation.inputs.begin(), operation.inputs.end(),
                                [&](int value) { return memory_.owner(value) == owner; });
  }

  // What is decided once: where values may stand.
  void place() {
    const size_t values = program_.values.size();
    std::vector<char> fits(values, 1);
    for (const Operation& operation : program_.operations) {
      const bool idle = is_idle(operation);
      for (const std::vector<int>* touched : {&operation.inputs, &operation.outputs}) {
        for (int value : *touched) {
          const Shape& shape = program_.shape(value);
          const bool takes = idle || takes_apart(program_, operation, value);
          if (!takes || (shape.batched && shape.dims[0] != 1)) fits[static_cast<size_t>(memory_.owner(value))] = 0;
        }
      }
    }
    fits_ = fits;
    std::vector<char> moving(values, 0);
    for (int i = 0; i < loop_.carries + loop_.sequences; ++i)
      moving[static_cast<size_t>(program_.inputs[static_cast<size_t>(i)])] = 1;
    // Each result is computed where it belongs, if it is computed and nothing else stands there.
    const int outputs = static_cast<int>(program_.outputs.size());
    std::vector<int> stands(values, kNowhere);
    homes_.assign(static_cast<size_t>(outputs), kNowhere);
    const auto settle = [&](int output, int home) {
      const int owner = memory_.owner(loop_.output(output));
      int& taken = stands[static_cast<size_t>(owner)];
      const bool whole = program_.values[static_cast<size_t>(owner)].storage == Storage::arena &&
                         sample_size(owner) == sample_size(loop_.output(output));
      const bool apart = home != kCarried;
      if (whole && taken == kNowhere && (!apart || fits[static_cast<size_t>(owner)])) {
        taken = home;
        moving[static_cast<size_t>(owner)] = 1;
        homes_[static_cast<size_t>(output)] = home;
      } else if (whole && !apart && taken >= 0 && !loop_.masked) {
        homes_[static_cast<size_t>(output)] = taken;  // read there by the next step
      }
    };
    for (int i = loop_.carries; i < outputs; ++i) settle(i, i);
    for (int i = 0; i < loop_.carries; ++i) settle(i, kCarried);
    moves_.clear();
    idle_.clear();
    for (const Operation* operation : operations_) {
      idle_.push_back(is_idle(*operation));
      const auto moved = [&](int value) { return moving[static_cast<size_t>(memory_.owner(value))] != 0; };
      moves_.push_back(std::any_of(operation->inputs.begin(), operation->inputs.end(), moved) ||
                       std::any_of(operation->outputs.begin(), operation->outputs.end(), moved));
    }
    carried_.clear();
    for (int i = 0; i < 2 * loop_.carries; ++i) {
      carried_.emplace_back(memory_.reserved() * sample_size(loop_.output(i / 2)));
    }
  }

  T* carried(int carry) { return carried_[static_cast<size_t>(2 * carry + (turn_ & 1))].data(); }

  // Samples whose step does not happen.
  void find_masked(const std::vector<Part<T>>& inputs, int64_t rows, int64_t at) {
    masked_rows_.clear();
    if (!loop_.masked) return;
    const Lent mask = part_at(inputs[static_cast<size_t>(loop_.carries + loop_.sequences - 1)], at);
    for (int64_t row = 0; row < rows; ++row) {
      if (mask.where[row * mask.sample_stride] == T(0)) masked_rows_.push_back(row);
    }
  }

  void place_inputs(const std::vector<Part<T>>& inputs, int64_t rows, int64_t at) {
    for (int i = 0; i < static_cast<int>(inputs.size()); ++i) {
      const int value = program_.inputs[static_cast<size_t>(i)];
      const Part<T>& part = inputs[static_cast<size_t>(i)];
      const Lent lent = i < loop_.carries                     ? carries_[static_cast<size_t>(i)]
                        : i < loop_.carries + loop_.sequences ? part_at(part, at)
                                                              : Lent{part.where, 0, false};
      const int64_t size = sample_size(value);
      if (lent.sample_stride == 0 || lent.sample_stride == size || fits_[static_cast<size_t>(value)]) {
        memory_.lend(value, lent);
      } else {
        memory_.lend(value, {});
        copy_rows(memory_.at(value), size, lent.where, lent.sample_stride, size, rows);
      }
    }
  }

  void place_outputs(const std::vector<Part<T>>& outputs, int64_t at) {
    for (int i = 0; i < static_cast<int>(outputs.size()); ++i) {
      const int owner = memory_.owner(loop_.output(i)), home = homes_[static_cast<size_t>(i)];
      if (home == kCarried) memory_.lend(owner, {carried(i), 0, false});
      if (home == i) memory_.lend(owner, part_at(outputs[static_cast<size_t>(i)], at));
    }
  }

  // What was not computed where it belongs.
  void keep_outputs(const std::vector<Part<T>>& outputs, int64_t rows, int64_t at) {
    for (int i = 0; i < static_cast<int>(outputs.size()); ++i) {
      if (homes_[static_cast<size_t>(i)] != kNowhere) continue;
      const int value = loop_.output(i);
      const int64_t size = sample_size(value), stride = memory_.sample_stride(value);
      const Lent to = i < loop_.carries ? Lent{carried(i)} : part_at(outputs[static_cast<size_t>(i)], at);
      copy_rows(to.where, apart(to, size), memory_.at(value), stride > 0 ? stride : size, size, rows);
    }
  }

  // Where the next step finds the carries; those of masked samples are as they were.
  void keep_carries(const std::vector<Part<T>>& outputs, int64_t at) {
    for (int i = 0; i < loop_.carries; ++i) {
      const int home = homes_[static_cast<size_t>(i)];
      const Lent next = home < 0 ? Lent{carried(i)} : part_at(outputs[static_cast<size_t>(home)], at);
      const int64_t size = sample_size(loop_.output(i));
      const Lent& before = carries_[static_cast<size_t>(i)];
      for (int64_t row : masked_rows_) {
        std::copy_n(before.where + row * apart(before, size), size, next.where + row * apart(next, size));
      }
      carries_[static_cast<size_t>(i)] = next;
    }
    ++turn_;
  }

  void clear_results(const std::vector<Part<T>>& outputs, int64_t at) {
    if (masked_rows_.empty()) return;
    for (int i = loop_.carries; i < static_cast<int>(outputs.size()); ++i) {
      const Lent to = part_at(outputs[static_cast<size_t>(i)], at);
      const int64_t size = sample_size(loop_.output(i));
      for (int64_t row : masked_rows_) std::fill_n(to.where + row * to.sample_stride, size, T(0));
    }
  }

  // `size` elements of each row, which are so many elements apart.
  static void copy_rows(T* to, int64_t to_row, const T* from, int64_t from_row, int64_t size, int64_t rows) {
    for (int64_t row = 0; row < rows; ++row) {
      std::memmove(to + row * to_row, from + row * from_row, static_cast<size_t>(size) * sizeof(T));
    }
  }

  const Loop& loop_;
  const std::vector<Turned>& turned_;
  std::vector<Buffer<T>> transposes_;
  const Program& program_;
  Memory<T> memory_;
  std::vector<const Operation*> operations_;
  Binding bindings_[2];
  int recent_ = 0;
  std::vector<char> fits_;  // for each value: all that touch it take samples that are apart
  // For each output: which output it stands with when it was computed, kCarried in its buffer, kNowhere if it must be
  // copied.
  static constexpr int kNowhere = -1, kCarried = -2;
  std::vector<int> homes_;
  std::vector<char> idle_;          // for each step of a binding: nothing to do
  std::vector<char> moves_;         // for each step of a binding: it reads or writes what moves from step to step
  std::vector<Buffer<T>> carried_;  // for each carry two, (rows, ...), written in turn
  int64_t turn_ = 0;                // steps that happened
  std::vector<Lent> carries_;       // where the last of them left each carry
  std::vector<int64_t> masked_rows_;
};

template <class T>
class ScanStep : public Step<T> {
 public:
  explicit ScanStep(const StepSource<T>& source)
      : source_(source), loop_(turn_weights(*source.operation.loop, &turned_)) {}

  void bind(int64_t rows) override {
    rows_ = rows;
    inputs_ = parts(source_.operation.inputs, loop_.sequences);
    outputs_ = parts(source_.operation.outputs, static_cast<int>(source_.operation.outputs.size()) - loop_.carries);
    while (static_cast<int>(lanes_.size()) < source_.memory.local_threads())
      lanes_.push_back(std::make_unique<Lane<T>>(loop_, turned_));
    lanes_[0]->reserve(rows);
  }
  void bind_range(int64_t fewest) override {
    for (const auto& lane : lanes_) lane->reserve(fewest + 1);
  }
  int64_t chunks(int) const override { return 1; }
  void run(int, int64_t, int, const RunKey& key) override { run_lane(*lanes_[0], {}, 0, rows_, key); }
  void run_range(const Range& range, const RunKey& key) override {
    run_lane(*lanes_[static_cast<size_t>(range.thread)], range, range.begin, range.end, key);
  }
  int64_t own_elements() const override {
    int64_t all = 0;
    for (const auto& lane : lanes_) all += lane->elements();
    return all;
  }

 private:
  // Values of which the first are carries, and `sequences` after them have steps.
  std::vector<Part<T>> parts(const std::vector<int>& values, int sequences) const {
    std::vector<Part<T>> made;
    for (int i = 0; i < static_cast<int>(values.size()); ++i) {
      const int value = values[static_cast<size_t>(i)];
      const Shape& shape = source_.shape(value);
      const bool has_steps = i >= loop_.carries && i < loop_.carries + sequences;
      const int64_t size = shape.batched ? shape.sample_size() : 0;
      made.push_back({source_.at(value), size, has_steps ? size / loop_.steps : 0});
    }
    return made;
  }

  void run_lane(Lane<T>& lane, const Range& range, int64_t begin, int64_t end, const RunKey& key) const {
    const auto part_of = [&](const std::vector<Part<T>>& all, const std::vector<int>& values) {
      std::vector<Part<T>> parts = all;
      for (size_t i = 0; i < values.size(); ++i) {
        parts[i].where += begin * parts[i].sample_stride + source_.shift(values[i], range);
      }
      return parts;
    };
    lane.run(part_of(inputs_, source_.operation.inputs), part_of(outputs_, source_.operation.outputs), end - begin,
             key);
  }

  StepSource<T> source_;
  std::vector<Turned> turned_;
  const Loop loop_;
  int64_t rows_ = 0;
  std::vector<Part<T>> inputs_, outputs_;
  std::vector<std::unique_ptr<Lane<T>>> lanes_;
};

}  // namespace

template <class T>
StepPointer<T> make_scan_step(const StepSource<T>& source) {
  return std::make_unique<ScanStep<T>>(source);
}

template StepPointer<float> make_scan_step(const StepSource<float>&);
template StepPointer<double> make_scan_step(const StepSource<double>&);

}  // namespace ganglion
