// Reverse-mode differentiation: walks the operations backwards and lets each rule emit its part.
#include <vector>

#include "core/error.h"
#include "program/builder.h"
#include "program/rule.h"

namespace ganglion {

// What `gradient` changes of the builder while it writes, and sets back even if a rule throws.
class Builder::Writing {
 public:
  explicit Writing(Builder& builder) : builder_(builder), label_(builder.label) { builder.backward_ = true; }
  ~Writing() {
    builder_.backward_ = false;
    builder_.label = label_;
  }

 private:
  Builder& builder_;
  std::string label_;
};

std::vector<int> Builder::gradient(int output, const std::vector<int>& wrt, int seed) {
  check_value(output, "gradient");
  if (seed < 0) seed = broadcast_to(constant(1.0), shape(output));
  return gradient(std::vector<int>{output}, wrt, {seed});
}

std::vector<int> Builder::gradient(const std::vector<int>& outputs, const std::vector<int>& wrt,
                                   const std::vector<int>& seeds) {
  for (int value : wrt) check_value(value, "gradient");
  for (size_t i = 0; i < outputs.size(); ++i) {
    check_value(outputs[i], "gradient");
    check_value(seeds[i], "gradient");
    check(shape(seeds[i]) == shape(outputs[i]), "[gradient] seed of shape ", to_string(shape(seeds[i])),
          " for an output of shape ", to_string(shape(outputs[i])));
  }

  const size_t values = program_.values.size();
  const size_t operations = program_.operations.size();

  // Values through which a gradient reaches `wrt`; only there are rules asked.
  std::vector<char> needed(values, 0);
  for (int value : wrt) needed[static_cast<size_t>(value)] = 1;
  for (const Operation& operation : program_.operations) {
    if (find_rule(operation.kind).flat) continue;
    for (int value : operation.inputs) {
      if (!needed[static_cast<size_t>(value)]) continue;
      for (int made : operation.outputs) needed[static_cast<size_t>(made)] = 1;
    }
  }

  const Writing backward(*this);
  std::vector<int> gradients(values, -1);
  for (size_t i = 0; i < outputs.size(); ++i) {
    int& sum = gradients[static_cast<size_t>(outputs[i])];
    sum = sum < 0 ? seeds[i] : add(sum, seeds[i]);
  }
  for (size_t index = operations; index-- > 0;) {
    const Operation operation = program_.operations[index];  // a copy: rules append operations
    std::vector<int> d_outputs;
    bool reached = false;
    for (int value : operation.outputs) {
      d_outputs.push_back(gradients[static_cast<size_t>(value)]);
      reached = reached || (d_outputs.back() >= 0 && needed[static_cast<size_t>(value)]);
    }
    const Rule& rule = find_rule(operation.kind);
    if (!reached || rule.flat) continue;
    check(rule.gradient != nullptr, "[gradient] no gradient is known of the operation '", operation.kind, "' (in '",
          operation.label, "')");
    label = operation.label;
    const std::vector<int> d_inputs = rule.gradient(*this, operation, d_outputs);
    for (size_t i = 0; i < d_inputs.size(); ++i) {
      const size_t value = static_cast<size_t>(operation.inputs[i]);
      check(d_inputs[i] != kUnknownGradient || !needed[value], "[gradient] no gradient is known of the operation '",
            operation.kind, "' with respect to operand ", i, " (in '", operation.label,
            "'); ops.stop_gradient lets none through");
      if (d_inputs[i] < 0 || !needed[value]) continue;
      gradients[value] = gradients[value] < 0 ? d_inputs[i] : add(gradients[value], d_inputs[i]);
    }
  }

  std::vector<int> result;
  for (int value : wrt) {
    const int found = gradients[static_cast<size_t>(value)];
    result.push_back(found >= 0 ? found : broadcast_to(constant(0.0), shape(value)));
  }
  return result;
}

}  // namespace ganglion
