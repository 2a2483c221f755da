#include <algorithm>
#include <map>

#include "program/loop.h"
#include "program/passes.h"
#include "program/rule.h"

namespace ganglion {

namespace {

const std::map<std::string, Opcode>& opcodes() {
  static const std::map<std::string, Opcode> names = [] {
    std::map<std::string, Opcode> table;
    for (int code = 0; code < kOpcodeCount; ++code) {
      table[opcode_name(static_cast<Opcode>(code))] = static_cast<Opcode>(code);
    }
    return table;
  }();
  return names;
}

// The elements of the flat weights or state that a value covers.
bool overlap(const Program& program, int left, int right) {
  const Value& a = program.values[static_cast<size_t>(left)];
  const Value& b = program.values[static_cast<size_t>(right)];
  if (a.storage != b.storage || (a.storage != Storage::parameter && a.storage != Storage::state)) return false;
  return a.offset < b.offset + b.shape.sample_size() && b.offset < a.offset + a.shape.sample_size();
}

}  // namespace

bool is_elementwise(const Operation& operation) {
  return operation.kind == "assign" || operation.kind == "copy" || opcodes().count(operation.kind) != 0;
}

bool writes(const Program& program, const Operation& operation, int output) {
  const Storage storage = program.values[static_cast<size_t>(output)].storage;
  if (storage != Storage::parameter && storage != Storage::state) return false;
  return operation.kind == "expression" || !find_rule(operation.kind).view;
}

bool writes_over(const Program& program, const Operation& writer, const Operation& other) {
  for (int written : writer.outputs) {
    if (!writes(program, writer, written)) continue;
    for (int value : other.inputs) {
      if (overlap(program, written, value)) return true;
    }
    for (int value : other.outputs) {
      if (overlap(program, written, value)) return true;
    }
  }
  return false;
}

bool writes_beside(const Program& program, const Operation& writer, const Operation& reader) {
  for (int written : writer.outputs) {
    if (!writes(program, writer, written)) continue;
    const Value& place = program.values[static_cast<size_t>(written)];
    for (int value : reader.inputs) {
      const Value& read = program.values[static_cast<size_t>(value)];
      if (overlap(program, written, value) && (place.offset != read.offset || place.shape != read.shape)) return true;
    }
  }
  return false;
}

bool conflict(const Program& program, const Operation& a, const Operation& b) {
  return writes_over(program, a, b) || writes_over(program, b, a);
}

Expression join_expression(const Program& program, const std::vector<const Operation*>& members,
                           const std::vector<char>& wanted, std::vector<int>* inputs, std::vector<int>* outputs) {
  Expression expression;
  expression.shape = program.shape(members.front()->outputs[0]);

  std::vector<int> made;
  for (const Operation* member : members) made.push_back(member->outputs[0]);
  for (const Operation* member : members) {
    const size_t first = member->kind == "assign" ? 1 : 0;  // the target is written, not read
    for (size_t i = first; i < member->inputs.size(); ++i) {
      const int value = member->inputs[i];
      if (std::count(made.begin(), made.end(), value) || std::count(inputs->begin(), inputs->end(), value)) continue;
      inputs->push_back(value);
    }
  }
  expression.operands = static_cast<int>(inputs->size());

  std::map<int, int> registers;
  for (size_t i = 0; i < inputs->size(); ++i) registers[(*inputs)[i]] = static_cast<int>(i);
  const auto store = [&](int value, int from) {
    outputs->push_back(value);
    expression.results.push_back(from);
  };
  for (const Operation* member : members) {
    const int made_value = member->outputs[0];
    if (member->kind == "assign") {
      store(made_value, registers.at(member->inputs[1]));
      continue;
    }
    if (member->kind == "copy") {  // an operand is broadcast wherever it is read
      registers[made_value] = registers.at(member->inputs[0]);
    } else {
      Instruction instruction{opcodes().at(member->kind)};
      int* const operands[] = {&instruction.a, &instruction.b, &instruction.c};
      for (size_t i = 0; i < member->inputs.size(); ++i) *operands[i] = registers.at(member->inputs[i]);
      if (member->inputs.empty()) instruction.stream = static_cast<uint32_t>(attribute_int(*member, "stream"));
      registers[made_value] = expression.operands + static_cast<int>(expression.instructions.size());
      expression.instructions.push_back(instruction);
    }
    if (wanted[static_cast<size_t>(made_value)]) store(made_value, registers.at(made_value));
  }
  return expression;
}

Program with_expressions(Program program) {
  const std::vector<char> wanted(program.values.size(), 1);
  for (Operation& operation : program.operations) {
    if (operation.loop) {
      Loop loop = *operation.loop;
      loop.body = with_expressions(std::move(loop.body));
      operation.loop = std::make_shared<const Loop>(std::move(loop));
    }
    if (operation.kind == "expression" || !is_elementwise(operation)) continue;
    Operation single;
    single.kind = "expression";
    single.section = operation.section;
    single.label = operation.label;
    single.stage = operation.stage;
    single.expression = join_expression(program, {&operation}, wanted, &single.inputs, &single.outputs);
    operation = std::move(single);
  }
  return program;
}

}  // namespace ganglion
