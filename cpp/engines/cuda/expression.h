// Expressions on the device: a short code, passed to the kernel by value, that each thread interprets for some
// neighbouring elements at a time. What is between operands and results stays with the thread.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/opcode.h"
#include "engines/cuda/functions.h"
#include "engines/cuda/step.h"
#include "engines/cuda/view.h"

namespace ganglion::cuda {

constexpr int kOperandAxes = 6;

template <class T>
using Operand = View<T, kOperandAxes>;

// Beside the opcodes: the operand of number `stream`; the number that the kernel computed itself.
constexpr uint8_t kLoadOperand = 254, kLoadProduct = 255;
static_assert(kOpcodeCount < kLoadOperand);

struct CodeInstruction {
  uint8_t opcode, to, a, b, c;  // slots
  uint32_t stream;
};

// `Slots` numbers are alive at once at most, each `Width` elements wide; `Views` operands and results together.
template <class T, int Slots, int Width, int Views, int Length>
struct Code {
  static constexpr int kSlots = Slots, kWidth = Width, kViews = Views, kLength = Length;
  using Scalar = T;

  int32_t length, operands, results;
  int32_t keeps;  // a result is weights or state
  CodeInstruction instructions[Length];
  uint8_t stored[Views];    // slots of the results
  Operand<T> views[Views];  // operands, then results
};

// Kernels get at most 32764 bytes of arguments. Nearly all expressions are short ones; a wide code is one of few
// elements a thread.
template <class T>
using ShortCode = Code<T, 16, 4, 20, 56>;
template <class T>
using ShortNarrowCode = Code<T, 16, 1, 20, 56>;
template <class T>
using LongCode = Code<T, 250, 1, 240, 620>;

template <class C>
GANGLION_DEVICE void load_view(const C& code, int number, int64_t at, int count, typename C::Scalar* to) {
  const auto& view = code.views[number];
  if (view.access == Access::single) {
    const typename C::Scalar value = view.data[0];
#pragma unroll
    for (int v = 0; v < C::kWidth; ++v) to[v] = value;
    return;
  }
#pragma unroll
  for (int v = 0; v < C::kWidth; ++v) {
    if (v < count) to[v] = view.data[view.offset(at + v)];
  }
}

template <class C>
GANGLION_DEVICE void draw(const Control& control, bool is_normal, uint32_t stream, int64_t at, int count,
                          typename C::Scalar* to) {
  using T = typename C::Scalar;
  for (int v = 0; v < count;) {
    const int64_t element = at + v;
    const RandomBlock<T> block(static_cast<uint64_t>(element / 4), stream, control);
    for (int word = static_cast<int>(element % 4); word < 4 && v < count; ++word, ++v) {
      to[v] = is_normal ? normal_number(block, word) : block.uniform(word);
    }
  }
}

// Elements [at, at + count) of the expression, at most kWidth, in its flat order; `product`: what the kernel computed
// for them.
template <class C>
GANGLION_DEVICE_CALL void evaluate(const C& code, const Control* control, int64_t at, int count,
                                   const typename C::Scalar* product) {
  using T = typename C::Scalar;
  using F = Functions<T>;
  T slot[C::kSlots][C::kWidth];
  for (int i = 0; i < code.length; ++i) {
    const CodeInstruction instruction = code.instructions[i];
    T* const to = slot[instruction.to];
    const T* const a = slot[instruction.a];
    const T* const b = slot[instruction.b];
    const T* const c = slot[instruction.c];
    switch (instruction.opcode) {
      case kLoadOperand:
        load_view(code, static_cast<int>(instruction.stream), at, count, to);
        break;
      case kLoadProduct:
#pragma unroll
        for (int v = 0; v < C::kWidth; ++v) to[v] = product[v];
        break;
      case static_cast<uint8_t>(Opcode::random_uniform):
      case static_cast<uint8_t>(Opcode::random_normal):
        draw<C>(*control, instruction.opcode == static_cast<uint8_t>(Opcode::random_normal), instruction.stream, at,
                count, to);
        break;
#define GANGLION_CASE(name, expression)                                       \
  case static_cast<uint8_t>(Opcode::name):                                    \
    _Pragma("unroll") for (int v = 0; v < C::kWidth; ++v) to[v] = expression; \
    break;
#define GANGLION_UNARY(name) GANGLION_CASE(name, F::name(a[v]))
#define GANGLION_BINARY(name) GANGLION_CASE(name, F::name(a[v], b[v]))
        GANGLION_UNARY(negative)
        GANGLION_UNARY(absolute)
        GANGLION_UNARY(sign)
        GANGLION_UNARY(floor)
        GANGLION_UNARY(square)
        GANGLION_UNARY(sqrt)
        GANGLION_UNARY(rsqrt)
        GANGLION_UNARY(reciprocal)
        GANGLION_UNARY(exp)
        GANGLION_UNARY(expm1)
        GANGLION_UNARY(log)
        GANGLION_UNARY(log1p)
        GANGLION_UNARY(tanh)
        GANGLION_UNARY(sigmoid)
        GANGLION_UNARY(softplus)
        GANGLION_UNARY(erf)
        GANGLION_UNARY(sinpi)
        GANGLION_UNARY(cospi)
        GANGLION_UNARY(relu)
        GANGLION_UNARY(is_finite)
        GANGLION_BINARY(add)
        GANGLION_BINARY(subtract)
        GANGLION_BINARY(multiply)
        GANGLION_BINARY(divide)
        GANGLION_BINARY(power)
        GANGLION_BINARY(maximum)
        GANGLION_BINARY(minimum)
        GANGLION_BINARY(greater)
        GANGLION_BINARY(greater_equal)
        GANGLION_BINARY(equal)
        GANGLION_CASE(where, F::where(a[v], b[v], c[v]))
#undef GANGLION_BINARY
#undef GANGLION_UNARY
#undef GANGLION_CASE
    }
  }
  // After the last operand was read: a result may stand where an operand stood.
  if (code.keeps && control->stopped) return;
  for (int r = 0; r < code.results; ++r) {
    const auto& view = code.views[code.operands + r];
    const T* const from = slot[code.stored[r]];
#pragma unroll
    for (int v = 0; v < C::kWidth; ++v) {
      if (v < count) view.data[view.offset(at + v)] = from[v];
    }
  }
}

template <class C>
__global__ void __launch_bounds__(kThreads) expression_kernel(const __grid_constant__ C code, const Control* control,
                                                              const typename C::Scalar* product, int64_t elements) {
  constexpr int width = C::kWidth;
  for (int64_t at = thread_of_grid() * width; at < elements; at += threads_of_grid() * width) {
    const int count = elements - at < width ? static_cast<int>(elements - at) : width;
    typename C::Scalar mine[width];
    if (product) {
#pragma unroll
      for (int v = 0; v < width; ++v) {
        if (v < count) mine[v] = product[at + v];
      }
    }
    evaluate(code, control, at, count, mine);
  }
}

// An expression of a program as a code, whatever its size.
template <class T>
class ExpressionCode {
 public:
  // `has_product`: operand 0 is what the kernel computes, and the operands given are the others.
  ExpressionCode(const Program& program, const Expression& expression, std::vector<int> operands,
                 std::vector<int> results, bool has_product);
  // Of an operation that computes a product: its epilogue, or that which stores the product.
  static ExpressionCode epilogue(const Program& program, const Operation& operation, size_t arity);

  void bind(int64_t rows, const Memory<T>& memory);
  int64_t elements() const { return elements_; }
  // Whether the kernel of a product can evaluate it itself.
  bool is_short() const { return fits<ShortCode<T>>(); }
  ShortCode<T> short_code() const { return made<ShortCode<T>>(); }
  ShortNarrowCode<T> short_narrow_code() const { return made<ShortNarrowCode<T>>(); }
  // All of it, after `product` was computed, or without one.
  void enqueue(cudaStream_t stream, const Control* control, const T* product) const;

 private:
  template <class C>
  bool fits() const {
    return slots_ <= C::kSlots && views_.size() <= static_cast<size_t>(C::kViews) &&
           instructions_.size() <= static_cast<size_t>(C::kLength);
  }
  template <class C>
  C made() const {
    C code;
    std::memset(static_cast<void*>(&code), 0, sizeof code);
    code.length = static_cast<int32_t>(instructions_.size());
    code.operands = static_cast<int32_t>(operands_.size());
    code.results = static_cast<int32_t>(results_.size());
    code.keeps = keeps_;
    std::copy(instructions_.begin(), instructions_.end(), code.instructions);
    std::copy(stored_.begin(), stored_.end(), code.stored);
    std::copy(views_.begin(), views_.end(), code.views);
    return code;
  }
  template <class C>
  void launch_code(cudaStream_t stream, const Control* control, const T* product) const;
  void assign_slots(const Expression& expression, bool has_product);

  const Program& program_;
  Shape shape_;
  std::vector<int> operands_, results_;  // values
  std::vector<CodeInstruction> instructions_;
  std::vector<uint8_t> stored_;
  std::vector<Operand<T>> views_;
  int slots_ = 0;
  bool keeps_ = false;
  int64_t elements_ = 0;
};

}  // namespace ganglion::cuda
