// An update of all weights at once reads one long gradient, packed from that of each weight. Where nothing else reads
// it, the update is split by weights again: then each part can follow the product that makes its gradient, block by
// block, and the gradient is never written.
#include <algorithm>
#include <utility>

#include "program/passes.h"

namespace ganglion {

namespace {

class Splitter {
 public:
  explicit Splitter(Program& program) : program_(program), readers_(program.values.size(), 0) {
    for (const Operation& operation : program.operations) {
      for (int value : operation.inputs) ++readers_[static_cast<size_t>(value)];
    }
    for (const auto& [name, value] : program.outputs) ++readers_[static_cast<size_t>(value)];
  }

  void run() {
    std::vector<Operation> operations;
    for (const Operation& operation : program_.operations) {
      const Operation* const pack = packed_gradient(operation);
      if (!pack) {
        operations.push_back(operation);
        continue;
      }
      int64_t offset = 0;
      for (int part : pack->inputs) {
        operations.push_back(part_of(operation, pack->outputs[0], part, offset));
        offset += padded_size(program_.shape(part).sample_size());
      }
    }
    program_.operations = std::move(operations);
    number_producers(program_);
  }

 private:
  const Value& value(int id) const { return program_.values[static_cast<size_t>(id)]; }

  // The pack that `update` alone reads, when every other operand and all results are slices of weights and state, or
  // single numbers. Otherwise null.
  const Operation* packed_gradient(const Operation& update) const {
    if (update.kind != "expression") return nullptr;
    // Parts would draw the same numbers, each from the beginning.
    const auto& instructions = update.expression.instructions;
    if (std::any_of(instructions.begin(), instructions.end(),
                    [](const Instruction& instruction) { return opcode_arity(instruction.opcode) == 0; })) {
      return nullptr;
    }
    const Operation* pack = nullptr;
    for (int input : update.inputs) {
      const int producer = value(input).producer;
      const Operation* made = producer < 0 ? nullptr : &program_.operations[static_cast<size_t>(producer)];
      if (made && made->kind == "pack" && readers_[static_cast<size_t>(input)] == 1) {
        if (pack) return nullptr;
        pack = made;
      } else if (!is_slice(update, input) && value(input).shape.rank() != 0) {
        return nullptr;
      }
    }
    const bool stored =
        std::all_of(update.outputs.begin(), update.outputs.end(), [&](int output) { return is_slice(update, output); });
    return stored && pack && program_.shape(pack->outputs[0]) == update.expression.shape ? pack : nullptr;
  }

  bool is_slice(const Operation& update, int id) const {
    const Storage storage = value(id).storage;
    return (storage == Storage::parameter || storage == Storage::state) && value(id).shape == update.expression.shape;
  }

  Operation part_of(const Operation& update, int gradient, int part, int64_t offset) {
    Operation split = update;
    split.expression.shape = program_.shape(part);
    for (int& input : split.inputs) {
      if (input == gradient) {
        input = part;
      } else if (is_slice(update, input)) {
        input = slice(input, part, offset);
      }
    }
    for (int& output : split.outputs) output = slice(output, part, offset);
    return split;
  }

  // The elements of a slice that belong to one weight.
  int slice(int whole, int part, int64_t offset) {
    Value piece = value(whole);
    piece.shape = program_.shape(part);
    piece.offset += offset;
    program_.values.push_back(std::move(piece));
    return static_cast<int>(program_.values.size()) - 1;
  }

  Program& program_;
  std::vector<int> readers_;  // of each value
};

}  // namespace

void split_updates(Program& program) { Splitter(program).run(); }

}  // namespace ganglion
