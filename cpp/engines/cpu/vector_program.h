// An expression as the compiler sees it: in operations that processors have on vectors, or call a function for.
#pragma once

#include <cstdint>
#include <vector>

#include "engines/cpu/x86_assembler.h"
#include "kernels/kernels.h"
#include "program/program.h"

namespace ganglion {

// Numbers that operations need. Their addresses go into the code.
enum class Constant : int { zero, one, minus_one, sign_bit, all_but_sign_bit, largest, count };

template <class T>
const T* constant_address(Constant constant);

struct VectorOperation {
  enum class Kind { arithmetic, square_root, round_down, select, call };
  Kind kind;
  int inputs[4] = {-1, -1, -1, -1};  // values; of select: compared, compared, yes, no
  x86::Arithmetic arithmetic{};
  x86::Predicate predicate{};
  VectorFunction function = nullptr;
};

// Values are numbered: streams first (operands, then random numbers), then constants, then results of operations.
struct VectorProgram {
  int streams = 0;
  std::vector<VectorOperation> operations;
  std::vector<int> results;  // values to store

  int constants() const { return static_cast<int>(Constant::count); }
  int constant(Constant which) const { return streams + static_cast<int>(which); }
  int made_by(size_t operation) const { return streams + constants() + static_cast<int>(operation); }
  int values() const { return made_by(operations.size()); }
};

// Operations whose result nothing reads are left out. `functions`: by opcode; false when one is missing.
bool lower(const Expression& expression, const VectorFunction* functions, VectorProgram* program);

}  // namespace ganglion
