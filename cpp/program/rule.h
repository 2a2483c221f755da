// What the program knows of a kind of operation: its shape rule, its gradient rule, its cost. One file
// per family (elementwise.cpp, matmul.cpp, ...) adds its rules to the table; nothing else in the
// program knows a kind by name, the fusion passes excepted.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "program/program.h"

namespace ganglion {

class Builder;

// In place of a gradient: there is one, but no rule for it. An error when it is needed.
constexpr int kUnknownGradient = -2;

struct Rule {
  int arity = 1;  // number of inputs, -1 for any

  // Shapes of the outputs. Raises Error on inputs that do not fit.
  std::vector<Shape> (*infer)(const Program& program, const Operation& operation) = nullptr;

  // Emits the gradients with respect to the inputs, given those with respect to the outputs (-1 where an
  // output has none). Returns one value per input, -1 where it is zero. Null: none is known, as kUnknownGradient for
  // all.
  std::vector<int> (*gradient)(Builder& builder, const Operation& operation,
                               const std::vector<int>& d_outputs) = nullptr;

  // The gradient is zero everywhere: comparisons, argmax, random numbers.
  bool flat = false;

  // A value that already is the result (an identity, a folded constant), or -1. May be null.
  int (*simplify)(Builder& builder, const Operation& operation) = nullptr;

  // Floating point operations of one run; null: one for each element written.
  int64_t (*flops)(const Program& program, const Operation& operation, int64_t rows) = nullptr;

  // The output is the input's memory under another shape.
  bool view = false;

  // The inputs are computed where they stand in the output, so that next to nothing is moved.
  bool in_place = false;

  // The result has a batch, and yet its samples are made of others than those of the operands.
  bool mixes_samples = false;

  // Of the first input, no more elements are read than the result has.
  bool reads_part = false;

  // Only the input's shape is looked at, never its elements.
  bool shape_only = false;

  // An expression that follows can be applied to each block of the result, as a part of the operation.
  bool takes_epilogue = false;
};

using RuleTable = std::map<std::string, Rule>;

void add_elementwise_rules(RuleTable& rules);
void add_matmul_rules(RuleTable& rules);
void add_convolution_rules(RuleTable& rules);
void add_reduction_rules(RuleTable& rules);
void add_layout_rules(RuleTable& rules);
void add_softmax_rules(RuleTable& rules);
void add_pooling_rules(RuleTable& rules);
void add_state_rules(RuleTable& rules);
void add_loop_rules(RuleTable& rules);
void add_resampling_rules(RuleTable& rules);
void add_table_rules(RuleTable& rules);
void add_foreign_rules(RuleTable& rules);
void add_routing_rules(RuleTable& rules);

// Of the expression that is a part of an operation.
int64_t epilogue_flops(const Operation& operation, int64_t rows);

// For Rule::flops of what computes nothing.
int64_t no_flops(const Program& program, const Operation& operation, int64_t rows);

const RuleTable& rule_table();
const Rule& find_rule(const std::string& kind);  // raises Error on an unknown kind

// Reads {"shape": [...], "batched": 0 or 1}.
Shape attribute_shape(const Operation& operation);
// NumPy's broadcasting. Raises Error.
Shape broadcast_shapes(const std::string& kind, const Shape& a, const Shape& b);

}  // namespace ganglion
