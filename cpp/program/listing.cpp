#include <algorithm>
#include <cstdio>
#include <set>

#include "program/program.h"
#include "program/rule.h"

namespace ganglion {

namespace {

bool is_view(const Operation& operation) { return operation.kind != "expression" && find_rule(operation.kind).view; }

bool fused(const Operation& operation) { return !operation.expression.instructions.empty(); }

std::string kind_text(const Program& program, const Operation& operation) {
  if (!fused(operation)) return operation.kind == "expression" ? "copy" : operation.kind;
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

// Cut or padded to a number of characters, of which UTF-8 may need several bytes each.
std::string fit(const std::string& text, int width) {
  const auto begins = [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; };
  const int characters = static_cast<int>(std::count_if(text.begin(), text.end(), begins));
  if (characters <= width) return text + std::string(static_cast<size_t>(width - characters), ' ');
  std::string cut;
  int kept = 0;
  for (const char byte : text) {
    kept += begins(byte);
    if (kept == width) break;
    cut += byte;
  }
  return cut + "\u2026";
}

std::string right(const std::string& text, size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

std::string row(const std::string& layer, const std::string& operation, const std::string& shape,
                const std::string& flops, const std::string& bytes) {
  return fit(layer, 24) + " " + fit(operation, 52) + " " + fit(shape, 16) + " " + right(flops, 12) + " " +
         right(bytes, 12);
}

std::string time_text(double microseconds) {
  char text[32];
  std::snprintf(text, sizeof text, " %9.2f", microseconds);
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
  if (!is_expression && (find_rule(operation.kind).view || find_rule(operation.kind).in_place)) return 0;
  int64_t elements = 0;
  if (is_expression || !find_rule(operation.kind).shape_only) {
    for (int value : std::set<int>(operation.inputs.begin(), operation.inputs.end())) {
      elements += program.shape(value).size(rows);
    }
  }
  for (int value : operation.outputs) elements += program.shape(value).size(rows);
  if (!is_expression && find_rule(operation.kind).reads_part) {
    const int64_t all = program.shape(operation.inputs[0]).size(rows);
    elements -= all - std::min(all, program.shape(operation.outputs[0]).size(rows));
  }
  return elements * scalar_bytes;
}

std::string listing(const Program& program, int64_t rows, int64_t scalar_bytes,
                    const std::vector<double>& microseconds) {
  const bool timed = microseconds.size() == program.operations.size();
  std::string text = row("layer", "operation", "shape", "FLOPs", "bytes") + (timed ? "        us\n" : "\n");
  int64_t flops = 0, bytes = 0;
  size_t shown = 0;  // views do nothing
  double total = 0;
  for (size_t i = 0; i < program.operations.size(); ++i) {
    const Operation& operation = program.operations[i];
    if (is_view(operation)) continue;
    ++shown;
    const int64_t operation_flop = operation_flops(program, operation, rows);
    const int64_t operation_byte = operation_bytes(program, operation, rows, scalar_bytes);
    flops += operation_flop;
    bytes += operation_byte;
    text += row(operation.label, kind_text(program, operation), to_string(program.shape(operation.outputs[0])),
                std::to_string(operation_flop), std::to_string(operation_byte));
    if (timed) text += time_text(microseconds[i]);
    if (timed) total += microseconds[i];
    text += "\n";
  }
  text += row("total", std::to_string(shown) + " operations", "batch " + std::to_string(rows), std::to_string(flops),
              std::to_string(bytes));
  return text + (timed ? time_text(total) : "") + "\n";
}

}  // namespace ganglion
