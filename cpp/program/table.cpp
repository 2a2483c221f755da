// take: rows of a table by their numbers; take_gradient: the sum of what reached each row. Both are linear in what they
// move, and each is the other's transpose. A number that names no row gives NaN, and adds to nothing.
#include "core/error.h"
#include "program/builder.h"
#include "program/rule.h"

namespace ganglion {

namespace {

// (table, index): index (...) to (..., columns).
std::vector<Shape> infer_take(const Program& program, const Operation& operation) {
  const Shape& table = program.shape(operation.inputs[0]);
  check(!table.batched && table.rank() == 2, "[take] needs a table (rows, columns), got ", to_string(table));
  Shape result = program.shape(operation.inputs[1]);
  result.dims.push_back(table.dims[1]);
  return {result};
}

// (index, d_out) to a table of `rows`.
std::vector<Shape> infer_take_gradient(const Program& program, const Operation& operation) {
  const Shape& index = program.shape(operation.inputs[0]);
  const Shape& d_out = program.shape(operation.inputs[1]);
  Shape row = d_out;
  if (row.rank() > 0) row.dims.pop_back();
  check(d_out.rank() > 0 && row == index, "[take_gradient] index ", to_string(index), " does not fit rows ",
        to_string(d_out));
  return {Shape{false, {attribute_int(operation, "rows"), d_out.dims.back()}}};
}

std::vector<int> d_take(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  const int64_t rows = builder.shape(operation.inputs[0]).dims[0];
  return {builder.emit("take_gradient", {operation.inputs[1], d_outputs[0]}, {{"rows", rows}}), -1};
}

std::vector<int> d_take_gradient(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  return {-1, builder.emit("take", {d_outputs[0], operation.inputs[0]})};
}

int64_t additions(const Program& program, const Operation& operation, int64_t rows) {
  return program.shape(operation.inputs[1]).size(rows) + epilogue_flops(operation, rows);
}

}  // namespace

void add_table_rules(RuleTable& rules) {
  Rule take;
  take.arity = 2;
  take.infer = infer_take;
  take.gradient = d_take;
  take.flops = no_flops;
  take.reads_part = true;
  rules["take"] = take;

  Rule gradient;
  gradient.arity = 2;
  gradient.infer = infer_take_gradient;
  gradient.gradient = d_take_gradient;
  gradient.flops = additions;
  gradient.takes_epilogue = true;
  rules["take_gradient"] = gradient;
}

}  // namespace ganglion
