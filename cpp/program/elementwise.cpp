// Elementwise functions with NumPy's broadcasting, and the random numbers. A gradient here is one row
// of a table: the derivatives of f(a, b, c), given y = f(a, b, c) and g = the gradient of y.
#include <cmath>

#include "core/error.h"
#include "program/builder.h"
#include "program/rule.h"

namespace ganglion {

namespace {

std::vector<Shape> infer_elementwise(const Program& program, const Operation& operation) {
  Shape shape = program.shape(operation.inputs[0]);
  for (size_t i = 1; i < operation.inputs.size(); ++i) {
    shape = broadcast_shapes(operation.kind, shape, program.shape(operation.inputs[i]));
  }
  if (operation.kind == "copy" && operation.attributes.count("shape")) {
    const Shape wanted = attribute_shape(operation);
    check(broadcast_shapes("copy", shape, wanted) == wanted, "[copy] cannot broadcast ", to_string(shape), " to ",
          to_string(wanted));
    shape = wanted;
  }
  return {shape};
}

std::vector<Shape> infer_random(const Program&, const Operation& operation) {
  const int64_t stream = attribute_int(operation, "stream");
  check(stream >= 0 && stream <= 0xffffffffLL, "[", operation.kind, "] stream must fit 32 bits, got ", stream);
  return {attribute_shape(operation)};
}

// What a rule works with: b is the builder, a(i) operand i, y the result, g its gradient.
struct Chain {
  Builder& b;
  const Operation& operation;
  int g;
  int a(int i) const { return operation.inputs[static_cast<size_t>(i)]; }
  int y() const { return operation.outputs[0]; }
  int number(double value) const { return b.constant(value); }
  int f(const char* kind, int x) const { return b.emit(kind, {x}); }
  int f(const char* kind, int x, int z) const { return b.emit(kind, {x, z}); }
  int where(int condition, int x, int z) const { return b.emit("where", {condition, x, z}); }
  int zero() const { return number(0.0); }
};

using Derivatives = std::vector<int> (*)(const Chain&);

std::vector<int> gradient_of(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs,
                             Derivatives derivatives) {
  std::vector<int> d_inputs = derivatives(Chain{builder, operation, d_outputs[0]});
  for (size_t i = 0; i < d_inputs.size(); ++i) {
    if (d_inputs[i] < 0) continue;
    // A derivative may be smaller than y where neither g nor the operand reach its full shape.
    const int full = builder.broadcast_to(d_inputs[i], builder.shape(operation.outputs[0]));
    d_inputs[i] = builder.sum_to(full, builder.shape(operation.inputs[i]));
  }
  return d_inputs;
}

// Two values padded with zeros to stand side by side are joined, not added: gradients of the slices of one value.
int join_padded(Builder& builder, int left, int right) {
  const auto pad = [&](int value) {
    const Operation* made = builder.producer(value);
    return made && made->kind == "pad" ? *made : Operation{};
  };
  Operation first = pad(left), second = pad(right);
  if (first.kind.empty() || second.kind.empty()) return -1;
  if (attribute_int(first, "before") > attribute_int(second, "before")) std::swap(first, second);
  if (builder.shape(left) != builder.shape(right)) return -1;
  const int64_t axis = attribute_int(first, "axis"), before = attribute_int(first, "before");
  const int64_t width = builder.shape(first.inputs[0]).dims[static_cast<size_t>(axis)];
  if (attribute_int(second, "axis") != axis || before + width != attribute_int(second, "before")) return -1;
  std::vector<int> parts;
  for (int value : {first.inputs[0], second.inputs[0]}) {
    const Operation* made = builder.producer(value);
    const bool joined = made && made->kind == "concat" && attribute_int(*made, "axis") == axis;
    const std::vector<int> inner = joined ? made->inputs : std::vector<int>{value};
    parts.insert(parts.end(), inner.begin(), inner.end());
  }
  const int joined = builder.emit("concat", parts, {{"axis", axis}});
  const int64_t after = attribute_int(second, "after");
  return before + after == 0 ? joined
                             : builder.emit("pad", {joined}, {{"axis", axis}, {"before", before}, {"after", after}});
}

// Folds what is known: f(constants), x * 1, x + 0, x - 0, x / 1.
int simplify_elementwise(Builder& builder, const Operation& operation) {
  if (operation.inputs.size() == 1 && operation.kind == "copy") {
    return operation.attributes.count("shape") == 0 || attribute_shape(operation) == builder.shape(operation.inputs[0])
               ? operation.inputs[0]
               : -1;
  }
  if (operation.inputs.size() != 2) return -1;
  const int left = operation.inputs[0], right = operation.inputs[1];
  const std::string& kind = operation.kind;
  double a = 0, b = 0;
  const bool a_known = builder.constant_number(left, &a), b_known = builder.constant_number(right, &b);
  if (a_known && b_known && builder.shape(left).rank() == 0 && builder.shape(right).rank() == 0) {
    if (kind == "add") return builder.constant(a + b);
    if (kind == "subtract") return builder.constant(a - b);
    if (kind == "multiply") return builder.constant(a * b);
    if (kind == "divide") return builder.constant(a / b);
  }
  const auto keeps = [&](int value, int other) {
    return broadcast_shapes(kind, builder.shape(value), builder.shape(other)) == builder.shape(value);
  };
  if (b_known && keeps(left, right)) {
    if ((kind == "multiply" || kind == "divide") && b == 1.0) return left;
    if ((kind == "add" || kind == "subtract") && b == 0.0) return left;
  }
  if (a_known && keeps(right, left)) {
    if (kind == "multiply" && a == 1.0) return right;
    if (kind == "add" && a == 0.0) return right;
  }
  return kind == "add" ? join_padded(builder, left, right) : -1;
}

template <Derivatives derivatives>
std::vector<int> chained(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  return gradient_of(builder, operation, d_outputs, derivatives);
}

template <Derivatives derivatives>
void add_rule(RuleTable& rules, const char* kind) {
  rules.at(kind).gradient = chained<derivatives>;
}

using D = std::vector<int>;
constexpr double kTwoOverSqrtPi = 1.12837916709551257390;
constexpr double kPi = 3.14159265358979323846;

D d_copy(const Chain& c) { return {c.g}; }
D d_negative(const Chain& c) { return {c.f("negative", c.g)}; }
D d_absolute(const Chain& c) { return {c.f("multiply", c.g, c.f("sign", c.a(0)))}; }
D d_square(const Chain& c) { return {c.f("multiply", c.g, c.f("multiply", c.number(2), c.a(0)))}; }
D d_sqrt(const Chain& c) { return {c.f("divide", c.f("multiply", c.number(0.5), c.g), c.y())}; }
D d_rsqrt(const Chain& c) {  // -y^3 / 2
  const int cube = c.f("multiply", c.y(), c.f("square", c.y()));
  return {c.f("multiply", c.g, c.f("multiply", c.number(-0.5), cube))};
}
D d_reciprocal(const Chain& c) { return {c.f("negative", c.f("multiply", c.g, c.f("square", c.y())))}; }
D d_exp(const Chain& c) { return {c.f("multiply", c.g, c.y())}; }
D d_expm1(const Chain& c) { return {c.f("multiply", c.g, c.f("exp", c.a(0)))}; }
D d_log(const Chain& c) { return {c.f("divide", c.g, c.a(0))}; }
D d_log1p(const Chain& c) { return {c.f("divide", c.g, c.f("add", c.number(1), c.a(0)))}; }
D d_tanh(const Chain& c) { return {c.f("multiply", c.g, c.f("subtract", c.number(1), c.f("square", c.y())))}; }
D d_sigmoid(const Chain& c) {
  return {c.f("multiply", c.g, c.f("multiply", c.y(), c.f("subtract", c.number(1), c.y())))};
}
D d_softplus(const Chain& c) { return {c.f("multiply", c.g, c.f("sigmoid", c.a(0)))}; }
D d_erf(const Chain& c) {
  const int bell = c.f("exp", c.f("negative", c.f("square", c.a(0))));
  return {c.f("multiply", c.g, c.f("multiply", c.number(kTwoOverSqrtPi), bell))};
}
D d_sinpi(const Chain& c) { return {c.f("multiply", c.g, c.f("multiply", c.number(kPi), c.f("cospi", c.a(0))))}; }
D d_cospi(const Chain& c) { return {c.f("multiply", c.g, c.f("multiply", c.number(-kPi), c.f("sinpi", c.a(0))))}; }
// From y, which is kept anyway, so that the argument need not be stored.
// What comes back from windows over y is masked before it is spread over them: the largest of a window has the mask of
// the element it came from, and there are fewer.
D d_relu(const Chain& c) {
  const auto masked = [&](int y, int g) { return c.where(c.f("greater", y, c.zero()), g, c.zero()); };
  const Operation* const spread = c.b.producer(c.g);
  const Operation* const pool =
      spread && spread->kind == "max_pool_gradient" ? c.b.producer(spread->inputs[0]) : nullptr;
  if (!pool || pool->kind != "max_pool" || pool->inputs[0] != c.y()) return {masked(c.y(), c.g)};
  const int place = spread->inputs[0], g = spread->inputs[1], largest = pool->outputs[0];
  const Attributes attributes = spread->attributes;  // copies: emitting moves the operations
  return {c.b.emit("max_pool_gradient", {place, masked(largest, g)}, attributes)};
}
D d_add(const Chain& c) { return {c.g, c.g}; }
D d_subtract(const Chain& c) { return {c.g, c.f("negative", c.g)}; }
D d_multiply(const Chain& c) { return {c.f("multiply", c.g, c.a(1)), c.f("multiply", c.g, c.a(0))}; }
D d_divide(const Chain& c) {  // d(a/b) = da / b - (a/b) db / b
  const int share = c.f("divide", c.g, c.a(1));
  return {share, c.f("negative", c.f("multiply", share, c.y()))};
}
D d_power(const Chain& c) {  // b a^(b-1), which is 0 at b = 0, and a^b log(a), which is 0 at a = 0
  const int above = c.f("power", c.a(0), c.f("subtract", c.a(1), c.number(1)));
  const int lower = c.where(c.f("equal", c.a(1), c.zero()), c.zero(), above);
  const int positive = c.f("greater", c.a(0), c.zero());
  const int log = c.f("log", c.where(positive, c.a(0), c.number(1)));
  return {c.f("multiply", c.g, c.f("multiply", c.a(1), lower)), c.f("multiply", c.g, c.f("multiply", c.y(), log))};
}
// At a tie the gradient goes in halves, as PyTorch's does.
D split(const Chain& c, int first_wins) {
  const int tie = c.f("equal", c.a(0), c.a(1));
  const int share = c.where(tie, c.number(0.5), first_wins);
  return {c.f("multiply", c.g, share), c.f("multiply", c.g, c.f("subtract", c.number(1), share))};
}
D d_maximum(const Chain& c) { return split(c, c.f("greater", c.a(0), c.a(1))); }
D d_minimum(const Chain& c) { return split(c, c.f("greater", c.a(1), c.a(0))); }
D d_where(const Chain& c) { return {-1, c.where(c.a(0), c.g, c.zero()), c.where(c.a(0), c.zero(), c.g)}; }

}  // namespace

void add_elementwise_rules(RuleTable& rules) {
  for (int code = 0; code < kOpcodeCount; ++code) {
    const Opcode opcode = static_cast<Opcode>(code);
    Rule rule;
    rule.arity = opcode_arity(opcode);
    rule.infer = rule.arity == 0 ? infer_random : infer_elementwise;
    rule.simplify = rule.arity == 0 ? nullptr : simplify_elementwise;
    rules[opcode_name(opcode)] = rule;
  }
  // Broadcasting alone; an expression has no instruction for it, since it broadcasts what it reads.
  Rule copy;
  copy.infer = infer_elementwise;
  copy.simplify = simplify_elementwise;
  copy.flops = no_flops;
  rules["copy"] = copy;
  for (const char* kind :
       {"sign", "floor", "is_finite", "greater", "greater_equal", "equal", "random_uniform", "random_normal"}) {
    rules.at(kind).flat = true;
  }
  add_rule<d_copy>(rules, "copy");
  add_rule<d_negative>(rules, "negative");
  add_rule<d_absolute>(rules, "absolute");
  add_rule<d_square>(rules, "square");
  add_rule<d_sqrt>(rules, "sqrt");
  add_rule<d_rsqrt>(rules, "rsqrt");
  add_rule<d_reciprocal>(rules, "reciprocal");
  add_rule<d_exp>(rules, "exp");
  add_rule<d_expm1>(rules, "expm1");
  add_rule<d_log>(rules, "log");
  add_rule<d_log1p>(rules, "log1p");
  add_rule<d_tanh>(rules, "tanh");
  add_rule<d_sigmoid>(rules, "sigmoid");
  add_rule<d_softplus>(rules, "softplus");
  add_rule<d_erf>(rules, "erf");
  add_rule<d_sinpi>(rules, "sinpi");
  add_rule<d_cospi>(rules, "cospi");
  add_rule<d_relu>(rules, "relu");
  add_rule<d_add>(rules, "add");
  add_rule<d_subtract>(rules, "subtract");
  add_rule<d_multiply>(rules, "multiply");
  add_rule<d_divide>(rules, "divide");
  add_rule<d_power>(rules, "power");
  add_rule<d_maximum>(rules, "maximum");
  add_rule<d_minimum>(rules, "minimum");
  add_rule<d_where>(rules, "where");
}

}  // namespace ganglion
