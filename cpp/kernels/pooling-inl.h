// The largest element and the sum of each window over an image, channels last, and their gradients.
#pragma once

#include "kernels/simd-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// Channels that are worked on at once: a whole vector of them, or the last ones.
template <class T>
struct WholeVector {
  static GANGLION_INLINE Vector<T> load(const T* from) { return GANGLION_ISA::load(from); }
  static GANGLION_INLINE void store(T* to, Vector<T> x) { GANGLION_ISA::store(to, x); }
};
template <class T>
struct PartOfVector {
  int count;
  GANGLION_INLINE Vector<T> load(const T* from) const { return load_first(from, count); }
  GANGLION_INLINE void store(T* to, Vector<T> x) const { store_first(to, x, count); }
};

// visit(first channel, a WholeVector or a PartOfVector)
template <class T, class Visit>
GANGLION_INLINE void each_vector(int64_t channels, Visit visit) {
  int64_t c = 0;
  for (; c + Simd<T>::lanes <= channels; c += Simd<T>::lanes) visit(c, WholeVector<T>{});
  if (c < channels) visit(c, PartOfVector<T>{static_cast<int>(channels - c)});
}

// The part of a window that lies in the image.
struct Window {
  int64_t first;  // of the image's elements
  int64_t place;  // of it in the window
  int64_t rows, columns;
};

// visit(window, first element of its result)
template <class Visit>
GANGLION_INLINE void each_window(const Pooling& p, Visit visit) {
  for (int64_t i = 0; i < p.out_height; ++i) {
    const int64_t top = i * p.strides[0] - p.before[0];
    const int64_t row = larger(top, 0), rows = smaller(top + p.window[0], p.height) - row;
    for (int64_t j = 0; j < p.out_width; ++j) {
      const int64_t left = j * p.strides[1] - p.before[1];
      const int64_t column = larger(left, 0), columns = smaller(left + p.window[1], p.width) - column;
      const Window window{(row * p.width + column) * p.channels, (row - top) * p.window[1] + column - left, rows,
                          columns};
      visit(window, (i * p.out_width + j) * p.channels);
    }
  }
}

// Written out by the compiler.
template <int Size, class Visit>
GANGLION_INLINE void each_tap_of_square(const Pooling& p, Visit visit) {
  GANGLION_UNROLL for (int r = 0; r < Size; ++r) {
    GANGLION_UNROLL for (int c = 0; c < Size; ++c) visit((r * p.width + c) * p.channels, r * Size + c);
  }
}

// visit(offset from the window's first element, place in the window)
template <class Visit>
GANGLION_INLINE void each_tap(const Window& window, const Pooling& p, Visit visit) {
  const bool whole = window.rows == p.window[0] && window.columns == p.window[1];
  if (whole && window.rows == 2 && window.columns == 2) return each_tap_of_square<2>(p, visit);
  if (whole && window.rows == 3 && window.columns == 3) return each_tap_of_square<3>(p, visit);
  for (int64_t r = 0; r < window.rows; ++r) {
    for (int64_t c = 0; c < window.columns; ++c) {
      visit((r * p.width + c) * p.channels, window.place + r * p.window[1] + c);
    }
  }
}

// Also where in its window the first of the largest stands, unless `place` is null. NaN is larger than any number.
template <class T>
void max_pool(T* out, T* place, const T* x, const Pooling& pooling, int64_t images) {
  const Pooling p = pooling;  // a copy, of which the compiler knows that no store changes it
  for (int64_t image = 0; image < images; ++image) {
    each_window(p, [&](const Window& window, int64_t result) {
      each_vector<T>(p.channels, [&](int64_t c, auto channels) {
        const T* const from = x + window.first + c;
        Vector<T> most = channels.load(from), at = broadcast(static_cast<T>(window.place));
        each_tap(window, p, [&](int64_t offset, int64_t number) {
          if (offset == 0) return;
          const Vector<T> other = channels.load(from + offset);
          const auto keep = (other <= most) | (most != most);
          most = keep ? most : other;
          at = keep ? at : broadcast(static_cast<T>(number));
        });
        channels.store(out + result + c, most);
        if (place) channels.store(place + result + c, at);
      });
    });
    x += p.image();
    out += p.result();
    if (place) place += p.result();
  }
}

template <class T>
void window_sum(T* out, const T* x, const Pooling& pooling, int64_t images) {
  const Pooling p = pooling;
  for (int64_t image = 0; image < images; ++image, x += p.image(), out += p.result()) {
    each_window(p, [&](const Window& window, int64_t result) {
      each_vector<T>(p.channels, [&](int64_t c, auto channels) {
        Vector<T> sum{};
        each_tap(window, p, [&](int64_t offset, int64_t) { sum += channels.load(x + window.first + c + offset); });
        channels.store(out + result + c, sum);
      });
    });
  }
}

// Adds to each tap's element of the image what share(first element of a result, channels) gives for its place. Where
// each element lies in one window, it is written once.
template <class T, class Share>
GANGLION_INLINE void spread_windows(T* d_x, const Pooling& p, Share share) {
  const bool once = p.covers_once();
  if (!once) __builtin_memset(d_x, 0, static_cast<size_t>(p.image()) * sizeof(T));
  each_window(p, [&](const Window& window, int64_t result) {
    each_vector<T>(p.channels, [&](int64_t c, auto channels) {
      const auto of_place = share(result + c, channels);
      each_tap(window, p, [&](int64_t offset, int64_t number) {
        T* const to = d_x + window.first + c + offset;
        const Vector<T> added = of_place(number);
        channels.store(to, once ? added : channels.load(to) + added);
      });
    });
  });
}

template <class T>
void max_pool_gradient(T* d_x, const T* place, const T* d_out, const Pooling& pooling, int64_t images) {
  const Pooling p = pooling;
  for (int64_t image = 0; image < images; ++image) {
    spread_windows(d_x, p, [&](int64_t result, auto channels) {
      const Vector<T> at = channels.load(place + result), d = channels.load(d_out + result);
      return [=](int64_t number) { return at == broadcast(static_cast<T>(number)) ? d : Vector<T>{}; };
    });
    d_x += p.image();
    place += p.result();
    d_out += p.result();
  }
}

template <class T>
void window_spread(T* out, const T* x, const Pooling& pooling, int64_t images) {
  const Pooling p = pooling;
  for (int64_t image = 0; image < images; ++image, out += p.image(), x += p.result()) {
    spread_windows(out, p, [&](int64_t result, auto channels) {
      const Vector<T> each = channels.load(x + result);
      return [=](int64_t) { return each; };
    });
  }
}

}  // namespace GANGLION_ISA
}  // namespace ganglion
