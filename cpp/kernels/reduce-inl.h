// Sums, maxima and their places.
#pragma once

#include "kernels/math-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

constexpr int kSumLanes = 16;
constexpr int64_t kSumChunk = 1024;

// 16 sums, one for each place modulo 16, folded by halves: lane j takes lane j + 8, then j + 4, j + 2, j + 1.
template <class T>
struct LaneSums {
  static constexpr int lanes = Simd<T>::lanes, vectors = kSumLanes / lanes;
  Vector<T> sum[vectors];

  GANGLION_INLINE LaneSums() { GANGLION_UNROLL for (int v = 0; v < vectors; ++v) sum[v] = Vector<T>{}; }
  GANGLION_INLINE void add(const T* x, int64_t count) {
    int64_t i = 0;
    for (; i + kSumLanes <= count; i += kSumLanes) {
      GANGLION_UNROLL for (int v = 0; v < vectors; ++v) sum[v] += load(x + i + v * lanes);
    }
    if (i == count) return;
    GANGLION_UNROLL for (int v = 0; v < vectors; ++v) {
      const int64_t rest = count - i - v * lanes;
      if (rest > 0) sum[v] += load_first(x + i + v * lanes, static_cast<int>(smaller(rest, lanes)));
    }
  }
  GANGLION_INLINE T fold() const {
    T lane[kSumLanes];
    GANGLION_UNROLL for (int v = 0; v < vectors; ++v) store(lane + v * lanes, sum[v]);
    GANGLION_UNROLL for (int half = kSumLanes / 2; half >= 1; half /= 2) {
      GANGLION_UNROLL for (int j = 0; j < half; ++j) lane[j] += lane[j + half];
    }
    return lane[0];
  }
};

// The sum of contiguous values: chunks of kSumChunk of them in order.
template <class T>
T sum_row(const T* x, int64_t count) {
  T total = 0;
  for (int64_t i = 0; i < count; i += kSumChunk) {
    LaneSums<T> sums;
    sums.add(x + i, smaller(kSumChunk, count - i));
    total += sums.fold();
  }
  return total;
}

// Greater of two, NaN if one of them is: scalars or vectors.
template <class V>
GANGLION_INLINE V greater_or_nan(V a, V b) {
  return (a > b) | (a != a) ? a : b;
}

// Greatest of at least 16 values for each chain, NaN if one of them is. A chain has 16 places on every instruction set.
template <class T, int Chains>
T max_in_chains(const T* x, int64_t count) {
  constexpr int lanes = Simd<T>::lanes, width = Chains * kSumLanes, vectors = width / lanes;
  Vector<T> most[vectors];
  GANGLION_UNROLL for (int v = 0; v < vectors; ++v) most[v] = load(x + v * lanes);
  for (int64_t i = width; i < count; i += width) {
    const T* const from = x + smaller(i, count - width);  // the last ones may be looked at twice
    GANGLION_UNROLL for (int v = 0; v < vectors; ++v) {
      most[v] = greater_or_nan<Vector<T>>(most[v], load(from + v * lanes));
    }
  }
  T lane[width];
  GANGLION_UNROLL for (int v = 0; v < vectors; ++v) store(lane + v * lanes, most[v]);
  GANGLION_UNROLL for (int half = width / 2; half >= 1; half /= 2) {
    GANGLION_UNROLL for (int j = 0; j < half; ++j) lane[j] = greater_or_nan(lane[j], lane[j + half]);
  }
  return lane[0];
}

// Greatest of the values, NaN if one of them is. One chain alone would wait for itself.
template <class T>
T max_row(const T* x, int64_t count) {
  if (count >= 4 * kSumLanes) return max_in_chains<T, 4>(x, count);
  if (count >= kSumLanes) return max_in_chains<T, 1>(x, count);
  T greatest = -kInfinity<T>;
  for (int64_t i = 0; i < count; ++i) greatest = greater_or_nan(greatest, x[i]);
  return greatest;
}

// The greatest of each of the sixteen places of at least as many values, NaN where one of them is. The last values may
// be looked at at another place as well.
template <class T>
GANGLION_INLINE void greatest_of_places(T* place, const T* x, int64_t count) {
  constexpr int lanes = Simd<T>::lanes, vectors = kSumLanes / lanes;
  Vector<T> most[vectors];
  GANGLION_UNROLL for (int v = 0; v < vectors; ++v) most[v] = load(x + v * lanes);
  for (int64_t i = kSumLanes; i < count; i += kSumLanes) {
    const T* const from = x + smaller(i, count - kSumLanes);
    GANGLION_UNROLL for (int v = 0; v < vectors; ++v) {
      most[v] = greater_or_nan<Vector<T>>(most[v], load(from + v * lanes));
    }
  }
  GANGLION_UNROLL for (int v = 0; v < vectors; ++v) store(place + v * lanes, most[v]);
}

// Place of the first of the greatest values, or of the first NaN.
template <class T>
int64_t argmax_row(const T* x, int64_t count) {
  constexpr int lanes = Simd<T>::lanes;
  const T greatest = max_row(x, count);
  const Vector<T> wanted = broadcast(greatest);
  int64_t i = 0;
  while (i + lanes <= count && all_less(load(x + i), wanted)) i += lanes;  // than NaN, none is
  while (i + 1 < count && x[i] != greatest && x[i] == x[i]) ++i;
  return i;
}

// What a column reduction starts from and does.
template <class T>
struct SumOfColumns {
  static constexpr T start() { return 0; }
  static GANGLION_INLINE Vector<T> combine(Vector<T> a, Vector<T> b) { return a + b; }
};
template <class T>
struct MaxOfColumns {
  static constexpr T start() { return -kInfinity<T>; }
  static GANGLION_INLINE Vector<T> combine(Vector<T> a, Vector<T> b) { return greater_or_nan<Vector<T>>(a, b); }
};

// out[j] over x[r][j], r < reduced in order, V vectors of columns at a time.
template <class T, class Rule, int V>
GANGLION_INLINE void reduce_columns(T* out, const T* x, int64_t reduced, int64_t x_reduced, int last) {
  constexpr int lanes = Simd<T>::lanes;
  Vector<T> result[V];
  GANGLION_UNROLL for (int v = 0; v < V; ++v) result[v] = broadcast(Rule::start());
  for (int64_t r = 0; r < reduced; ++r, x += x_reduced) {
    GANGLION_UNROLL for (int v = 0; v < V; ++v) {
      result[v] = Rule::combine(result[v], V > 1 || last == lanes ? load(x + v * lanes) : load_first(x, last));
    }
  }
  GANGLION_UNROLL for (int v = 0; v < V; ++v) {
    if (V > 1 || last == lanes) {
      store(out + v * lanes, result[v]);
    } else {
      store_first(out, result[v], last);
    }
  }
}

template <class T, class Rule>
void reduce_inner(T* out, const T* x, int64_t reduced, int64_t inner, int64_t x_reduced) {
  constexpr int lanes = Simd<T>::lanes, wide = 8;
  int64_t j = 0;
  for (; j + wide * lanes <= inner; j += wide * lanes) {
    reduce_columns<T, Rule, wide>(out + j, x + j, reduced, x_reduced, lanes);
  }
  for (; j < inner; j += lanes) {
    reduce_columns<T, Rule, 1>(out + j, x + j, reduced, x_reduced, static_cast<int>(smaller(lanes, inner - j)));
  }
}

template <class T>
void reduce_sum(T* out, const T* x, int64_t outer, int64_t reduced, int64_t inner, int64_t x_outer, int64_t x_reduced) {
  for (int64_t o = 0; o < outer; ++o) {
    if (inner == 1 && x_reduced == 1) {
      out[o] = sum_row(x + o * x_outer, reduced);
    } else {
      reduce_inner<T, SumOfColumns<T>>(out + o * inner, x + o * x_outer, reduced, inner, x_reduced);
    }
  }
}

template <class T>
void reduce_max(T* out, const T* x, int64_t outer, int64_t reduced, int64_t inner, int64_t x_outer, int64_t x_reduced) {
  for (int64_t o = 0; o < outer; ++o) {
    if (inner == 1 && x_reduced == 1) {
      out[o] = max_row(x + o * x_outer, reduced);
    } else {
      reduce_inner<T, MaxOfColumns<T>>(out + o * inner, x + o * x_outer, reduced, inner, x_reduced);
    }
  }
}

template <class T>
bool all_within(const T* x, int64_t count, T largest) {
  // But for the sign, bits are ordered as the numbers are; those of infinity and NaN are above.
  typename Format<T>::Bits most = 0;
  for (int64_t i = 0; i < count; ++i) {
    const auto bits = to_bits(x[i]) << 1;
    most = bits > most ? bits : most;
  }
  return most <= to_bits(largest) << 1;
}

template <class T>
void argmax(T* out, const T* x, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i) out[i] = static_cast<T>(argmax_row(x + i * columns, columns));
}

// The greatest of the values below a bound, minus infinity where there is none.
template <class T>
T greatest_below(const T* x, int64_t count, T bound) {
  constexpr int lanes = Simd<T>::lanes;
  const Vector<T> lowest = broadcast(-kInfinity<T>), bounds = broadcast(bound);
  Vector<T> most = lowest;
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const Vector<T> value = load(x + i);
    const Vector<T> below = value < bounds ? value : lowest;
    most = below > most ? below : most;
  }
  T lane[lanes], greatest = -kInfinity<T>;
  store(lane, most);
  for (int j = 0; j < lanes; ++j) greatest = lane[j] > greatest ? lane[j] : greatest;
  for (; i < count; ++i) greatest = x[i] < bound && x[i] > greatest ? x[i] : greatest;
  return greatest;
}

// From the greatest value down, one value, however often it is there, at a time: few are asked for.
template <class T>
void kth_largest(T* out, const T* x, const T* k, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i, x += columns) {
    T value = kInfinity<T>;
    int64_t found = 0;
    do {
      value = greatest_below(x, columns, value);
      found = 0;
      for (int64_t j = 0; j < columns; ++j) found += x[j] >= value;
    } while (static_cast<T>(found) < *k && value > -kInfinity<T>);
    out[i] = value;
  }
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
