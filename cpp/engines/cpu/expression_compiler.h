// Compiles an expression to machine code: a loop that reads each operand once, keeps what is between in vector
// registers as far as they go, and writes each result once. It gives the same bits as instruction after instruction:
// nothing is reordered, and no multiply and add are fused. For x86-64 with AVX2 or AVX-512; elsewhere, where a system
// forbids it, and where an expression is too large or calls two functions or more, it is interpreted
// (ExpressionRunner).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engines/cpu/machine_code.h"
#include "program/program.h"

namespace ganglion {

// How a stream of numbers meets a rectangle of elements.
enum class Access : uint8_t {
  elements,  // one for each element
  rows       // one for each row
};

// Streams of one compiled expression at most: its operands, its random numbers, its results, in this order.
constexpr int kMaxStreams = 40;

// What compiled code runs over: `rows` rows of as many elements as `whole_bytes`, a multiple of a vector, holds, and of
// those that `tail` chooses in one vector more. A run counts the rows down, and may move the streams.
struct Rectangle {
  int64_t rows;
  int64_t whole_bytes;
  uint64_t tail;  // 0 for none; AVX-512: the address of a bit a lane; AVX2: of a vector with a sign bit a lane
  struct Stream {
    const void* data;
    int64_t row_bytes;  // between rows; 0 where all rows read the same
  } streams[kMaxStreams];
};

template <class T>
class CompiledExpression {
 public:
  // Null when it cannot be compiled here. `accesses`: of the operands; all other streams are of elements. An
  // instruction that draws random numbers is a stream that the caller has filled.
  static std::unique_ptr<CompiledExpression> make(const Expression& expression, const std::vector<Access>& accesses);

  // For rows of `columns` elements.
  void set_columns(Rectangle* rectangle, int64_t columns) const;
  void run(Rectangle* rectangle) const { run_(rectangle); }

 private:
  CompiledExpression(std::unique_ptr<MachineCode> code, int lanes);

  std::unique_ptr<MachineCode> code_;
  void (*run_)(Rectangle*);
  int lanes_;
};

}  // namespace ganglion
