// The table of one instruction set.
#pragma once

#include "kernels/convolution_input_gradient-inl.h"
#include "kernels/convolution_weight_gradient-inl.h"
#include "kernels/elementwise-inl.h"
#include "kernels/gather_sparse-inl.h"
#include "kernels/matmul_plan-inl.h"
#include "kernels/multiply_rows-inl.h"
#include "kernels/pooling-inl.h"
#include "kernels/random-inl.h"
#include "kernels/reduce-inl.h"
#include "kernels/resampling-inl.h"
#include "kernels/softmax-inl.h"
#include "kernels/tables.h"
#include "kernels/take-inl.h"

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

// A function of one vector or of two, as a pointer of one type.
template <class T>
VectorFunction vector_function(Vector<T> (*function)(Vector<T>)) {
  return reinterpret_cast<VectorFunction>(function);
}
template <class T>
VectorFunction vector_function(Vector<T> (*function)(Vector<T>, Vector<T>)) {
  return reinterpret_cast<VectorFunction>(function);
}

template <class T>
void enter_elementwise(KernelTable<T>* table) {
#define GANGLION_ENTER(name, arity)                                                     \
  {                                                                                     \
    constexpr int index = static_cast<int>(Opcode::name);                               \
    if constexpr (arity > 0) {                                                          \
      table->elementwise[index] = map<T, Elementwise<T>::name>;                         \
    }                                                                                   \
    if constexpr (arity == 1 || arity == 2) {                                           \
      table->on_vector[index] = vector_function<T>(on_vector<T, Elementwise<T>::name>); \
    }                                                                                   \
  }
  GANGLION_ELEMENTWISE(GANGLION_ENTER)
#undef GANGLION_ENTER
}

template <class T>
KernelTable<T> make_table() {
  KernelTable<T> table{};
  table.matmul_plan = matmul_plan<T>;
  table.matmul_block = matmul_block<T>;
  table.convolution_cut = convolution_cut<T>;
  table.convolution = convolution<T>;
  table.convolution_turn_weights = convolution_turn_weights<T>;
  table.convolution_input_cut = convolution_input_cut<T>;
  table.convolution_input_gradient = convolution_input_gradient<T>;
  table.convolution_weight_cut = convolution_weight_cut<T>;
  table.convolution_sum_rows = convolution_sum_rows;
  table.convolution_weight_gradient = convolution_weight_gradient<T>;
  table.multiply_rows = multiply_rows<T>;
  enter_elementwise(&table);
  table.random_uniform = random<T, uniform_chunk<T>>;
  table.random_normal = random<T, normal_chunk<T>>;
  table.reduce_sum = reduce_sum<T>;
  table.reduce_max = reduce_max<T>;
  table.all_within = all_within<T>;
  table.all_indices = all_indices<T>;
  table.take = take<T>;
  table.add_rows = add_rows<T>;
  table.argmax = argmax<T>;
  table.kth_largest = kth_largest<T>;
  table.softmax = softmax<T>;
  table.log_softmax = log_softmax<T>;
  table.softmax_gradient = softmax_gradient<T>;
  table.log_softmax_gradient = log_softmax_gradient<T>;
  table.sparse_crossentropy = sparse_crossentropy<T>;
  table.crossentropy = crossentropy<T>;
  table.sparse_crossentropy_gradient = sparse_crossentropy_gradient<T>;
  table.crossentropy_gradient = crossentropy_gradient<T>;
  table.max_pool = max_pool<T>;
  table.max_pool_gradient = max_pool_gradient<T>;
  table.window_sum = window_sum<T>;
  table.window_spread = window_spread<T>;
  table.resample = resample<T>;
  table.resample_gradient = resample_gradient<T>;
  table.gather = gather<T>;
  table.gather_sparse = gather_sparse<T>;
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
