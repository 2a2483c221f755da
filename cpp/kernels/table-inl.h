// The table of one instruction set.
#pragma once

#include "kernels/elementwise-inl.h"
#include "kernels/gather-inl.h"
#include "kernels/matmul_plan-inl.h"
#include "kernels/random-inl.h"
#include "kernels/reduce-inl.h"
#include "kernels/softmax-inl.h"
#include "kernels/tables.h"

namespace ganglion {
namespace GANGLION_ISA {

// As many independent multiply-adds as hide their latency, and no memory: what the processor can do.
template <class T>
int64_t multiply_adds(int64_t rounds) {
  constexpr int chains = 12;
  Vector<T> x = broadcast(static_cast<T>(0.5)), y = x, sum[chains];
  GANGLION_UNROLL for (int i = 0; i < chains; ++i) {
    sum[i] = broadcast(static_cast<T>(i));
    __asm__ volatile("" : "+m"(sum[i]));
  }
  for (int64_t round = 0; round < rounds; ++round) {
    GANGLION_UNROLL for (int i = 0; i < chains; ++i) sum[i] = fma(sum[i], x, y);
  }
  GANGLION_UNROLL for (int i = 0; i < chains; ++i) __asm__ volatile("" : "+m"(sum[i]));
  return rounds * chains * Simd<T>::lanes * 2;
}

template <class T>
using ElementwiseKernel = void (*)(T* out, const T* a, const T* b, const T* c, int64_t count);

template <class T>
ElementwiseKernel<T> elementwise_kernel(Opcode opcode) {
  switch (opcode) {
#define GANGLION_CASE(name, arity)                                \
  case Opcode::name:                                              \
    if constexpr (arity > 0) return map<T, Elementwise<T>::name>; \
    break;
    GANGLION_ELEMENTWISE(GANGLION_CASE)
#undef GANGLION_CASE
    case Opcode::count:
      break;
  }
  return nullptr;
}

// Of one operand or two; null for the others.
template <class T>
VectorFunction vector_function(Opcode opcode) {
  switch (opcode) {
#define GANGLION_CASE(name, arity)                                                               \
  case Opcode::name:                                                                             \
    if constexpr (arity == 1) {                                                                  \
      return reinterpret_cast<VectorFunction>(                                                   \
          static_cast<Vector<T> (*)(Vector<T>)>(on_vector<T, Elementwise<T>::name>));            \
    } else if constexpr (arity == 2) {                                                           \
      return reinterpret_cast<VectorFunction>(                                                   \
          static_cast<Vector<T> (*)(Vector<T>, Vector<T>)>(on_vector<T, Elementwise<T>::name>)); \
    }                                                                                            \
    break;
    GANGLION_ELEMENTWISE(GANGLION_CASE)
#undef GANGLION_CASE
    case Opcode::count:
      break;
  }
  return nullptr;
}

template <class T>
KernelTable<T> make_table() {
  KernelTable<T> table{};
  table.matmul_plan = matmul_plan<T>;
  table.matmul_block = matmul_block<T>;
  for (int i = 0; i < kOpcodeCount; ++i) {
    table.elementwise[i] = elementwise_kernel<T>(static_cast<Opcode>(i));
    table.on_vector[i] = vector_function<T>(static_cast<Opcode>(i));
  }
  table.random_uniform = random<T, uniform_chunk<T>>;
  table.random_normal = random<T, normal_chunk<T>>;
  table.reduce_sum = reduce_sum<T>;
  table.reduce_max = reduce_max<T>;
  table.all_within = all_within<T>;
  table.argmax = argmax<T>;
  table.softmax = softmax<T>;
  table.log_softmax = log_softmax<T>;
  table.softmax_gradient = softmax_gradient<T>;
  table.log_softmax_gradient = log_softmax_gradient<T>;
  table.sparse_crossentropy = sparse_crossentropy<T>;
  table.crossentropy = crossentropy<T>;
  table.sparse_crossentropy_gradient = sparse_crossentropy_gradient<T>;
  table.crossentropy_gradient = crossentropy_gradient<T>;
  table.gather = gather<T>;
  table.multiply_adds = multiply_adds<T>;
  return table;
}

const KernelTable<float>& float_table() {
  static const KernelTable<float> table = make_table<float>();
  return table;
}
const KernelTable<double>& double_table() {
  static const KernelTable<double> table = make_table<double>();
  return table;
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
