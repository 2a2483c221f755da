#include <algorithm>

#include "program/passes.h"
#include "program/rule.h"

namespace ganglion {

namespace {

bool reads(const Operation& operation, int value) {
  return std::count(operation.inputs.begin(), operation.inputs.end(), value) != 0;
}

// Whether operation `from` may run at the place of a later operation `to`.
bool can_delay(const Program& program, size_t from, size_t to) {
  for (size_t between = from + 1; between < to; ++between) {
    const Operation& other = program.operations[between];
    if (conflict(program, program.operations[from], other)) return false;
    for (int value : program.operations[from].outputs) {
      if (reads(other, value)) return false;
    }
  }
  return true;
}

// Whether anything but operation `at` reads a value.
bool read_elsewhere(const Program& program, size_t at, int value) {
  const bool stored =
      std::any_of(program.outputs.begin(), program.outputs.end(), [&](const auto& out) { return out.second == value; });
  for (size_t other = 0; other < program.operations.size(); ++other) {
    if (other != at && reads(program.operations[other], value)) return true;
  }
  return stored;
}

// Whether an expression can still become a part of the operation.
bool takes_epilogue(const Operation& operation) {
  return operation.kind != "expression" && find_rule(operation.kind).takes_epilogue &&
         operation.expression.instructions.empty();
}

// The product that operation `at` can become the epilogue of, or -1: the latest one it reads at its own shape.
int product_for(const Program& program, size_t at) {
  const Operation& chain = program.operations[at];
  int best = -1;
  for (int value : chain.inputs) {
    const int producer = program.values[static_cast<size_t>(value)].producer;
    if (producer < 0 || program.shape(value) != chain.expression.shape) continue;
    const Operation& product = program.operations[static_cast<size_t>(producer)];
    if (!takes_epilogue(product)) continue;
    // A gradient that nothing but the update needs is part of the update.
    if (product.section != chain.section && read_elsewhere(program, at, value)) continue;
    // A block of the chain must not write what another block of the product still reads.
    if (writes_over(program, chain, product)) continue;
    if (can_delay(program, static_cast<size_t>(producer), at)) best = std::max(best, producer);
  }
  return best;
}

// Renumbers the registers so that the product is operand 0, and keeps the product when others read it.
void attach(Operation& product, const Operation& chain, bool stored) {
  const int made = product.outputs[0];
  const int at = static_cast<int>(std::find(chain.inputs.begin(), chain.inputs.end(), made) - chain.inputs.begin());
  const auto renumber = [&](int from) { return from < 0 || from > at ? from : from == at ? 0 : from + 1; };
  Expression expression = chain.expression;
  for (Instruction& instruction : expression.instructions) {
    instruction.a = renumber(instruction.a);
    instruction.b = renumber(instruction.b);
    instruction.c = renumber(instruction.c);
  }
  for (int& result : expression.results) result = renumber(result);
  for (int value : chain.inputs) {
    if (value != made) product.inputs.push_back(value);
  }
  product.outputs = chain.outputs;
  if (stored) {
    product.outputs.push_back(made);
    expression.results.push_back(0);
  }
  product.expression = std::move(expression);
}

}  // namespace

void fuse_epilogues(Program& program) {
  for (size_t at = 0; at < program.operations.size(); ++at) {
    if (program.operations[at].kind != "expression" || program.operations[at].expression.instructions.empty()) continue;
    const int from = product_for(program, at);
    if (from < 0) continue;
    Operation product = program.operations[static_cast<size_t>(from)];
    const int made = product.outputs[0];
    const bool stored = read_elsewhere(program, at, made);
    product.section = program.operations[at].section;
    attach(product, program.operations[at], stored);
    program.operations[at] = std::move(product);
    program.operations.erase(program.operations.begin() + from);
    number_producers(program);
    --at;
  }
}

}  // namespace ganglion
