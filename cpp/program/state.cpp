// assign, which writes weights, moving statistics and optimizer state; stop_gradient.
#include "core/error.h"
#include "program/builder.h"
#include "program/rule.h"

namespace ganglion {

namespace {

std::vector<Shape> infer_assign(const Program& program, const Operation& operation) {
  const Value& target = program.values[static_cast<size_t>(operation.inputs[0])];
  check(target.storage == Storage::parameter || target.storage == Storage::state,
        "[assign] the target must be a weight or optimizer state");
  check(program.shape(operation.inputs[1]) == target.shape, "[assign] '", target.name, "' has shape ",
        to_string(target.shape), ", the value has ", to_string(program.shape(operation.inputs[1])));
  return {target.shape};
}

std::vector<Shape> infer_same(const Program& program, const Operation& operation) {
  return {program.shape(operation.inputs[0])};
}

}  // namespace

void add_state_rules(RuleTable& rules) {
  Rule assign;
  assign.arity = 2;
  assign.infer = infer_assign;
  assign.flops = no_flops;
  rules["assign"] = assign;

  Rule stop_gradient;
  stop_gradient.infer = infer_same;
  stop_gradient.flops = no_flops;
  stop_gradient.flat = true;
  stop_gradient.view = true;
  rules["stop_gradient"] = stop_gradient;
}

}  // namespace ganglion
