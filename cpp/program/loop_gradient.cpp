// The gradient of a loop is a loop the other way round. Its carries are the gradients of the carries; its sequences are
// those of the results, and the residuals: what its steps need of the steps forward. The gradient of a weight that all
// steps share is a sum over steps and samples. It is not made step by step: the products and sums over the batch that a
// step would end in are taken out of the loop and done once, over all steps.
#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "core/error.h"
#include "program/builder.h"
#include "program/loop.h"
#include "program/rule.h"

namespace ganglion {

namespace {

using Numbers = std::vector<int>;

// What is said of one value of the body that the loop backward reads.
enum class Origin { constant, carry, sequence, shared, seed, forward, backward };

class LoopGradient {
 public:
  // `asked`: for each result, whether it has a gradient.
  LoopGradient(const Loop& loop, const std::vector<char>& asked) : loop_(loop), body_(loop.body) {
    forward_operations_ = body_.program().operations.size();
    forward_values_ = body_.program().values.size();
    Numbers outputs;
    for (int i = 0; i < loop.carries + loop.results(); ++i) {
      const bool is_result = i >= loop.carries;
      if (is_result && !asked[static_cast<size_t>(i - loop.carries)]) continue;
      outputs.push_back(loop.output(i));
      seeds_.push_back(body_.input("gradient", body_.shape(loop.output(i))));
    }
    gradients_ = body_.gradient(outputs, loop.body.inputs, seeds_);
    for (int i = 0; i < loop.carries + loop.sequences; ++i) need(gradient(i));
    for (int i = loop.carries + loop.sequences; i < static_cast<int>(gradients_.size()); ++i) {
      if (is_zero(gradient(i))) continue;
      if (body_.shape(input(i)).batched) {
        need(gradient(i));
      } else {
        gather(gradient(i));
      }
    }
    // A loop has the steps of its sequences.
    const bool counts =
        seeds_.size() > static_cast<size_t>(loop.carries) || !sequences_.empty() || !residuals_.empty() || loop.masked;
    if (!counts) sequences_.push_back(input(loop.carries));
  }

  const Numbers& residuals() const { return residuals_; }

  // Emits the loop backward, and what follows it.
  Numbers emit(Builder& builder, const Operation& operation, const Numbers& d_outputs);

 private:
  int input(int index) const { return loop_.body.inputs[static_cast<size_t>(index)]; }
  int mask() const { return input(loop_.carries + loop_.sequences - 1); }
  int gradient(int index) const { return gradients_[static_cast<size_t>(index)]; }
  const Program& program() const { return body_.program(); }

  int position(int value) const {
    const auto found = std::find(loop_.body.inputs.begin(), loop_.body.inputs.end(), value);
    return found == loop_.body.inputs.end() ? -1 : static_cast<int>(found - loop_.body.inputs.begin());
  }

  Origin origin(int value) const {
    const Value& held = program().values[static_cast<size_t>(value)];
    if (held.storage == Storage::constant) return Origin::constant;
    if (held.producer >= static_cast<int>(forward_operations_)) return Origin::backward;
    if (held.producer >= 0) return Origin::forward;
    const int at = position(value);
    return at < 0                                 ? Origin::seed
           : at < loop_.carries                   ? Origin::carry
           : at < loop_.carries + loop_.sequences ? Origin::sequence
                                                  : Origin::shared;
  }

  const Operation& maker(int value) const {
    return program().operations[static_cast<size_t>(program().values[static_cast<size_t>(value)].producer)];
  }

  // Whether a value is the same at each step.
  bool is_invariant(int value) const {
    const Origin from = origin(value);
    if (from == Origin::constant || from == Origin::shared) return true;
    if (from != Origin::forward && from != Origin::backward) return false;
    const Numbers& inputs = maker(value).inputs;
    return std::all_of(inputs.begin(), inputs.end(), [&](int made) { return is_invariant(made); });
  }

  bool is_zero(int value) const {
    double number = 1.0;
    const Operation* made = body_.producer(value);
    if (made && made->kind == "copy") value = made->inputs[0];
    return body_.constant_number(value, &number) && number == 0.0;
  }

  static void add_once(Numbers* numbers, int value) {
    if (std::find(numbers->begin(), numbers->end(), value) == numbers->end()) numbers->push_back(value);
  }

  void need_input(int value) {
    const Origin from = origin(value);
    if (from == Origin::shared) return add_once(&shared_, value);
    if (from == Origin::sequence) return add_once(&sequences_, value);
    if (from == Origin::carry || from == Origin::forward) return add_once(&residuals_, value);
  }

  // Marks what the loop backward must compute for `value`. Views are looked through; what is the same at each step
  // is computed again.
  void need(int value) {
    const Origin from = origin(value);
    const bool again = from == Origin::forward && (find_rule(maker(value).kind).view || is_invariant(value));
    if (from != Origin::backward && !again) return need_input(value);
    const size_t index = static_cast<size_t>(program().values[static_cast<size_t>(value)].producer);
    if (!cloned_.insert({index, 1}).second) return;
    for (int read : maker(value).inputs) need(read);
  }

  // A sum over the batch, whose operands leave the loop instead: (n, ...) at each step.
  void gather(int value) {
    if (is_zero(value)) return;
    const Operation* made = body_.producer(value);
    const bool known = made && origin(value) == Origin::backward;
    check(known && !is_invariant(value), "[scan] cannot sum the gradient of what all steps share over the steps");
    if (sums_samples(*made)) {
      for (int operand : made->inputs) need_stacked(operand);
    } else {
      static const std::set<std::string> linear{"add", "negative", "reshape", "transpose", "slice", "pad", "concat"};
      check(linear.count(made->kind) > 0, "[scan] cannot take the operation '", made->kind, "' out of the loop");
      for (int operand : made->inputs) gather(operand);
    }
  }

  static bool sums_samples(const Operation& operation) {
    return operation.kind == "matmul" || operation.kind == "reduce_sum" || operation.kind == "take_gradient";
  }

  void need_stacked(int value) {
    const Shape& shape = program().shape(value);
    check(shape.batched && shape.dims[0] == 1, "[scan] a sum over steps needs the batch first, got ", to_string(shape));
    need(value);
    const Origin from = origin(value);
    if (from == Origin::backward || (from == Origin::forward && cloned_.count(producer_index(value))) ||
        from == Origin::seed) {
      add_once(&stacked_, value);
    }
  }

  size_t producer_index(int value) const {
    return static_cast<size_t>(program().values[static_cast<size_t>(value)].producer);
  }

  Program write_body() const;
  // The sum over steps of what `gather` was asked for. `stacked`: values of the builder by values of the body.
  int sum(Builder& builder, int value, const std::map<int, int>& stacked) const;

  const Loop& loop_;
  Builder body_;
  size_t forward_operations_, forward_values_;
  Numbers seeds_, gradients_;
  Numbers residuals_, sequences_, shared_;  // that the loop backward reads
  Numbers stacked_;                         // that leave it beside the gradients of the sequences
  std::map<size_t, char> cloned_;           // operations of the body that are its own
};

// Inputs: the gradients of the carries, sums for what the samples have each of the shared values; gradients of results,
// sequences, residuals; shared values.
Program LoopGradient::write_body() const {
  Builder builder;
  std::map<int, int> to;
  const auto declare = [&](int value) { to[value] = builder.input("", program().shape(value)); };
  Numbers sums;
  for (int i = 0; i < loop_.carries; ++i) declare(seeds_[static_cast<size_t>(i)]);
  for (int i = loop_.carries + loop_.sequences; i < static_cast<int>(gradients_.size()); ++i) {
    if (program().shape(input(i)).batched && !is_zero(gradient(i))) {
      sums.push_back(builder.input("", program().shape(input(i))));
    }
  }
  for (size_t i = static_cast<size_t>(loop_.carries); i < seeds_.size(); ++i) declare(seeds_[i]);
  for (const Numbers* read : {&sequences_, &residuals_, &shared_}) {
    if (read == &shared_ && loop_.masked) builder.input("mask", program().shape(mask()));
    for (int value : *read) declare(value);
  }
  const auto translated = [&](int value) {
    if (const auto found = to.find(value); found != to.end()) return found->second;
    const Value& held = program().values[static_cast<size_t>(value)];
    check(held.storage == Storage::constant, "[scan] the gradient of a step reads what is not there");
    return builder.constant(program().constants[static_cast<size_t>(held.offset)], held.shape);
  };
  for (const auto& [index, unused] : cloned_) {
    const Operation& operation = program().operations[index];
    builder.label = operation.label;
    Numbers inputs;
    for (int value : operation.inputs) inputs.push_back(translated(value));
    Numbers outputs;
    if (operation.loop) {
      const Loop& inner = *operation.loop;
      const auto begin = inputs.begin(), shared = begin + inner.carries + inner.sequences;
      outputs = builder.scan(inner.body, {begin, begin + inner.carries}, {begin + inner.carries, shared},
                             {shared, inputs.end()}, inner.reverse, inner.masked);
    } else {
      outputs = builder.apply(operation.kind, inputs, operation.attributes);
    }
    for (size_t i = 0; i < operation.outputs.size(); ++i) to[operation.outputs[i]] = outputs[i];
  }
  for (int i = 0; i < loop_.carries; ++i) builder.output("carry", translated(gradient(i)));
  size_t next = 0;
  for (int i = loop_.carries + loop_.sequences; i < static_cast<int>(gradients_.size()); ++i) {
    if (!program().shape(input(i)).batched || is_zero(gradient(i))) continue;
    builder.output("sum", builder.add(sums[next++], translated(gradient(i))));
  }
  for (int i = 0; i < loop_.sequences; ++i) builder.output("sequence", translated(gradient(loop_.carries + i)));
  for (int value : stacked_) builder.output("stacked", translated(value));
  return builder.program();
}

int LoopGradient::sum(Builder& builder, int value, const std::map<int, int>& stacked) const {
  const Operation& operation = *body_.producer(value);
  // (n, steps, ...) as (n * steps, ...).
  const auto rows = [&](int operand) {
    const int sequence = stacked.at(operand);
    Shape shape = step_shape(builder.shape(sequence));
    shape.dims[0] = loop_.steps;
    return builder.reshape(sequence, shape);
  };
  const auto reduced = [&](int a, int64_t axis) {
    return builder.emit("reduce_sum", {a}, {{"first", axis}, {"last", axis}});
  };
  if (operation.kind == "reduce_sum" && attribute_int(operation, "last") == 0) {
    // Over the steps of each sequence first: padding behind them does not change how they are added then.
    return reduced(reduced(stacked.at(operation.inputs[0]), 1), 0);
  }
  Numbers operands;
  if (sums_samples(operation)) {
    for (int operand : operation.inputs) operands.push_back(rows(operand));
    return builder.emit(operation.kind, operands, operation.attributes);
  }
  for (int operand : operation.inputs) {
    operands.push_back(is_zero(operand) ? builder.broadcast_to(builder.constant(0.0), program().shape(operand))
                                        : sum(builder, operand, stacked));
  }
  return builder.emit(operation.kind, operands, operation.attributes);
}

Numbers LoopGradient::emit(Builder& builder, const Operation& operation, const Numbers& d_outputs) {
  const auto outer_input = [&](int value) { return operation.inputs[static_cast<size_t>(position(value))]; };
  const auto residual = [&](int value) {
    for (size_t i = static_cast<size_t>(loop_.carries); i < operation.outputs.size(); ++i) {
      if (loop_.output(static_cast<int>(i)) == value) return operation.outputs[i];
    }
    throw Error("[scan] a residual was not kept");
  };
  const auto zeros = [&](int value) { return builder.broadcast_to(builder.constant(0.0), builder.shape(value)); };
  Numbers carries, sequences, shared;
  std::map<int, int> stacked;  // sequences of the builder by values of the body
  for (int i = 0; i < loop_.carries; ++i) {
    const int given = d_outputs[static_cast<size_t>(i)];
    carries.push_back(given >= 0 ? given : zeros(operation.inputs[static_cast<size_t>(i)]));
  }
  std::vector<int> summed;  // positions of inputs whose gradients are carries
  for (int i = loop_.carries + loop_.sequences; i < static_cast<int>(gradients_.size()); ++i) {
    if (!program().shape(input(i)).batched || is_zero(gradient(i))) continue;
    summed.push_back(i);
    carries.push_back(zeros(operation.inputs[static_cast<size_t>(i)]));
  }
  size_t seed = static_cast<size_t>(loop_.carries);
  for (int i = 0; i < loop_.results(); ++i) {
    const int given = d_outputs[static_cast<size_t>(loop_.carries + i)];
    if (given < 0) continue;
    stacked[seeds_[seed++]] = given;
    sequences.push_back(given);
  }
  for (int value : sequences_) sequences.push_back(stacked[value] = outer_input(value));
  for (int value : residuals_) sequences.push_back(stacked[value] = residual(value));
  for (int value : shared_) shared.push_back(outer_input(value));
  // What did not happen forwards has no gradient.
  if (loop_.masked) sequences.push_back(outer_input(mask()));
  const Numbers made = builder.scan(write_body(), carries, sequences, shared, !loop_.reverse, loop_.masked);

  Numbers d_inputs(operation.inputs.size(), -1);
  size_t next = 0;
  for (int i = 0; i < loop_.carries; ++i) d_inputs[static_cast<size_t>(i)] = made[next++];
  for (int i : summed) d_inputs[static_cast<size_t>(i)] = made[next++];
  for (int i = 0; i < loop_.sequences; ++i) d_inputs[static_cast<size_t>(loop_.carries + i)] = made[next++];
  for (int value : stacked_) stacked[value] = made[next++];
  for (int i = loop_.carries + loop_.sequences; i < static_cast<int>(gradients_.size()); ++i) {
    if (program().shape(input(i)).batched || is_zero(gradient(i))) continue;
    d_inputs[static_cast<size_t>(i)] = sum(builder, gradient(i), stacked);
  }
  return d_inputs;
}

}  // namespace

std::vector<int> find_residuals(const Loop& loop) {
  const std::vector<char> asked(static_cast<size_t>(loop.results()), 1);
  try {
    Numbers found = LoopGradient(loop, asked).residuals();
    const auto is_result = [&](int value) {
      for (int i = loop.carries; i < loop.carries + loop.results(); ++i) {
        if (loop.output(i) == value) return true;
      }
      return false;
    };
    found.erase(std::remove_if(found.begin(), found.end(), is_result), found.end());
    return found;
  } catch (const Error&) {
    return {};  // the gradient, if it is ever asked for, says why
  }
}

std::vector<int> scan_gradient(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs) {
  const Loop& loop = *operation.loop;
  std::vector<char> asked;
  for (int i = 0; i < loop.results(); ++i) asked.push_back(d_outputs[static_cast<size_t>(loop.carries + i)] >= 0);
  return LoopGradient(loop, asked).emit(builder, operation, d_outputs);
}

}  // namespace ganglion
