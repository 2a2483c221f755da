#include "program/program.h"

#include "core/error.h"
#include "program/rule.h"

namespace ganglion {

namespace {

template <class Type>
const Type& attribute(const Operation& operation, const char* name) {
  const auto found = operation.attributes.find(name);
  check(found != operation.attributes.end(), "[", operation.kind, "] needs the attribute '", name, "'");
  const Type* value = std::get_if<Type>(&found->second);
  check(value != nullptr, "[", operation.kind, "] attribute '", name, "' is of the wrong type");
  return *value;
}

}  // namespace

int64_t attribute_int(const Operation& operation, const char* name) { return attribute<int64_t>(operation, name); }
const std::vector<int64_t>& attribute_list(const Operation& operation, const char* name) {
  return attribute<std::vector<int64_t>>(operation, name);
}

Shape attribute_shape(const Operation& operation) {
  Shape shape;
  shape.dims = attribute_list(operation, "shape");
  shape.batched = attribute_int(operation, "batched") != 0;
  check(!shape.batched || shape.rank() > 0, "[", operation.kind, "] a batched shape needs a first dimension");
  return shape;
}

int64_t epilogue_flops(const Operation& operation, int64_t rows) {
  const Expression& epilogue = operation.expression;
  return epilogue.instructions.empty() ? 0
                                       : epilogue.shape.size(rows) * static_cast<int64_t>(epilogue.instructions.size());
}

int64_t no_flops(const Program&, const Operation&, int64_t) { return 0; }

const RuleTable& rule_table() {
  static const RuleTable table = [] {
    RuleTable rules;
    add_elementwise_rules(rules);
    add_matmul_rules(rules);
    add_convolution_rules(rules);
    add_reduction_rules(rules);
    add_layout_rules(rules);
    add_softmax_rules(rules);
    add_pooling_rules(rules);
    add_state_rules(rules);
    add_loop_rules(rules);
    add_resampling_rules(rules);
    add_table_rules(rules);
    add_foreign_rules(rules);
    add_routing_rules(rules);
    return rules;
  }();
  return table;
}

const Rule& find_rule(const std::string& kind) {
  const RuleTable& rules = rule_table();
  const auto found = rules.find(kind);
  check(found != rules.end(), "[Builder] there is no operation '", kind, "'");
  return found->second;
}

Shape broadcast_shapes(const std::string& kind, const Shape& a, const Shape& b) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  const int missing = longer.rank() - shorter.rank();
  // The batch is the first dimension of the result, so a batched operand must reach it.
  check(!(shorter.batched && missing > 0), "[", kind, "] cannot broadcast ", to_string(a), " with ", to_string(b));
  Shape result = longer;
  result.batched = a.batched || b.batched;
  for (int axis = missing; axis < longer.rank(); ++axis) {
    const int64_t left = longer.dims[static_cast<size_t>(axis)];
    const int64_t right = shorter.dims[static_cast<size_t>(axis - missing)];
    const bool left_batch = axis == 0 && longer.batched;
    const bool right_batch = axis == 0 && shorter.batched;
    int64_t& dim = result.dims[static_cast<size_t>(axis)];
    const bool fits = left_batch == right_batch ? left == right || (!left_batch && (left == 1 || right == 1))
                                                : (left_batch ? right : left) == 1;
    check(fits, "[", kind, "] cannot broadcast ", to_string(a), " with ", to_string(b));
    if (left_batch != right_batch) {
      dim = left_batch ? left : right;
    } else if (left == 1) {
      dim = right;
    }
  }
  return result;
}

}  // namespace ganglion
