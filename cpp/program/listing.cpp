#include <algorithm>
#include <cstdio>
#include <set>

#include "program/foreign.h"
#include "program/loop.h"
#include "program/program.h"
#include "program/rule.h"

namespace ganglion {

namespace {

bool is_view(const Operation& operation) { return operation.kind != "expression" && find_rule(operation.kind).view; }

bool fused(const Operation& operation) { return !operation.expression.instructions.empty(); }

std::string kind_text(const Program& program, const Operation& operation) {
  if (operation.loop) return operation.kind + ", " + std::to_string(operation.loop->steps) + " steps";
  if (operation.foreign) return operation.kind + " " + operation.foreign->name();
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

// Of an operation: of all its runs, in a loop.
struct Cost {
  int64_t operations = 0, flops = 0, bytes = 0;
  void add(const Cost& other) {
    operations += other.operations;
    flops += other.flops;
    bytes += other.bytes;
  }
};

struct Listed {
  int64_t rows, scalar_bytes;
  int64_t times;  // it runs
  std::string indent;
};

// Its line, and below it those of its body, which are parts of it.
Cost list_operation(const Program& program, const Operation& operation, const Listed& listed, std::string* text) {
  const Cost cost{1, operation_flops(program, operation, listed.rows) * listed.times,
                  operation_bytes(program, operation, listed.rows, listed.scalar_bytes) * listed.times};
  const int shown = operation.outputs[0];
  *text += row(listed.indent + operation.label, listed.indent + kind_text(program, operation),
               to_string(program.shape(shown)), std::to_string(cost.flops), std::to_string(cost.bytes)) +
           "\n";
  if (!operation.loop) return cost;
  const Program& body = operation.loop->body;
  for (const Operation& step : body.operations) {
    if (is_view(step)) continue;
    list_operation(body, step,
                   {listed.rows, listed.scalar_bytes, listed.times * operation.loop->steps, listed.indent + "  "},
                   text);
  }
  return cost;
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
  if (operation.loop) {
    int64_t bytes = 0;
    for (const Operation& step : operation.loop->body.operations) {
      bytes += operation_bytes(operation.loop->body, step, rows, scalar_bytes);
    }
    return bytes * operation.loop->steps;
  }
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
  Cost total;
  double total_time = 0;
  for (size_t i = 0; i < program.operations.size(); ++i) {
    const Operation& operation = program.operations[i];
    if (is_view(operation)) continue;
    std::string line;
    total.add(list_operation(program, operation, {rows, scalar_bytes, 1, ""}, &line));
    // The first line is the operation's own, the others its body's.
    if (timed) line.insert(line.find('\n'), time_text(microseconds[i]));
    if (timed) total_time += microseconds[i];
    text += line;
  }
  text += row("total", std::to_string(total.operations) + " operations", "batch " + std::to_string(rows),
              std::to_string(total.flops), std::to_string(total.bytes));
  return text + (timed ? time_text(total_time) : "") + "\n";
}

}  // namespace ganglion
