// Products of elements, set or added.
#pragma once

#include "kernels/simd-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

template <class T, bool Accumulate>
void multiply_of(T* out, const T* a, const T* b, int64_t count) {
  constexpr int lanes = Simd<T>::lanes;
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const Vector<T> x = load(a + i), y = load(b + i);
    store(out + i, Accumulate ? fma(x, y, load(out + i)) : x * y);
  }
  if (i == count) return;
  const int rest = static_cast<int>(count - i);
  const Vector<T> x = load_first(a + i, rest), y = load_first(b + i, rest);
  store_first(out + i, Accumulate ? fma(x, y, load_first(out + i, rest)) : x * y, rest);
}

template <class T>
void multiply(T* out, const T* a, const T* b, int64_t count, bool accumulate) {
  (accumulate ? multiply_of<T, true> : multiply_of<T, false>)(out, a, b, count);
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
