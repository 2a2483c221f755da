#include <algorithm>
#include <cstdio>
#include <set>

#include "program/program.h"
#include "program/rule.h"

namespace ganglion {

namespace {

bool fused(const Operation& operation) { return !operation.expression.instructions.empty(); }

std::string kind_text(const Program& program, const Operation& operation) {
  if (!fused(operation)) return operation.kind;
  std::string text = operation.kind == "expression" ? "" : operation.kind + " + ";
  const size_t shown = 6;
  const std::vector<Instruction>& instructions = operation.expression.instructions;
  for (size_t i = 0; i < std::min(shown, instructions.size()); ++i) {
    text += (i ? " " : "") + std::string(opcode_name(instructions[i].opcode));
  }
  if (instructions.size() > shown) text += " +" + std::to_string(instructions.size() - shown);
  for (int value : operation.outputs) {
    const Value& written = program.values[static_cast<size_t>(value)];
    if (written.storage == Storage::parameter || written.storage == Storage::state) text += " > " + written.name;
  }
  return text;
}

}  // namespace

int64_t operation_flops(const Program& program, const Operation& operation, int64_t rows) {
  if (operation.kind == "expression") {
    return static_cast<int64_t>(operation.expression.instructions.size()) * operation.expression.shape.size(rows);
  }
  const Rule& rule = find_rule(operation.kind);
  if (rule.flops) return rule.flops(program, operation, rows);
  return program.shape(operation.outputs[0]).size(rows);
}

int64_t operation_bytes(const Program& program, const Operation& operation, int64_t rows, int64_t scalar_bytes) {
  const bool is_expression = operation.kind == "expression";
  if (!is_expression && find_rule(operation.kind).view) return 0;
  int64_t elements = 0;
  if (is_expression || !find_rule(operation.kind).shape_only) {
    for (int value : std::set<int>(operation.inputs.begin(), operation.inputs.end())) {
      elements += program.shape(value).size(rows);
    }
  }
  for (int value : operation.outputs) elements += program.shape(value).size(rows);
  return elements * scalar_bytes;
}

std::string listing(const Program& program, int64_t rows, int64_t scalar_bytes,
                    const std::vector<double>& microseconds) {
  const bool timed = microseconds.size() == program.operations.size();
  std::string text;
  char line[512];
  std::snprintf(line, sizeof line, "%-24s %-52s %-16s %12s %12s%s\n", "layer", "operation", "shape", "FLOPs", "bytes",
                timed ? "        us" : "");
  text += line;
  int64_t flops = 0, bytes = 0;
  double total = 0;
  for (size_t i = 0; i < program.operations.size(); ++i) {
    const Operation& operation = program.operations[i];
    const int64_t operation_flop = operation_flops(program, operation, rows);
    const int64_t operation_byte = operation_bytes(program, operation, rows, scalar_bytes);
    flops += operation_flop;
    bytes += operation_byte;
    std::snprintf(line, sizeof line, "%-24.24s %-52.52s %-16.16s %12lld %12lld", operation.label.c_str(),
                  kind_text(program, operation).c_str(), to_string(program.shape(operation.outputs[0])).c_str(),
                  static_cast<long long>(operation_flop), static_cast<long long>(operation_byte));
    text += line;
    if (timed) {
      std::snprintf(line, sizeof line, " %9.2f", microseconds[i]);
      text += line;
      total += microseconds[i];
    }
    text += "\n";
  }
  std::snprintf(line, sizeof line, "%-24s %-52s %-16s %12lld %12lld", "total",
                (std::to_string(program.operations.size()) + " operations").c_str(),
                ("batch " + std::to_string(rows)).c_str(), static_cast<long long>(flops),
                static_cast<long long>(bytes));
  text += line;
  if (timed) {
    std::snprintf(line, sizeof line, " %9.2f", total);
    text += line;
  }
  return text + "\n";
}

}  // namespace ganglion
