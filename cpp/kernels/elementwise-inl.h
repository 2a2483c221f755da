// One loop per elementwise opcode.
#pragma once

#include "kernels/math-inl.h"

#if defined(__clang__)
#define GANGLION_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define GANGLION_INDEPENDENT _Pragma("GCC ivdep")  // out[i] depends on no other element, also where out is an operand
#endif

namespace ganglion {
namespace GANGLION_ISA {

// The functions, by the names of their opcodes.
template <class T>
struct Elementwise {
  static GANGLION_INLINE T negative(T a) { return -a; }
  static GANGLION_INLINE T absolute(T a) { return magnitude(a); }
  static GANGLION_INLINE T sign(T a) { return a > 0 ? T{1} : a < 0 ? T{-1} : a; }
  static GANGLION_INLINE T floor(T a) { return round_down(a); }
  static GANGLION_INLINE T square(T a) { return a * a; }
  static GANGLION_INLINE T sqrt(T a) { return square_root(a); }
  static GANGLION_INLINE T rsqrt(T a) { return 1 / square_root(a); }
  static GANGLION_INLINE T reciprocal(T a) { return 1 / a; }
  static GANGLION_INLINE T exp(T a) { return GANGLION_ISA::exp(a); }
  static GANGLION_INLINE T expm1(T a) { return GANGLION_ISA::expm1(a); }
  static GANGLION_INLINE T log(T a) { return GANGLION_ISA::log(a); }
  static GANGLION_INLINE T log1p(T a) { return GANGLION_ISA::log1p(a); }
  static GANGLION_INLINE T tanh(T a) { return GANGLION_ISA::tanh(a); }
  static GANGLION_INLINE T sigmoid(T a) { return GANGLION_ISA::sigmoid(a); }
  static GANGLION_INLINE T softplus(T a) { return GANGLION_ISA::softplus(a); }
  static GANGLION_INLINE T erf(T a) { return GANGLION_ISA::erf(a); }
  static GANGLION_INLINE T sinpi(T a) { return GANGLION_ISA::sinpi(a); }
  static GANGLION_INLINE T cospi(T a) { return GANGLION_ISA::cospi(a); }
  static GANGLION_INLINE T relu(T a) { return a < 0 ? T{0} : a; }
  static GANGLION_INLINE T is_finite(T a) { return magnitude(a) <= Format<T>::largest ? T{1} : T{0}; }
  static GANGLION_INLINE T add(T a, T b) { return a + b; }
  static GANGLION_INLINE T subtract(T a, T b) { return a - b; }
  static GANGLION_INLINE T multiply(T a, T b) { return a * b; }
  static GANGLION_INLINE T divide(T a, T b) { return a / b; }
  static GANGLION_INLINE T power(T a, T b) { return GANGLION_ISA::power(a, b); }
  // NaN where either operand is.
  static GANGLION_INLINE T maximum(T a, T b) { return a > b ? a : (a == a ? b : a); }
  static GANGLION_INLINE T minimum(T a, T b) { return a < b ? a : (a == a ? b : a); }
  static GANGLION_INLINE T greater(T a, T b) { return a > b ? T{1} : T{0}; }
  static GANGLION_INLINE T greater_equal(T a, T b) { return a >= b ? T{1} : T{0}; }
  static GANGLION_INLINE T equal(T a, T b) { return a == b ? T{1} : T{0}; }
  static GANGLION_INLINE T where(T a, T b, T c) { return a != 0 ? b : c; }
};

template <class T, T (*function)(T)>
void map(T* out, const T* a, const T*, const T*, int64_t count) {
  GANGLION_INDEPENDENT
  for (int64_t i = 0; i < count; ++i) out[i] = function(a[i]);
}
template <class T, T (*function)(T, T)>
void map(T* out, const T* a, const T* b, const T*, int64_t count) {
  GANGLION_INDEPENDENT
  for (int64_t i = 0; i < count; ++i) out[i] = function(a[i], b[i]);
}
template <class T, T (*function)(T, T, T)>
void map(T* out, const T* a, const T* b, const T* c, int64_t count) {
  GANGLION_INDEPENDENT
  for (int64_t i = 0; i < count; ++i) out[i] = function(a[i], b[i], c[i]);
}

// The same functions on vectors.
template <class T, T (*function)(T)>
Vector<T> on_vector(Vector<T> a) {
  T lanes[Simd<T>::lanes];
  store(lanes, a);
  for (T& lane : lanes) lane = function(lane);
  return load(lanes);
}
template <class T, T (*function)(T, T)>
Vector<T> on_vector(Vector<T> a, Vector<T> b) {
  T lanes[Simd<T>::lanes], others[Simd<T>::lanes];
  store(lanes, a);
  store(others, b);
  for (int i = 0; i < Simd<T>::lanes; ++i) lanes[i] = function(lanes[i], others[i]);
  return load(lanes);
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
