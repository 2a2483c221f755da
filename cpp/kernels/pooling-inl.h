// The largest element and the sum of each window over an image, channels last, and their gradients.
#pragma once

#include "kernels/channels-inl.h"

namespace ganglion {
namespace GANGLION_ISA {

// The part of a window that lies in the image.
struct Window {
  int64_t first;  // of the image's elements
  int64_t place;  // of it in the window
  int64_t rows, columns;
};

// The elements of a window: visit(offset from the first, place in the window). Those of a whole square of a known size
// are written out by the compiler.
template <int Size>
struct TapsOfSquare {
  int64_t row, column;  // elements from one to the next
  template <class Visit>
  GANGLION_INLINE void each(Visit visit) const {
    GANGLION_UNROLL for (int r = 0; r < Size; ++r) {
      GANGLION_UNROLL for (int c = 0; c < Size; ++c) visit(r * row + c * column, r * Size + c);
    }
  }
};
struct TapsOfAny {
  const Pooling& p;
  const Window& window;
  template <class Visit>
  GANGLION_INLINE void each(Visit visit) const {
    for (int64_t r = 0; r < window.rows; ++r) {
      for (int64_t c = 0; c < window.columns; ++c) {
        visit((r * p.width + c) * p.channels, window.place + r * p.window[1] + c);
      }
    }
  }
};

// `Size`: of square windows, or 0.
template <class T, int Size, class Visit>
GANGLION_INLINE void each_window_of_size(const Pooling& p, Visit visit) {
  for (int64_t i = 0; i < p.out_height; ++i) {
    const int64_t top = i * p.strides[0] - p.before[0];
    const int64_t row = larger(top, 0), rows = smaller(top + p.window[0], p.height) - row;
    each_vector<T>(p.channels, [&](int64_t c, auto channels) {
      int64_t result = i * p.out_width * p.channels + c, left = -p.before[1];
      for (int64_t j = 0; j < p.out_width; ++j, result += p.channels, left += p.strides[1]) {
        const int64_t column = larger(left, 0), columns = smaller(left + p.window[1], p.width) - column;
        const Window window{(row * p.width + column) * p.channels + c, (row - top) * p.window[1] + column - left, rows,
                            columns};
        if (Size > 0 && rows == Size && columns == Size) {
          visit(window, result, channels, TapsOfSquare<Size>{p.width * p.channels, p.channels});
        } else {
          visit(window, result, channels, TapsOfAny{p, window});
        }
      }
    });
  }
}

// visit(window, first element of its result, channels: a WholeVector or a PartOfVector, the window's taps)
template <class T, class Visit>
GANGLION_INLINE void each_window(const Pooling& p, Visit visit) {
  if (p.window[0] == 2 && p.window[1] == 2) return each_window_of_size<T, 2>(p, visit);
  if (p.window[0] == 3 && p.window[1] == 3) return each_window_of_size<T, 3>(p, visit);
  each_window_of_size<T, 0>(p, visit);
}

// Also where in its window the first of the largest stands, unless `place` is null. NaN is larger than any number.
template <class T>
void max_pool(T* out, T* place, const T* x, const Pooling& pooling, int64_t images) {
  const Pooling p = pooling;  // a copy, of which the compiler knows that no store changes it
  for (int64_t image = 0; image < images; ++image) {
    each_window<T>(p, [&](const Window& window, int64_t result, auto channels, auto taps) {
      const T* const from = x + window.first;
      Vector<T> most = channels.load(from), at = broadcast(static_cast<T>(window.place));
      taps.each([&](int64_t offset, int64_t number) {
        if (offset == 0) return;
        const Vector<T> other = channels.load(from + offset);
        const auto keep = (other <= most) | (most != most);
        most = keep ? most : other;
        at = keep ? at : broadcast(static_cast<T>(number));
      });
      channels.store(out + result, most);
      if (place) channels.store(place + result, at);
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
    each_window<T>(p, [&](const Window& window, int64_t result, auto channels, auto taps) {
      Vector<T> sum{};
      taps.each([&](int64_t offset, int64_t) { sum += channels.load(x + window.first + offset); });
      channels.store(out + result, sum);
    });
  }
}

// Adds to each tap's element of the image what share(first element of a result, channels) gives for its place. Where
// each element lies in one window, it is written once.
template <class T, class Share>
GANGLION_INLINE void spread_windows(T* d_x, const Pooling& p, Share share) {
  const bool once = p.covers_once();
  if (!once) __builtin_memset(d_x, 0, static_cast<size_t>(p.image()) * sizeof(T));
  each_window<T>(p, [&](const Window& window, int64_t result, auto channels, auto taps) {
    const auto of_place = share(result, channels);
    taps.each([&](int64_t offset, int64_t number) {
      T* const to = d_x + window.first + offset;
      const Vector<T> added = of_place(number);
      channels.store(to, once ? added : channels.load(to) + added);
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
