// A program: a list of operations over values, in the order in which they run. Layers, losses and
// optimizers emit it through a Builder; passes differentiate and fuse it; engines run it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/opcode.h"
#include "core/shape.h"

namespace ganglion {

// Where a value lives.
enum class Storage {
  arena,      // an intermediate; the memory plan gives it its place
  input,      // filled from outside before each run; in the arena too
  parameter,  // a slice of the flat buffer of weights
  state,      // a slice of the flat buffer of optimizer state
  scalar,     // a number set from outside: learning rate, iteration
  constant    // known when the program was written
};

// A program runs a section at a time: `gradient` (forward, loss, backward), then `update`, which a
// diverged or accumulating step leaves out.
enum class Section { gradient, update };

struct Value {
  Shape shape;
  Storage storage = Storage::arena;
  int64_t offset = 0;  // parameter, state: elements from the start of the flat buffer; scalar, input: index;
                       // constant: index into Program::constants
  std::string name;
  int producer = -1;  // operation that makes it, -1 for what comes from outside
};

using Attribute = std::variant<int64_t, std::vector<int64_t>>;
using Attributes = std::map<std::string, Attribute>;

// One instruction of a fused elementwise expression. Registers are numbered: the operands first, then
// one per instruction.
struct Instruction {
  Opcode opcode;
  int a = -1, b = -1, c = -1;
  uint32_t stream = 0;  // of the random numbers
};

// Registers of one expression at most.
constexpr int kMaxRegisters = 256;

// A chain of elementwise functions over one iteration shape: one pass over memory. `operands` index the
// operation's inputs, and broadcast to `shape`; `results` are the registers stored, one for each
// output the expression writes.
struct Expression {
  Shape shape;
  int operands = 0;
  std::vector<Instruction> instructions;
  std::vector<int> results;
};

class Foreign;  // foreign.h
struct Loop;    // loop.h

struct Operation {
  std::string kind;
  std::vector<int> inputs;   // values
  std::vector<int> outputs;  // values
  Attributes attributes;
  Section section = Section::gradient;
  bool backward = false;  // written by Builder::gradient
  std::string label;      // the layer, loss or optimizer it came from
  // kind "expression": the chain. Otherwise its epilogue when not empty: operand 0 is the product, which is stored
  // only when one of the results is register 0; the other operands are the inputs behind the operation's own.
  Expression expression;
  int stage = 0;                           // when it runs; set by `schedule`
  std::shared_ptr<const Loop> loop;        // kind "scan"
  std::shared_ptr<const Foreign> foreign;  // kind "call"
};

struct Program {
  std::vector<Value> values;
  std::vector<Operation> operations;
  std::vector<std::vector<double>> constants;
  std::vector<int> inputs;           // values, in the order they were declared
  std::vector<std::string> scalars;  // names, in the order they were declared
  std::vector<std::pair<std::string, int>> outputs;
  int64_t parameters = 0;  // elements of the flat buffers that the program touches
  int64_t states = 0;

  const Shape& shape(int value) const { return values[static_cast<size_t>(value)].shape; }
};

int64_t attribute_int(const Operation& operation, const char* name);
const std::vector<int64_t>& attribute_list(const Operation& operation, const char* name);

// Floating point operations, and bytes read and written, of one run with a batch of `rows`.
int64_t operation_flops(const Program& program, const Operation& operation, int64_t rows);
int64_t operation_bytes(const Program& program, const Operation& operation, int64_t rows, int64_t scalar_bytes);

// One operation a line: shape, layer, FLOPs, bytes, and microseconds where they were measured.
std::string listing(const Program& program, int64_t rows, int64_t scalar_bytes,
                    const std::vector<double>& microseconds);

}  // namespace ganglion
