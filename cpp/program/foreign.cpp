// call: a function of the user's own language. It sees the whole batch, so it stands in a stage of its own, and one
// thread runs it.
#include "program/foreign.h"

#include "core/error.h"
#include "program/builder.h"
#include "program/rule.h"

namespace ganglion {

namespace {

std::vector<Shape> infer(const Program&, const Operation&) {
  throw Error("[call] a function is given to Builder.call");
}

std::vector<int> d_call(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  const std::shared_ptr<const Foreign> gradient = operation.foreign->gradient();
  check(gradient != nullptr, "[call] ", operation.foreign->name(), " has no gradient, which layer '", operation.label,
        "' needs: give ops.call a backward, or let none through with ops.stop_gradient");
  std::vector<int> inputs{d_outputs[0]};
  inputs.insert(inputs.end(), operation.inputs.begin(), operation.inputs.end());
  inputs.push_back(operation.outputs[0]);
  std::vector<Shape> shapes;
  for (int value : operation.inputs) shapes.push_back(builder.shape(value));
  return builder.call(gradient, inputs, shapes);
}

}  // namespace

std::vector<int> Builder::call(std::shared_ptr<const Foreign> function, const std::vector<int>& inputs,
                               const std::vector<Shape>& shapes) {
  check(section == Section::gradient && !updating_, "[call] ", function->name(),
        " cannot be called in the update section, which runs whole or not at all");
  for (int value : inputs) check_value(value, "call");
  Operation operation;
  operation.kind = "call";
  operation.inputs = inputs;
  operation.section = section;
  operation.backward = backward_;
  operation.label = label;
  operation.foreign = std::move(function);
  return append(std::move(operation), shapes).outputs;
}

void add_foreign_rules(RuleTable& rules) {
  Rule call;
  call.arity = -1;
  call.infer = infer;
  call.gradient = d_call;
  call.mixes_samples = true;
  rules["call"] = call;
}

}  // namespace ganglion
