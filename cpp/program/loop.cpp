// scan: shapes, cost, and what is dropped of it.
#include "program/loop.h"

#include <algorithm>

#include "core/error.h"
#include "program/builder.h"
#include "program/passes.h"
#include "program/rule.h"

namespace ganglion {

namespace {

bool joins_samples(const Program& body, const Operation& operation) {
  const bool reads_samples = std::any_of(operation.inputs.begin(), operation.inputs.end(),
                                         [&](int value) { return body.shape(value).batched; });
  return reads_samples && !is_samplewise(body, operation);
}

void check_body(const Program& program, const Loop& loop, const std::vector<int>& inputs) {
  check(inputs.size() == loop.body.inputs.size(), "[scan] the body takes ", loop.body.inputs.size(), " inputs, got ",
        inputs.size());
  check(loop.results() >= 0, "[scan] a body with ", loop.carries, " carries has ", loop.body.outputs.size(),
        " outputs");
  const Program& body = loop.body;
  for (const Operation& operation : body.operations) {
    check(operation.kind != "assign", "[scan] a step cannot assign weights or state");
    check(operation.kind.rfind("random_", 0) != 0,
          "[scan] a step cannot draw random numbers: draw them for all steps, as a sequence");
    check(!operation.foreign, "[scan] a step cannot call a function of Python: call it for all steps, as a sequence");
    check(!joins_samples(body, operation), "[scan] a step cannot compute '", operation.kind,
          "' over the batch: each sample goes through the steps by itself");
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Shape& inner = body.shape(body.inputs[i]);
    Shape outer = program.shape(inputs[i]);
    const bool is_sequence = static_cast<int>(i) >= loop.carries && static_cast<int>(i) < loop.carries + loop.sequences;
    if (is_sequence) {
      check(outer.batched && outer.rank() >= 2 && outer.dims[0] == 1 && outer.dims[1] == loop.steps,
            "[scan] a sequence needs a shape (None, ", loop.steps, ", ...), got ", to_string(outer));
      outer = step_shape(outer);
    }
    const bool is_mask = loop.masked && static_cast<int>(i) == loop.carries + loop.sequences - 1;
    check(!is_mask || outer.rank() == 1, "[scan] a mask needs a shape (None, ", loop.steps, ")");
    check(inner == outer, "[scan] a step reads ", to_string(inner), " where it is given ", to_string(outer));
  }
  for (int i = 0; i < loop.carries + loop.results(); ++i) {
    const Shape& shape = body.shape(loop.output(i));
    check(shape.batched && shape.dims[0] == 1, "[scan] what a step computes needs the batch first, got ",
          to_string(shape));
    if (i >= loop.carries) continue;
    const Shape& carry = body.shape(body.inputs[static_cast<size_t>(i)]);
    check(shape == carry, "[scan] a carry of shape ", to_string(carry), " becomes one of ", to_string(shape));
  }
}

std::vector<Shape> infer(const Program& program, const Operation& operation) {
  const Loop& loop = *operation.loop;
  check_body(program, loop, operation.inputs);
  std::vector<Shape> shapes;
  for (int i = 0; i < static_cast<int>(loop.body.outputs.size()); ++i) {
    const Shape& shape = loop.body.shape(loop.output(i));
    shapes.push_back(i < loop.carries ? shape : sequence_shape(shape, loop.steps));
  }
  return shapes;
}

int64_t flops(const Program&, const Operation& operation, int64_t rows) {
  int64_t total = 0;
  for (const Operation& step : operation.loop->body.operations) {
    total += operation_flops(operation.loop->body, step, rows);
  }
  return total * operation.loop->steps;
}

}  // namespace

Shape step_shape(const Shape& sequence) {
  Shape shape = sequence;
  shape.dims.erase(shape.dims.begin() + 1);
  return shape;
}

Shape sequence_shape(const Shape& step, int64_t steps) {
  Shape shape = step;
  shape.dims.insert(shape.dims.begin() + 1, steps);
  return shape;
}

std::vector<int> Builder::scan(const Program& body, const std::vector<int>& carries, const std::vector<int>& sequences,
                               const std::vector<int>& shared, bool reverse, bool masked) {
  check(!sequences.empty(), "[scan] needs at least one sequence");
  check_value(sequences[0], "scan");
  const Shape first = shape(sequences[0]);
  check(first.rank() >= 2, "[scan] a sequence needs a shape (None, steps, ...), got ", to_string(first));
  Loop loop{body, first.dims[1], static_cast<int>(carries.size()), static_cast<int>(sequences.size()), reverse, masked};
  Operation operation;
  operation.kind = "scan";
  operation.inputs = carries;
  operation.inputs.insert(operation.inputs.end(), sequences.begin(), sequences.end());
  operation.inputs.insert(operation.inputs.end(), shared.begin(), shared.end());
  for (int value : operation.inputs) check_value(value, "scan");
  operation.section = section;
  operation.backward = backward_;
  operation.label = label;
  operation.loop = std::make_shared<const Loop>(loop);
  infer(program_, operation);  // that the body fits, before it is differentiated
  // Of residuals there may be a gradient, which reads others.
  for (std::vector<int> found; !(found = find_residuals(loop)).empty();) {
    for (int value : found) loop.body.outputs.emplace_back("residual", value);
  }
  operation.loop = std::make_shared<const Loop>(std::move(loop));
  const std::vector<Shape> shapes = infer(program_, operation);
  return append(std::move(operation), shapes).outputs;
}

void prune_loop(Operation& operation, const std::vector<char>& needed) {
  Loop loop = *operation.loop;
  const int carries = loop.carries, sequences = loop.sequences;
  std::vector<int> outputs, inputs, body_inputs;
  std::vector<std::pair<std::string, int>> body_outputs;
  for (size_t i = 0; i < operation.outputs.size(); ++i) {
    if (static_cast<int>(i) >= carries && !needed[i]) continue;
    outputs.push_back(operation.outputs[i]);
    body_outputs.push_back(loop.body.outputs[i]);
  }
  loop.body.outputs = std::move(body_outputs);
  eliminate_dead_operations(loop.body);

  std::vector<char> read(loop.body.values.size(), 0);
  for (const Operation& step : loop.body.operations) {
    for (int value : step.inputs) read[static_cast<size_t>(value)] = 1;
  }
  for (const auto& [name, value] : loop.body.outputs) read[static_cast<size_t>(value)] = 1;
  for (size_t i = 0; i < operation.inputs.size(); ++i) {
    const int value = loop.body.inputs[i];
    const bool is_carry = static_cast<int>(i) < carries;
    const bool is_sequence = !is_carry && static_cast<int>(i) < carries + sequences;
    // Its steps are counted by a sequence; a mask is the last.
    const bool is_last =
        is_sequence && (loop.sequences == 1 || (loop.masked && static_cast<int>(i) == carries + sequences - 1));
    if (!is_carry && !is_last && !read[static_cast<size_t>(value)]) {
      loop.sequences -= is_sequence;
      continue;
    }
    loop.body.values[static_cast<size_t>(value)].offset = static_cast<int64_t>(inputs.size());
    inputs.push_back(operation.inputs[i]);
    body_inputs.push_back(value);
  }
  loop.body.inputs = std::move(body_inputs);
  operation.inputs = std::move(inputs);
  operation.outputs = std::move(outputs);
  operation.loop = std::make_shared<const Loop>(std::move(loop));
}

void add_loop_rules(RuleTable& rules) {
  Rule scan;
  scan.arity = -1;
  scan.infer = infer;
  scan.gradient = scan_gradient;
  scan.flops = flops;
  rules["scan"] = scan;
}

}  // namespace ganglion
