#include "program/loop.h"
#include "program/passes.h"
#include "program/rule.h"

namespace ganglion {

void eliminate_dead_operations(Program& program) {
  std::vector<char> needed(program.values.size(), 0);
  for (const auto& [name, value] : program.outputs) needed[static_cast<size_t>(value)] = 1;

  std::vector<char> kept(program.operations.size(), 0);
  for (size_t index = program.operations.size(); index-- > 0;) {
    Operation& operation = program.operations[index];
    for (int value : operation.outputs) {
      if (needed[static_cast<size_t>(value)] || writes(program, operation, value)) kept[index] = 1;
    }
    if (!kept[index]) continue;
    if (operation.loop) {
      std::vector<char> read;
      for (int value : operation.outputs) read.push_back(needed[static_cast<size_t>(value)]);
      prune_loop(operation, read);
    }
    for (int value : operation.inputs) needed[static_cast<size_t>(value)] = 1;
  }

  std::vector<Operation> operations;
  for (size_t index = 0; index < kept.size(); ++index) {
    if (kept[index]) operations.push_back(std::move(program.operations[index]));
  }
  program.operations = std::move(operations);
  number_producers(program);
}

void number_producers(Program& program) {
  for (Value& value : program.values) value.producer = -1;
  for (size_t index = 0; index < program.operations.size(); ++index) {
    for (int value : program.operations[index].outputs) {
      program.values[static_cast<size_t>(value)].producer = static_cast<int>(index);
    }
  }
}

}  // namespace ganglion
