// When operations run. All of a stage may run at once, and stages one after the other:
//
//   stage 0    what depends on nothing but numbers from outside: rates, sizes of axes
//   stage 1    forward and backward, as far as each sample goes its own way: samplewise operations stand in the stage
//              of what they read, since a thread can take some samples through all of them
//   stage 2    what joins samples: gradients of weights, the loss; scalar operations stand in the stage of what they
//              read too, since one thread runs them all
//   ...        what needs these; the update's stages behind all of the gradient's
#include <algorithm>

#include "program/passes.h"
#include "program/rule.h"

namespace ganglion {

namespace {

bool is_view(const Operation& operation) { return operation.kind != "expression" && find_rule(operation.kind).view; }

class Scheduler {
 public:
  explicit Scheduler(Program& program) : program_(program) {}

  void run() {
    int last_of_gradient = 1;
    for (size_t index = 0; index < program_.operations.size(); ++index) {
      Operation& operation = program_.operations[index];
      const bool updates = operation.section == Section::update;
      operation.stage = is_preamble(index) ? 0 : earliest(index, updates ? last_of_gradient + 1 : 1);
      if (!updates) last_of_gradient = std::max(last_of_gradient, operation.stage);
    }
    std::stable_sort(program_.operations.begin(), program_.operations.end(),
                     [](const Operation& a, const Operation& b) { return a.stage < b.stage; });
    number_producers(program_);
  }

 private:
  const Operation& operation(size_t index) const { return program_.operations[index]; }

  // What computes a value, behind the views of it; null for what comes from outside.
  const Operation* maker(int value) const {
    for (;;) {
      const int index = program_.values[static_cast<size_t>(value)].producer;
      if (index < 0) return nullptr;
      if (!is_view(operation(static_cast<size_t>(index)))) return &operation(static_cast<size_t>(index));
      value = operation(static_cast<size_t>(index)).inputs[0];
    }
  }

  bool overtakes_writer(size_t index) const {
    for (size_t before = 0; before < index; ++before) {
      if (operation(before).stage > 0 && conflict(program_, operation(before), operation(index))) return true;
    }
    return false;
  }

  bool is_preamble(size_t index) const {
    const Operation& tested = operation(index);
    const bool shape_only = tested.kind != "expression" && find_rule(tested.kind).shape_only;
    if (!shape_only && tested.kind != "expression" && !is_elementwise(tested)) return false;
    if (!is_scalar(program_, tested)) return false;
    for (int value : tested.outputs) {
      if (writes(program_, tested, value)) return false;
    }
    for (int value : tested.inputs) {
      const Operation* made = maker(value);
      if (made && made->stage > 0 && !shape_only) return false;
    }
    return !overtakes_writer(index);
  }

  int earliest(size_t index, int first) const {
    const Operation& placed = operation(index);
    int stage = first;
    for (int value : placed.inputs) {
      const Operation* made = maker(value);
      if (!made) continue;
      const bool together = is_view(placed) || run_in_order(program_, *made, placed);
      stage = std::max(stage, made->stage + (together ? 0 : 1));
    }
    for (size_t before = 0; before < index; ++before) {
      if (!conflict(program_, operation(before), placed)) continue;
      stage = std::max(stage, operation(before).stage + (run_in_order(program_, operation(before), placed) ? 0 : 1));
    }
    return stage;
  }

  Program& program_;
};

}  // namespace

// So it is for nearly every kind: one that joins samples has a result without a batch.
bool is_samplewise(const Program& program, const Operation& operation) {
  if (operation.kind != "expression" && find_rule(operation.kind).mixes_samples) return false;
  return std::all_of(operation.outputs.begin(), operation.outputs.end(),
                     [&](int value) { return program.shape(value).batched; });
}

bool takes_apart(const Program& program, const Operation& operation, int value) {
  if (operation.kind == "expression") return true;
  if (operation.kind != "matmul" || attribute_int(operation, "transpose_a") != 0) return false;
  const auto factor = operation.inputs.begin() + 1;
  return program.shape(operation.inputs[0]).rank() == 2 && program.shape(*factor).rank() == 2 && *factor != value;
}

bool reads_batch(const Program& program, const Operation& operation) {
  if (operation.kind != "expression" && find_rule(operation.kind).shape_only) return false;
  return std::any_of(operation.inputs.begin(), operation.inputs.end(), [&](int value) {
    for (;;) {
      const Value& read = program.values[static_cast<size_t>(value)];
      if (read.producer < 0) return read.storage == Storage::input && read.shape.batched;
      const Operation& made = program.operations[static_cast<size_t>(read.producer)];
      if (made.kind == "expression" || !find_rule(made.kind).view) return false;
      value = made.inputs[0];
    }
  });
}

bool is_scalar(const Program& program, const Operation& operation) {
  return !operation.foreign && std::all_of(operation.outputs.begin(), operation.outputs.end(), [&](int value) {
    return !program.shape(value).batched && program.shape(value).sample_size() == 1;
  });
}

bool run_in_order(const Program& program, const Operation& a, const Operation& b) {
  return (is_samplewise(program, a) && is_samplewise(program, b)) || (is_scalar(program, a) && is_scalar(program, b));
}

void schedule(Program& program) { Scheduler(program).run(); }

}  // namespace ganglion
