// Vectors of the instruction set being compiled: GCC's and Clang's vector types, and the few operations they lack:
// fused multiply-add, partial loads and stores, and the two interleavings a transpose is made of.
//
// Every *-inl.h is included by the isa_*.cpp alone, inside the namespace GANGLION_ISA, and calls no inline function
// of the standard library: the linker would keep one copy of it, of any instruction set, for the whole module.
#pragma once

#include <cstdint>
#include <utility>

#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"  // vectors never cross the boundary of a translation unit
#endif

#define GANGLION_INLINE inline __attribute__((always_inline))
#if defined(__clang__)
#define GANGLION_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GANGLION_UNROLL _Pragma("GCC unroll 16")
#endif

namespace ganglion {
namespace GANGLION_ISA {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
constexpr bool kFusedMultiplyAdd = true;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
constexpr bool kFusedMultiplyAdd = true;
#else
constexpr int kVectorBytes = 16;
#if defined(__aarch64__)
constexpr bool kFusedMultiplyAdd = true;
#else
constexpr bool kFusedMultiplyAdd = false;
#endif
#endif

constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t larger(int64_t a, int64_t b) { return a < b ? b : a; }
constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// a * b + c, rounded once where the processor can.
GANGLION_INLINE float fma(float a, float b, float c) { return kFusedMultiplyAdd ? __builtin_fmaf(a, b, c) : a * b + c; }
GANGLION_INLINE double fma(double a, double b, double c) {
  return kFusedMultiplyAdd ? __builtin_fma(a, b, c) : a * b + c;
}

template <class T>
struct Simd {
  static constexpr int lanes = kVectorBytes / static_cast<int>(sizeof(T));
  typedef T Vector __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using Vector = typename Simd<T>::Vector;

template <class T>
GANGLION_INLINE Vector<T> load(const T* from) {
  Vector<T> x;
  __builtin_memcpy(&x, from, sizeof x);
  return x;
}
template <class T>
GANGLION_INLINE void store(T* to, Vector<T> x) {
  __builtin_memcpy(to, &x, sizeof x);
}
template <class T>
GANGLION_INLINE Vector<T> broadcast(T x) {
  return x - Vector<T>{};
}

// The first `count` lanes, 0 <= count <= lanes; the others are zero, and their memory is not touched.
#if defined(__AVX512F__)
GANGLION_INLINE Vector<float> load_first(const float* from, int count) {
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), from);
}
GANGLION_INLINE Vector<double> load_first(const double* from, int count) {
  return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), from);
}
GANGLION_INLINE void store_first(float* to, Vector<float> x, int count) {
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), x);
}
GANGLION_INLINE void store_first(double* to, Vector<double> x, int count) {
  _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1u << count) - 1), x);
}
GANGLION_INLINE Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) {
  return _mm512_fmadd_ps(a, b, c);
}
GANGLION_INLINE Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm512_fmadd_pd(a, b, c);
}
#elif defined(__AVX2__)
GANGLION_INLINE __m256i first_mask(int count, int lanes) {
  alignas(32) static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  const int words = 8 / lanes;
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(ones + 8 - count * words));
}
GANGLION_INLINE Vector<float> load_first(const float* from, int count) {
  return _mm256_maskload_ps(from, first_mask(count, 8));
}
GANGLION_INLINE Vector<double> load_first(const double* from, int count) {
  return _mm256_maskload_pd(from, first_mask(count, 4));
}
GANGLION_INLINE void store_first(float* to, Vector<float> x, int count) {
  _mm256_maskstore_ps(to, first_mask(count, 8), x);
}
GANGLION_INLINE void store_first(double* to, Vector<double> x, int count) {
  _mm256_maskstore_pd(to, first_mask(count, 4), x);
}
GANGLION_INLINE Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) {
  return _mm256_fmadd_ps(a, b, c);
}
GANGLION_INLINE Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm256_fmadd_pd(a, b, c);
}
#else
template <class T>
GANGLION_INLINE Vector<T> load_first(const T* from, int count) {
  Vector<T> x{};
  __builtin_memcpy(&x, from, static_cast<size_t>(count) * sizeof(T));
  return x;
}
template <class T>
GANGLION_INLINE void store_first(T* to, Vector<T> x, int count) {
  __builtin_memcpy(to, &x, static_cast<size_t>(count) * sizeof(T));
}
#if defined(__aarch64__)
GANGLION_INLINE Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) { return vfmaq_f32(c, a, b); }
GANGLION_INLINE Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) { return vfmaq_f64(c, a, b); }
#else
GANGLION_INLINE Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) { return a * b + c; }
GANGLION_INLINE Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) { return a * b + c; }
#endif
#endif

// Whether a < b in every lane.
GANGLION_INLINE bool all_less(Vector<float> a, Vector<float> b) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ) == 0xFFFF;
#elif defined(__AVX2__)
  return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LT_OQ)) == 0xFF;
#else
  bool all = true;
  for (int i = 0; i < Simd<float>::lanes; ++i) all = all && a[i] < b[i];
  return all;
#endif
}
GANGLION_INLINE bool all_less(Vector<double> a, Vector<double> b) {
#if defined(__AVX512F__)
  return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ) == 0xFF;
#elif defined(__AVX2__)
  return _mm256_movemask_pd(_mm256_cmp_pd(a, b, _CMP_LT_OQ)) == 0xF;
#else
  bool all = true;
  for (int i = 0; i < Simd<double>::lanes; ++i) all = all && a[i] < b[i];
  return all;
#endif
}

// 64-bit numbers, and the product of their lower halves with a word.
typedef uint64_t Numbers __attribute__((vector_size(kVectorBytes)));

GANGLION_INLINE Numbers multiply_lower(Numbers x, uint32_t m) {
#if defined(__AVX512F__)
  return reinterpret_cast<Numbers>(_mm512_maskz_mul_epu32(0xff, reinterpret_cast<__m512i>(x), _mm512_set1_epi64(m)));
#elif defined(__AVX2__)
  return reinterpret_cast<Numbers>(_mm256_mul_epu32(reinterpret_cast<__m256i>(x), _mm256_set1_epi64x(m)));
#elif defined(__SSE2__)
  return reinterpret_cast<Numbers>(_mm_mul_epu32(reinterpret_cast<__m128i>(x), _mm_set1_epi64x(m)));
#elif defined(__aarch64__)
  return vmull_u32(vmovn_u64(x), vdup_n_u32(m));
#else
  return (x & 0xFFFFFFFFu) * uint64_t{m};
#endif
}

// Numbers the lanes of a and b 0 ... 2 * lanes - 1, and exchanges those of a whose number has the bit `Bit` with
// those of b whose number lacks it.
template <class T, int Bit, int... I>
GANGLION_INLINE void exchange_lanes(Vector<T>& a, Vector<T>& b, std::integer_sequence<int, I...>) {
  constexpr int lanes = Simd<T>::lanes;
  const Vector<T> x = a;
#if defined(__clang__)
  a = __builtin_shufflevector(x, b, (I & Bit ? lanes + I - Bit : I)...);
  b = __builtin_shufflevector(x, b, (I & Bit ? lanes + I : I + Bit)...);
#else
  typedef decltype(a < b) Index;
  a = __builtin_shuffle(x, b, Index{(I & Bit ? lanes + I - Bit : I)...});
  b = __builtin_shuffle(x, b, Index{(I & Bit ? lanes + I : I + Bit)...});
#endif
}

// from[0], from[1], from[0], from[1] ...
template <class T>
GANGLION_INLINE Vector<T> broadcast_pair(const T* from) {
  if constexpr (2 * sizeof(T) == sizeof(uint64_t)) {
    uint64_t pair;
    __builtin_memcpy(&pair, from, sizeof pair);
    return reinterpret_cast<Vector<T>>(pair - Numbers{});
  } else {
    Vector<T> x;
    GANGLION_UNROLL for (int i = 0; i < Simd<T>::lanes; ++i) x[i] = from[i % 2];
    return x;
  }
}

// Lanes of a and b, numbered as above, by their numbers.
template <class T, int... I>
GANGLION_INLINE Vector<T> choose_lanes(Vector<T> a, Vector<T> b) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, I...);
#else
  typedef decltype(a < b) Index;
  return __builtin_shuffle(a, b, Index{I...});
#endif
}

// a[0], b[0], a[1], b[1] ..., of the first half of the lanes.
template <class T, int... I>
GANGLION_INLINE Vector<T> interleave(Vector<T> a, Vector<T> b, std::integer_sequence<int, I...>) {
  return choose_lanes<T, (I / 2 + I % 2 * Simd<T>::lanes)...>(a, b);
}
template <class T>
GANGLION_INLINE Vector<T> interleave(Vector<T> a, Vector<T> b) {
  return interleave<T>(a, b, std::make_integer_sequence<int, Simd<T>::lanes>{});
}

// Every second lane of x, from lane `First` on, in the first half of the result.
template <class T, int First, int... I>
GANGLION_INLINE Vector<T> every_second(Vector<T> x, std::integer_sequence<int, I...>) {
  return choose_lanes<T, ((2 * I + First) % Simd<T>::lanes)...>(x, x);
}
template <class T, int First>
GANGLION_INLINE Vector<T> every_second(Vector<T> x) {
  return every_second<T, First>(x, std::make_integer_sequence<int, Simd<T>::lanes>{});
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
