// The elementwise functions of the core: one list, from which the program's ops, the kernels'
// tables and the Python names are made. X(name, number of operands)
#pragma once

#include <cstdint>

#define GANGLION_ELEMENTWISE(X) \
  X(negative, 1)                \
  X(absolute, 1)                \
  X(sign, 1)                    \
  X(floor, 1)                   \
  X(square, 1)                  \
  X(sqrt, 1)                    \
  X(rsqrt, 1)                   \
  X(reciprocal, 1)              \
  X(exp, 1)                     \
  X(expm1, 1)                   \
  X(log, 1)                     \
  X(log1p, 1)                   \
  X(tanh, 1)                    \
  X(sigmoid, 1)                 \
  X(softplus, 1)                \
  X(erf, 1)                     \
  X(sinpi, 1)                   \
  X(cospi, 1)                   \
  X(relu, 1)                    \
  X(is_finite, 1)               \
  X(add, 2)                     \
  X(subtract, 2)                \
  X(multiply, 2)                \
  X(divide, 2)                  \
  X(power, 2)                   \
  X(maximum, 2)                 \
  X(minimum, 2)                 \
  X(greater, 2)                 \
  X(greater_equal, 2)           \
  X(equal, 2)                   \
  X(where, 3)                   \
  X(random_uniform, 0)          \
  X(random_normal, 0)

namespace ganglion {

enum class Opcode : int32_t {
#define GANGLION_ENUMERATOR(name, arity) name,
  GANGLION_ELEMENTWISE(GANGLION_ENUMERATOR)
#undef GANGLION_ENUMERATOR
      count
};

constexpr int kOpcodeCount = static_cast<int>(Opcode::count);

inline const char* opcode_name(Opcode opcode) {
  static const char* const names[] = {
#define GANGLION_NAME(name, arity) #name,
      GANGLION_ELEMENTWISE(GANGLION_NAME)
#undef GANGLION_NAME
  };
  return names[static_cast<int>(opcode)];
}

inline int opcode_arity(Opcode opcode) {
  static const int arities[] = {
#define GANGLION_ARITY(name, arity) arity,
      GANGLION_ELEMENTWISE(GANGLION_ARITY)
#undef GANGLION_ARITY
  };
  return arities[static_cast<int>(opcode)];
}

}  // namespace ganglion
