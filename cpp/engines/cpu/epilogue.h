// The expression that an operation applies to each block of its product.
#pragma once

#include <algorithm>
#include <optional>

#include "engines/cpu/expression_runner.h"
#include "engines/cpu/step.h"
#include "program/rule.h"

namespace ganglion {

// The value in whose place the product is computed: its own when it is kept, otherwise the first result that is an
// intermediate too; -1 when all results are weights and state.
inline int place_of_product(const Program& program, const Operation& operation) {
  if (operation.expression.instructions.empty()) return operation.outputs[0];
  for (size_t r = 0; r < operation.outputs.size(); ++r) {
    if (operation.expression.results[r] == 0) return operation.outputs[r];
  }
  const auto found = std::find_if(operation.outputs.begin(), operation.outputs.end(), [&](int value) {
    return program.values[static_cast<size_t>(value)].storage == Storage::arena;
  });
  return found == operation.outputs.end() ? -1 : *found;
}

// Runs it, where there is one.
template <class T>
std::optional<ExpressionRunner<T>> make_epilogue(const StepSource<T>& source) {
  const Operation& operation = source.operation;
  if (operation.expression.instructions.empty()) return std::nullopt;
  const int place = place_of_product(source.program, operation);
  std::vector<int> operands{place < 0 ? operation.outputs[0] : place};
  operands.insert(operands.end(), operation.inputs.begin() + find_rule(operation.kind).arity, operation.inputs.end());
  return std::optional<ExpressionRunner<T>>(std::in_place, source.program, operation.expression, operands,
                                            operation.outputs, true);
}

}  // namespace ganglion
