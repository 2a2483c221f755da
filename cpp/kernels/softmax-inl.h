// Softmax, cross-entropy of it, and their gradients, a row of contiguous columns each.
//
// The sum of exponentials leaves out the greatest logit's, which is 1: `others`. So the log of the sum is
// log1p(others), which keeps its digits when one class is sure.
#pragma once

#include "kernels/reduce-inl.h"
#include "kernels/transpose-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

constexpr int kRowGroup = 16;     // rows done together
constexpr int kFewColumns = 32;   // up to these, vectors run across the rows of a group
constexpr int kRowColumns = 512;  // up to these, a group of rows stays in the first caches from pass to pass

template <class T>
struct RowGroup {
  T greatest[kRowGroup];  // logit
  T others[kRowGroup];    // sum of exp(x - greatest) over the other columns
};

// The sum of term(j), j < count, in chunks as sum_row makes it.
template <class T, class Term>
GANGLION_INLINE T sum_of(int64_t count, Term term) {
  T total = 0, chunk[kSumChunk];
  for (int64_t i = 0; i < count; i += kSumChunk) {
    const int64_t size = smaller(kSumChunk, count - i);
    GANGLION_INDEPENDENT
    for (int64_t j = 0; j < size; ++j) chunk[j] = term(i + j);
    LaneSums<T> sums;
    sums.add(chunk, size);
    total += sums.fold();
  }
  return total;
}

// A group of rows with few columns, turned so that a vector holds one column of the rows.
template <class T>
struct RowTile {
  alignas(64) T column[kFewColumns][kRowGroup];

  RowTile(const T* x, int rows, int64_t columns) {
    if (rows < kRowGroup) __builtin_memset(column, 0, static_cast<size_t>(columns) * sizeof column[0]);
    transpose(column[0], kRowGroup, x, columns, rows, columns, true);
  }
  void store(T* x, int rows, int64_t columns) const {
    transpose(x, columns, column[0], kRowGroup, columns, rows, false);
  }

  T* operator[](int64_t j) { return column[j]; }
};

template <class T>
void softmax_few_columns(RowGroup<T>& group, T* probabilities, const T* x, int rows, int64_t columns) {
  RowTile<T> e(x, rows, columns);
  T best[kRowGroup], inverse[kRowGroup];
  for (int r = 0; r < kRowGroup; ++r) {
    group.greatest[r] = e[0][r];
    best[r] = 0;
    group.others[r] = 0;
  }
  for (int64_t j = 1; j < columns; ++j) {
    for (int r = 0; r < kRowGroup; ++r) {
      const bool greater = !(e[j][r] <= group.greatest[r]);
      best[r] = greater ? static_cast<T>(j) : best[r];
      group.greatest[r] = greater ? e[j][r] : group.greatest[r];
    }
  }
  for (int64_t j = 0; j < columns; ++j) {
    for (int r = 0; r < kRowGroup; ++r) {
      e[j][r] = exp_of_negative(e[j][r] - group.greatest[r]);
      group.others[r] += best[r] == static_cast<T>(j) ? T{0} : e[j][r];
    }
  }
  if (!probabilities) return;
  for (int r = 0; r < kRowGroup; ++r) inverse[r] = 1 / (1 + group.others[r]);
  for (int64_t j = 0; j < columns; ++j) {
    for (int r = 0; r < kRowGroup; ++r) e[j][r] *= inverse[r];
  }
  e.store(probabilities, rows, columns);
}

template <class T>
void softmax_row(T& greatest, T& others, T* probabilities, const T* x, int64_t columns) {
  const int64_t best = argmax_row(x, columns);
  const T shift = x[best];
  const auto term = [=](int64_t j) { return exp_of_negative(x[j] - shift); };
  greatest = shift;
  if (!probabilities) {
    others = sum_of<T>(columns, [=](int64_t j) { return j == best ? T{0} : term(j); });
    return;
  }
  GANGLION_INDEPENDENT
  for (int64_t j = 0; j < columns; ++j) probabilities[j] = term(j);
  const T at_best = probabilities[best];  // 1, or NaN
  probabilities[best] = 0;
  others = sum_row(probabilities, columns);
  probabilities[best] = at_best;
  const T inverse = 1 / (1 + others);
  for (int64_t j = 0; j < columns; ++j) probabilities[j] *= inverse;
}

// One number for each row from one for each of its sixteen places, combined by halves as LaneSums::fold does.
template <class T, class Combine>
GANGLION_INLINE void fold_places(T (&folded)[kRowGroup], const T (&places)[kRowGroup][kSumLanes], Combine combine) {
  alignas(64) T column[kSumLanes][kRowGroup];
  transpose(column[0], kRowGroup, places[0], kSumLanes, kRowGroup, kSumLanes, false);
  GANGLION_UNROLL for (int half = kSumLanes / 2; half >= 1; half /= 2) {
    GANGLION_UNROLL for (int j = 0; j < half; ++j) {
      for (int r = 0; r < kRowGroup; ++r) column[j][r] = combine(column[j][r], column[j + half][r]);
    }
  }
  for (int r = 0; r < kRowGroup; ++r) folded[r] = column[0][r];
}

// For rows of at most kRowColumns, which do not wait for each other: what is left of each after its pass, sixteen
// places, is folded for all of them at once. The greatest are those whose exponential is 1.
template <class T>
void softmax_rows(RowGroup<T>& group, T* probabilities, const T* x, int rows, int64_t columns) {
  constexpr int lanes = Simd<T>::lanes, vectors = kSumLanes / lanes;
  alignas(64) T places[kRowGroup][kSumLanes] = {}, ones[kRowGroup][kSumLanes] = {};
  T local[kRowColumns], greatest[kRowGroup];
  const Vector<T> one = broadcast(T{1}), none{};
  for (int r = 0; r < rows; ++r) greatest_of_places(places[r], x + r * columns, columns);
  fold_places(group.greatest, places, [](T a, T b) { return greater_or_nan(a, b); });
  for (int r = 0; r < rows; ++r) {
    const T* const row = x + r * columns;
    T* const e = probabilities ? probabilities + r * columns : local;
    const T shift = group.greatest[r];
    GANGLION_INDEPENDENT
    for (int64_t j = 0; j < columns; ++j) e[j] = exp_of_negative(row[j] - shift);
    Vector<T> sum[vectors] = {}, count[vectors] = {};
    for (int64_t j = 0; j < columns; j += kSumLanes) {
      GANGLION_UNROLL for (int v = 0; v < vectors; ++v) {
        const int64_t rest = columns - j - v * lanes;
        if (rest <= 0) break;
        const T* const from = e + j + v * lanes;
        const Vector<T> part = rest >= lanes ? load(from) : load_first(from, static_cast<int>(rest));
        sum[v] += part < one ? part : none;
        count[v] += part < one ? none : one;
      }
    }
    GANGLION_UNROLL for (int v = 0; v < vectors; ++v) {
      store(places[r] + v * lanes, sum[v]);
      store(ones[r] + v * lanes, count[v]);
    }
  }
  const auto add = [](T a, T b) { return a + b; };
  fold_places(group.others, places, add);
  fold_places(greatest, ones, add);
  for (int r = 0; r < rows; ++r) group.others[r] += greatest[r] - 1;
  if (!probabilities) return;
  for (int r = 0; r < rows; ++r) {
    const T inverse = 1 / (1 + group.others[r]);
    for (int64_t j = 0; j < columns; ++j) probabilities[r * columns + j] *= inverse;
  }
}

// Calls finish(first row, rows, group) for groups of rows; probabilities, rows x columns, may be null.
template <class T, class Finish>
GANGLION_INLINE void softmax_groups(T* probabilities, const T* x, int64_t rows, int64_t columns, Finish finish) {
  for (int64_t first = 0; first < rows; first += kRowGroup) {
    const int count = static_cast<int>(smaller(kRowGroup, rows - first));
    RowGroup<T> group;
    T* const out = probabilities ? probabilities + first * columns : nullptr;
    if (columns <= kFewColumns) {
      softmax_few_columns(group, out, x + first * columns, count, columns);
    } else if (columns <= kRowColumns) {
      softmax_rows(group, out, x + first * columns, count, columns);
    } else {
      for (int r = 0; r < kRowGroup; ++r) group.greatest[r] = group.others[r] = 0;
      for (int r = 0; r < count; ++r) {
        softmax_row(group.greatest[r], group.others[r], out ? out + r * columns : nullptr, x + (first + r) * columns,
                    columns);
      }
    }
    finish(first, count, group);
  }
}

template <class T>
void softmax(T* out, const T* x, int64_t rows, int64_t columns) {
  softmax_groups(out, x, rows, columns, [](int64_t, int, const RowGroup<T>&) {});
}

template <class T>
void log_softmax(T* out, const T* x, int64_t rows, int64_t columns) {
  softmax_groups<T>(nullptr, x, rows, columns, [=](int64_t first, int count, const RowGroup<T>& group) {
    T log_sum[kRowGroup];
    for (int r = 0; r < kRowGroup; ++r) log_sum[r] = log1p(group.others[r]);
    for (int r = 0; r < count; ++r) {
      const int64_t start = (first + r) * columns;
      GANGLION_INDEPENDENT
      for (int64_t j = 0; j < columns; ++j) out[start + j] = (x[start + j] - group.greatest[r]) - log_sum[r];
    }
  });
}

// Calls few(first row, rows) for groups of rows with few columns, otherwise one(row) for each.
template <class Few, class One>
GANGLION_INLINE void for_rows(int64_t rows, int64_t columns, Few few, One one) {
  if (columns <= kFewColumns) {
    for (int64_t i = 0; i < rows; i += kRowGroup) few(i, static_cast<int>(smaller(kRowGroup, rows - i)));
  } else {
    for (int64_t i = 0; i < rows; ++i) one(i);
  }
}

template <class T>
void softmax_gradient(T* d_x, const T* probabilities, const T* d_out, int64_t rows, int64_t columns) {
  for_rows(
      rows, columns,
      [=](int64_t first, int count) {
        RowTile<T> p(probabilities + first * columns, count, columns), d(d_out + first * columns, count, columns);
        T dot[kRowGroup] = {};
        for (int64_t j = 0; j < columns; ++j) {
          for (int r = 0; r < kRowGroup; ++r) dot[r] += p[j][r] * d[j][r];
        }
        for (int64_t j = 0; j < columns; ++j) {
          for (int r = 0; r < kRowGroup; ++r) p[j][r] *= d[j][r] - dot[r];
        }
        p.store(d_x + first * columns, count, columns);
      },
      [=](int64_t i) {
        const T *p = probabilities + i * columns, *d = d_out + i * columns;
        const T dot = sum_of<T>(columns, [=](int64_t j) { return d[j] * p[j]; });
        GANGLION_INDEPENDENT
        for (int64_t j = 0; j < columns; ++j) d_x[i * columns + j] = p[j] * (d[j] - dot);
      });
}

template <class T>
void log_softmax_gradient(T* d_x, const T* out, const T* d_out, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i, d_x += columns, out += columns, d_out += columns) {
    const T sum = sum_row(d_out, columns);
    GANGLION_INDEPENDENT
    for (int64_t j = 0; j < columns; ++j) d_x[j] = d_out[j] - exp_of_negative(out[j]) * sum;
  }
}

// The class an index names, -1 where there is none.
template <class T>
GANGLION_INLINE int64_t class_of(T index, int64_t columns) {
  return index >= 0 && index < static_cast<T>(columns) ? static_cast<int64_t>(index) : -1;
}

template <class T>
void sparse_crossentropy(T* loss, T* probabilities, const T* logits, const T* index, int64_t rows, int64_t columns) {
  softmax_groups(probabilities, logits, rows, columns, [=](int64_t first, int count, const RowGroup<T>& group) {
    T log_sum[kRowGroup];
    for (int r = 0; r < kRowGroup; ++r) log_sum[r] = log1p(group.others[r]);
    for (int r = 0; r < count; ++r) {
      const int64_t i = first + r, right = class_of(index[i], columns);
      loss[i] = right < 0 ? kNan<T> : log_sum[r] + (group.greatest[r] - logits[i * columns + right]);
    }
  });
}

// -t log(p); nothing where t is 0, whatever p.
template <class T>
GANGLION_INLINE T crossentropy_term(T t, T log_sum, T below_greatest) {
  return t == 0 ? T{0} : t * (log_sum + below_greatest);
}

template <class T>
void crossentropy(T* loss, T* probabilities, const T* logits, const T* target, int64_t rows, int64_t columns) {
  softmax_groups(probabilities, logits, rows, columns, [=](int64_t first, int count, const RowGroup<T>& group) {
    const T *x = logits + first * columns, *t = target + first * columns;
    T log_sum[kRowGroup], sum[kRowGroup] = {};
    for (int r = 0; r < kRowGroup; ++r) log_sum[r] = log1p(group.others[r]);
    for_rows(
        count, columns,
        [&](int64_t, int) {
          RowTile<T> logit(x, count, columns), share(t, count, columns);
          for (int64_t j = 0; j < columns; ++j) {
            for (int r = 0; r < kRowGroup; ++r) {
              sum[r] += crossentropy_term(share[j][r], log_sum[r], group.greatest[r] - logit[j][r]);
            }
          }
        },
        [&](int64_t r) {
          const T *row = x + r * columns, *shares = t + r * columns, shift = group.greatest[r], log_of_sum = log_sum[r];
          sum[r] =
              sum_of<T>(columns, [=](int64_t j) { return crossentropy_term(shares[j], log_of_sum, shift - row[j]); });
        });
    for (int r = 0; r < count; ++r) loss[first + r] = sum[r];
  });
}

template <class T>
void sparse_crossentropy_gradient(T* d_logits, const T* probabilities, const T* index, const T* d_loss, int64_t rows,
                                  int64_t columns) {
  for_rows(
      rows, columns,
      [=](int64_t first, int count) {
        RowTile<T> p(probabilities + first * columns, count, columns);
        T right[kRowGroup] = {}, scale[kRowGroup] = {}, others[kRowGroup] = {};
        for (int r = 0; r < count; ++r) {
          const int64_t named = class_of(index[first + r], columns);
          right[r] = static_cast<T>(named);
          scale[r] = named < 0 ? kNan<T> : d_loss[first + r];
        }
        for (int64_t j = 0; j < columns; ++j) {
          for (int r = 0; r < kRowGroup; ++r) others[r] += right[r] == static_cast<T>(j) ? T{0} : p[j][r];
        }
        for (int64_t j = 0; j < columns; ++j) {
          for (int r = 0; r < kRowGroup; ++r) {
            p[j][r] = scale[r] * (right[r] == static_cast<T>(j) ? -others[r] : p[j][r]);
          }
        }
        p.store(d_logits + first * columns, count, columns);
      },
      [=](int64_t i) {
        const T* p = probabilities + i * columns;
        const int64_t right = class_of(index[i], columns);
        const T scale = right < 0 ? kNan<T> : d_loss[i];
        const T others = sum_of<T>(columns, [=](int64_t j) { return j == right ? T{0} : p[j]; });
        GANGLION_INDEPENDENT
        for (int64_t j = 0; j < columns; ++j) d_logits[i * columns + j] = scale * (j == right ? -others : p[j]);
      });
}

template <class T>
void crossentropy_gradient(T* d_logits, const T* probabilities, const T* target, const T* d_loss, int64_t rows,
                           int64_t columns) {
  for (int64_t i = 0; i < rows; ++i, d_logits += columns, probabilities += columns, target += columns) {
    const T sum = sum_row(target, columns), scale = d_loss[i];
    GANGLION_INDEPENDENT
    for (int64_t j = 0; j < columns; ++j) d_logits[j] = scale * (probabilities[j] * sum - target[j]);
  }
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
