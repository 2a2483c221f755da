#include "program/builder.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "program/loop.h"
#include "program/passes.h"
#include "program/rule.h"

namespace ganglion {

Attributes shape_attributes(const Shape& shape) {
  return {{"shape", shape.dims}, {"batched", static_cast<int64_t>(shape.batched)}};
}

namespace {

// A view of weights or state is such a slice itself, so that passes see who reads and writes it.
void stand_on(const Value& owner, Value* view) {
  if (owner.storage != Storage::parameter && owner.storage != Storage::state) return;
  view->storage = owner.storage;
  view->offset = owner.offset;
  view->name = owner.name;
}

// -0.0 and 0.0 are different constants, NaN is the same as itself.
bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

}  // namespace

int Builder::add_value(Value value) {
  check(is_valid(value.shape), "[", value.name.empty() ? "Builder" : value.name, "] shape ", to_string(value.shape),
        " must have at most ", kMaxRank, " dimensions, all positive, and at most 2^48 elements");
  program_.values.push_back(std::move(value));
  return static_cast<int>(program_.values.size()) - 1;
}

int Builder::add_stored(Value value) {
  check(!value.shape.batched && value.offset >= 0 && value.offset <= kMaxElements, "[Builder] '", value.name,
        "' needs a fixed shape and an offset from 0 to 2^48, got ", to_string(value.shape), " and ", value.offset);
  return add_value(std::move(value));
}

int Builder::input(const std::string& name, const Shape& shape) {
  Value value{shape, Storage::input, static_cast<int64_t>(program_.inputs.size()), name};
  const int id = add_value(std::move(value));
  program_.inputs.push_back(id);
  return id;
}

int Builder::parameter(const std::string& name, const Shape& shape, int64_t offset) {
  const int id = add_stored({shape, Storage::parameter, offset, name});
  program_.parameters = std::max(program_.parameters, offset + shape.sample_size());
  return id;
}

int Builder::state(const std::string& name, const Shape& shape, int64_t offset) {
  const int id = add_stored({shape, Storage::state, offset, name});
  program_.states = std::max(program_.states, offset + shape.sample_size());
  return id;
}

int Builder::scalar(const std::string& name) {
  for (size_t id = 0; id < program_.values.size(); ++id) {
    if (program_.values[id].storage == Storage::scalar && program_.values[id].name == name) return static_cast<int>(id);
  }
  program_.scalars.push_back(name);
  return add_value({Shape{}, Storage::scalar, static_cast<int64_t>(program_.scalars.size()) - 1, name});
}

int Builder::constant(const std::vector<double>& values, const Shape& shape) {
  check(!shape.batched && static_cast<int64_t>(values.size()) == shape.sample_size(), "[Builder] constant of shape ",
        to_string(shape), " needs ", shape.sample_size(), " values, got ", values.size());
  for (size_t id = 0; id < program_.values.size(); ++id) {
    const Value& value = program_.values[id];
    if (value.storage == Storage::constant && value.shape == shape &&
        same_bits(program_.constants[static_cast<size_t>(value.offset)], values)) {
      return static_cast<int>(id);
    }
  }
  program_.constants.push_back(values);
  return add_value({shape, Storage::constant, static_cast<int64_t>(program_.constants.size()) - 1, ""});
}

void Builder::check_value(int value, const char* place) const {
  check(value >= 0 && value < static_cast<int>(program_.values.size()), "[", place, "] there is no value ", value);
}

const Operation* Builder::producer(int value) const {
  const int operation = program_.values[static_cast<size_t>(value)].producer;
  return operation < 0 ? nullptr : &program_.operations[static_cast<size_t>(operation)];
}

bool Builder::constant_number(int id, double* number) const {
  const Value& value = program_.values[static_cast<size_t>(id)];
  if (value.storage != Storage::constant || value.shape.sample_size() != 1) return false;
  *number = program_.constants[static_cast<size_t>(value.offset)][0];
  return true;
}

std::vector<int> Builder::apply(const std::string& kind, const std::vector<int>& inputs, const Attributes& attributes) {
  const Rule& rule = find_rule(kind);
  check(rule.arity < 0 || static_cast<int>(inputs.size()) == rule.arity, "[", kind, "] takes ", rule.arity,
        " inputs, got ", inputs.size());
  for (int value : inputs) check_value(value, kind.c_str());

  check(section == Section::update || !updating_, "[", kind,
        "] an operation of the gradient section stands behind the update section");
  updating_ = section == Section::update;

  const auto key = std::make_tuple(kind, inputs, attributes, section);
  if (const auto found = emitted_.find(key); found != emitted_.end()) return found->second;

  Operation operation{kind, inputs, {}, attributes, section, backward_, label, {}, 0, nullptr, nullptr};
  const std::vector<Shape> shapes = rule.infer(program_, operation);
  if (rule.simplify) {
    const int same = rule.simplify(*this, operation);
    if (same >= 0) return emitted_[key] = {same};
  }
  const std::vector<int> outputs = append(std::move(operation), shapes).outputs;
  if (kind != "assign") return emitted_[key] = outputs;
  // What is stored is a second name of the target's place; the assigned value itself stays readable.
  stand_on(program_.values[static_cast<size_t>(inputs[0])], &program_.values[static_cast<size_t>(outputs[0])]);
  emitted_.clear();  // the target reads differently from here on
  return {inputs[1]};
}

const Operation& Builder::append(Operation operation, const std::vector<Shape>& shapes) {
  const bool view = find_rule(operation.kind).view;
  const int index = static_cast<int>(program_.operations.size());
  for (const Shape& shape : shapes) {
    Value value;
    value.shape = shape;
    value.producer = index;
    if (view) stand_on(program_.values[static_cast<size_t>(operation.inputs[0])], &value);
    operation.outputs.push_back(add_value(std::move(value)));
  }
  program_.operations.push_back(std::move(operation));
  return program_.operations.back();
}

int Builder::reshape(int a, const Shape& shape) { return emit("reshape", {a}, shape_attributes(shape)); }

int Builder::broadcast_to(int a, const Shape& shape) {
  return this->shape(a) == shape ? a : emit("copy", {a}, shape_attributes(shape));
}

int Builder::sum_to(int a, const Shape& target) {
  const Shape from = shape(a);
  if (from == target) return a;
  // Exactly the same, without writing down what is negated.
  const Operation* made = producer(a);
  if (made && made->kind == "negative") return emit("negative", {sum_to(made->inputs[0], target)});
  // Axis i of `from` stands over axis i - missing of the target.
  const int missing = from.rank() - target.rank();
  const auto repeated = [&](int axis) {
    if (axis < missing) return true;
    const size_t at = static_cast<size_t>(axis - missing);
    const bool batch = axis == 0 && from.batched;
    const bool target_batch = axis == missing && target.batched;
    return target.dims[at] == 1 && !target_batch && (from.dims[static_cast<size_t>(axis)] != 1 || batch);
  };
  int sum = a;
  for (int last = from.rank() - 1; last >= 0; --last) {
    if (!repeated(last)) continue;
    // Over the steps of each sequence first: padding behind them does not change how they are added then.
    const int end = from.batched && from.rank() == 3 && last > 0 ? 1 : 0;
    int first = last;
    while (first > end && repeated(first - 1)) --first;
    sum = emit("reduce_sum", {sum}, {{"first", static_cast<int64_t>(first)}, {"last", static_cast<int64_t>(last)}});
    last = first;
  }
  return reshape(sum, target);
}

void Builder::output(const std::string& name, int value) {
  check_value(value, "output");
  program_.outputs.emplace_back(name, value);
}

namespace {

Program finished(Program program, bool fuse) {
  eliminate_dead_operations(program);
  if (fuse) {
    fuse_expressions(program);
    split_updates(program);
    eliminate_dead_operations(program);
    fuse_epilogues(program);
    eliminate_dead_operations(program);
  }
  for (Operation& operation : program.operations) {
    if (!operation.loop) continue;
    Loop loop = *operation.loop;
    loop.body = finished(std::move(loop.body), fuse);
    operation.loop = std::make_shared<const Loop>(std::move(loop));
  }
  schedule(program);
  return program;
}

}  // namespace

Program Builder::finish(bool fuse) const { return finished(program_, fuse); }

}  // namespace ganglion
